"""What a part says of a cell beside its arrays, as typed records, and what its arrays must be.

A file is decoded into these once, at the door: whoever reads a part or a plan asks nothing again.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import schema

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
CellId = Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z]{1,64}$")]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Names = tuple[str, ...]


class CellKeys(msgspec.Struct, frozen=True):
    """The columns that name a cell, in the order of ``schema.KEYS``."""

    cell_id: CellId
    dataset: str
    noise: str
    noise_kind: str
    noise_rate: float | None
    model: str
    recipe: str
    method: str
    seed: Seed


class CellFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The columns of ``results.csv`` that every selection of a cell shares."""

    method_spec: str = ""
    profile: str = ""
    privileges: str = ""
    precision: str = ""
    noise_rate_realised: float | None = None
    noise_sha256: str = ""
    truth: Literal["known", "unknown"] = "known"
    metric_spec: str = ""
    n_train: Count | None = None
    n_test: Count | None = None


class Costs(msgspec.Struct, omit_defaults=True):
    """What training took; blank where it is not known."""

    train_seconds: float | None = None
    eval_seconds: float | None = None
    steps: Count | None = None
    forward_passes: Count | None = None
    backward_passes: Count | None = None
    peak_memory_mb: float | None = None
    state_mb: float | None = None
    energy_joules: float | None = None
    device: str = ""
    driver: str = ""


class Draws(msgspec.Struct, frozen=True, omit_defaults=True):
    """Digests of what a seed fixes for every method beside the noise; blank if unknown."""

    split_sha256: str = ""  # of the positions that are trained on, little-endian int64
    weights_sha256: str = ""  # of the first network, as it is before it sees an image


class Stamp(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where and when a cell was trained, and by which code."""

    host: str = ""
    cores: Count | None = None
    cpu: str = ""
    system: str = ""
    torch: str = ""
    python: str = ""
    packages: str = ""
    commit: str = ""
    finished_utc: str = ""
    earlier: str = ""  # environments in which it began, where it went on in another


class CellMeta(msgspec.Struct, omit_defaults=True):
    """What is known of a cell that was trained; the names are those of its arrays' axes."""

    keys: CellKeys
    facts: CellFacts
    status: Literal["done", "diverged", "failed"]
    reason: str
    costs: Costs
    stamp: Stamp = Stamp()
    trace: str = ""  # of the error
    curves: Names = ()
    selections: Names = ()
    scores: Names = ()
    mislabelled: Count | None = None
    metrics: Names = ()
    metric_specs: dict[str, str] = {}  # by selection, where recomputed
    draws: Draws = Draws()
    own_images: bool = False  # whether each seed is tested on images of its own


class CollectedMeta(msgspec.Struct, omit_defaults=True):
    """What is known of the recomputed numbers of a cell."""

    keys: CellKeys
    metrics: Names
    metric_specs: dict[str, str] = {}


NO_BOUND = 2**63
Axis = str | int
"""An axis: named, and then as long as its namesakes, or a number."""


class Wanted(NamedTuple):
    """The kind of numbers in an array of a finished cell, and its axes."""

    kinds: str  # f, a float; i and u, a whole number; b, a flag
    axes: tuple[Axis, ...]
    bound: str = ""  # the axis that whole numbers count, from 0
    least: int = 0
    optional: bool = False


_TRAIN, _CLASSES = ("train",), ("classes", "classes")
ARRAYS: Mapping[str, Wanted] = {
    "curves": Wanted("f", ("epochs", "curves")),
    "selected": Wanted("iu", ("selections",), "epochs"),
    "final": Wanted("iu", ("own epochs",), "epochs"),
    "measured": Wanted("f", ("selections", "metrics")),
    "bins": Wanted("f", ("selections", schema.BINS_COUNT, 3)),
    "detection": Wanted("f", ("scores", 2)),
    "logits": Wanted("f", ("kept selections", "test", "classes")),
    "label": Wanted("iu", ("test",), "classes"),
    "train_scores": Wanted("f", ("scores", "train")),
    "predicted": Wanted("iu", _TRAIN, "classes", optional=True),  # unknown to earlier versions
    "noisy": Wanted("iu", _TRAIN, "classes"),
    "clean": Wanted("iu", _TRAIN, "classes", least=-2),  # -1: of no class, -2: nobody knows
    "position": Wanted("iu", _TRAIN),
    "val_logits": Wanted("f", ("kept selections", "validation", "classes"), optional=True),
    "val_noisy": Wanted("iu", ("validation",), "classes", optional=True),
    "val_clean": Wanted("iu", ("validation",), "classes", least=-2, optional=True),
    "transition": Wanted("f", _CLASSES, optional=True),
    "estimate": Wanted("f", _CLASSES, optional=True),
}
"""The arrays of a finished cell, as ``results/README.md`` lists them; others are not looked at."""
_VALIDATION = {"val_logits", "val_noisy", "val_clean", "transition"}
_RECOMPUTED = ("measured", "bins", "detection")


def check_cell(meta: CellMeta, dtype: np.dtype[Any]) -> Mapping[str, int]:
    """Check the types and shapes of a cell's arrays against each other and what is known of it.

    Args:
        meta: of the cell.
        dtype: the fields of its row in a part, each an array.

    Returns:
        The length of each axis.

    Raises:
        ValueError: they do not fit.
    """
    facts = meta.facts
    counts = (("train", facts.n_train), ("test", facts.n_test))
    names = (meta.curves, meta.selections, meta.scores, meta.metrics)
    return _checked(dtype, names, counts, meta.status == "done")


@lru_cache(maxsize=4096)
def _checked(
    dtype: np.dtype[Any],
    names: tuple[Names, ...],
    counts: tuple[tuple[str, int | None], ...],
    finished: bool,
) -> Mapping[str, int]:
    """Do as :func:`check_cell`; the cells of a sweep have few different arrays."""
    axes = {name: count for name, count in counts if count is not None}
    for name, own in zip(("curves", "selections", "scores", "metrics"), names, strict=True):
        if len(set(own)) < len(own):
            raise ValueError(f"two of its {name} have one name")
        axes[name] = len(own)
    arrays = _fields(dtype)
    if finished:
        _check_finished(names[0], names[1], arrays)
    for name, wanted in ARRAYS.items():
        if name in arrays:
            _check_array(name, wanted, arrays[name], axes)
    if "kept" in arrays and arrays["kept"].shape[-1:] != (axes.get("train"),):
        raise ValueError(f"kept is of shape {arrays['kept'].shape}")
    return axes


def _fields(dtype: np.dtype[Any]) -> dict[str, np.dtype[Any]]:
    return {name: field[0] for name, field in (dtype.fields or {}).items()}


def _check_finished(curves: Names, selections: Names, arrays: Collection[str]) -> None:
    missing = [name for name, wanted in ARRAYS.items() if not wanted.optional]
    if "val_logits" in arrays:
        missing += _VALIDATION
    if missing := [name for name in missing if name not in arrays]:
        raise ValueError(f"it lacks {missing[0]}")
    if curves[:1] != ("epoch",) or "last" not in selections:
        raise ValueError("it has no curve of epochs, or not the selection last")
    if unknown := set(selections) - set(schema.SELECTIONS[:-1]):
        raise ValueError(f"it has the unknown selection {min(unknown)}")


def _check_array(name: str, wanted: Wanted, dtype: np.dtype[Any], axes: dict[str, int]) -> None:
    base, shape = dtype.base, dtype.shape
    fits = base.kind in wanted.kinds and base.isnative and len(shape) == len(wanted.axes)
    if not fits or any(
        length != (axes.setdefault(axis, length) if isinstance(axis, str) else axis)
        for axis, length in zip(wanted.axes, shape, strict=False)
    ):
        raise ValueError(f"{name} is of type {base} and shape {shape}")
    if axes.get("kept selections", 0) > axes["selections"]:
        raise ValueError(f"{name} is of more selections than it names")


def check_values(rows: Mapping[str, NDArray[Any]], axes: Mapping[str, int]) -> None:
    """Check numbers that others are looked up by, and those that must be finite.

    Args:
        rows: arrays of cells by name, with the cells as first axis.
        axes: what :func:`check_cell` returned.

    Raises:
        ValueError: an index is out of range, or a count is not finite.
    """
    for name, wanted in ARRAYS.items():
        if name in rows and "i" in wanted.kinds and rows[name].size:
            values, most = rows[name], axes[wanted.bound] if wanted.bound else NO_BOUND
            if not wanted.least:
                values = values.view(f"u{values.itemsize}")  # in which -1 is a large number
            elif int(np.minimum.reduce(values, axis=None)) < wanted.least:
                raise ValueError(f"{name} holds numbers below {wanted.least}")
            if int(np.maximum.reduce(values, axis=None)) >= most:
                raise ValueError(f"{name} holds numbers that are not from 0 to {most - 1}")
    looked_up = {name: rows[name] for name in ("curves", "bins") if name in rows}
    if "curves" in looked_up:
        looked_up["curves"] = looked_up["curves"][..., 0]  # epochs
    for name, values in looked_up.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds numbers that are not finite")


def check_collected(meta: CellMeta, later: "CollectedMeta", dtype: np.dtype[Any]) -> None:
    """Check recomputed numbers against what is known of the cell that they are of.

    Raises:
        ValueError: they do not fit.
    """
    axes = {"selections": len(meta.selections), "scores": len(meta.scores)}
    axes["metrics"] = len(later.metrics)
    own = _fields(dtype)
    for name in _RECOMPUTED:
        if name in own:
            _check_array(name, ARRAYS[name], own[name], axes)
    if len(set(later.metrics)) < len(later.metrics) or "measured" not in own:
        raise ValueError("its metrics are not each there once")
    if unknown := later.metric_specs.keys() - set(meta.selections):
        raise ValueError(f"it has the unknown selection {min(unknown)}")

"""Baselines: committed folders that a run is compared with, and the one way to change them."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd

from benchmarks.errors import DataMissingError, RefusedError, some
from benchmarks.inputs import decode_json, read_bytes, sha256_of
from benchmarks.outputs import read_manifest, replaced_files
from benchmarks.regress.gates import TRACKED, Limits
from benchmarks.report.data import load
from benchmarks.schema import table_path
from benchmarks.store import Draws, Parts, read_plan
from benchmarks.store.cell_meta import Seed

NAME = "baseline.json"
VERB = "regress accept"
FILES = ("results.csv", "detection.csv", "costs.csv")
ROOT = "results/baseline"
DRAWN = {
    "noise_sha256": ("dataset", "noise", "seed"),
    "split_sha256": ("dataset", "recipe", "seed"),
    "weights_sha256": ("dataset", "model", "seed"),
}
"""What a seed fixes, and on which axes it depends: on no method."""


class Metric(msgspec.Struct, frozen=True):
    """A tracked metric as a manifest states it: its direction and its limits."""

    better: str
    method: Limits
    cell: Limits
    ratio: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline is: which run, where it was made, and why it was accepted."""

    schema: int = 1
    suite: str
    reason: str
    accepted_utc: str
    seeds: tuple[Seed, ...]
    reserve: tuple[Seed, ...]
    cells: int
    metric_spec: str
    commit: tuple[str, ...]
    versions: tuple[str, ...]
    hardware: tuple[str, ...]
    hashes: dict[str, dict[str, str]]  # of what seeds drew, by the values of its axes
    metrics: dict[str, Metric]


class Baseline(NamedTuple):
    """A folder to compare with: a results folder, or a baseline, which has reserve seeds."""

    name: str
    folder: Path
    reserve: tuple[int, ...] = ()
    hashes: Mapping[str, Mapping[str, str]] = {}

    def draws(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Return its cells with what their seeds drew, from its parts or its manifest."""
        if not self.hashes:
            return with_draws(cells, self.folder)
        known = {
            column: [self.hashes.get(column, {}).get(key, "") for key in _keys(cells, axes)]
            for column, axes in DRAWN.items()
            if column != "noise_sha256"
        }
        return cells.assign(**known)


@contextlib.contextmanager
def opened(reference: str, run: Path) -> Iterator[Baseline]:
    """Give the baseline that is meant: a folder, or ``REV[:FOLDER]``, one of a git revision.

    Args:
        reference: as it is typed. Without a folder, a revision means the baseline of the suite.
        run: the folder that is compared with it.

    Raises:
        DataMissingError: there is neither such a folder nor such a revision.
        RefusedError: the baseline was changed by hand.
    """
    if (folder := Path(reference)).is_dir():
        if not table_path(folder, "results.csv").is_file():
            raise DataMissingError(f"{folder} is no baseline: it has no results.csv")
        _refuse_edited(folder)
        yield _baseline(reference, folder)
        return
    revision, colon, below = reference.partition(":")
    with tempfile.TemporaryDirectory(prefix="baseline-") as place:
        below = below if colon else f"{ROOT}/{read_plan(run).suite}"
        _check_out(revision, below.strip("/"), Path(place), reference)
        yield _baseline(f"{revision}:{below}", Path(place))


def _baseline(name: str, folder: Path) -> Baseline:
    path = folder / NAME
    if not path.exists():
        return Baseline(name, folder)
    manifest = decode_json(read_bytes(path), Manifest, path)
    return Baseline(name, folder, manifest.reserve, manifest.hashes)


def _refuse_edited(folder: Path) -> None:
    for name, sha256 in read_manifest(folder, VERB).files.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            raise RefusedError(
                f"{path} is not as `{VERB}` left it, which alone changes a baseline; bring it back"
            )


def _check_out(revision: str, below: str, place: Path, reference: str) -> None:
    """Write the files of a baseline as they were at a revision of the repository around us."""
    if (
        revision.startswith("-")
        or _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None
    ):
        raise DataMissingError(f"there is no baseline {reference}: no folder, and no git revision")
    names = [NAME, *(name + end for name in FILES for end in ("", ".gz"))]
    for name in names:
        if (data := _git("cat-file", "blob", f"{revision}:{below}/{name}")) is not None:
            (place / name).write_bytes(data)
    if not table_path(place, "results.csv").is_file():
        raise DataMissingError(f"there is no baseline {below} at {revision}: it has no results.csv")


def _git(*words: str) -> bytes | None:
    """Return what git prints of the current folder's repository; nothing where it refuses."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, check=False, timeout=60)  # noqa: S603, S607
    except OSError as error:
        raise DataMissingError(f"git cannot be called: {error.strerror}") from error
    return done.stdout if done.returncode == 0 else None


def accept(run: Path, folder: Path, reason: str, reserve: Sequence[int] = ()) -> Manifest:
    """Make a run the baseline: copy its tables and say of what, where and why.

    Args:
        run: a results folder.
        folder: of the baseline.
        reason: why it is accepted, for whoever reads the history.
        reserve: seeds that are kept to confirm what the others flag.

    Raises:
        RefusedError: cells of the run are missing or failed, it lacks a seed of the reserve, or
            nothing would be left to compare; or a file that this did not write is in the way.
    """
    if not table_path(run, "results.csv").is_file():
        raise DataMissingError(f"{run / 'results.csv'} is missing: there is no run in it")
    plan, tables = read_plan(run), load(run)
    cells = with_draws(tables.results[tables.results["selection"] == "last"], run)
    _refuse_incomplete(run, cells, {cell.cell_id for cell in plan.requested()})
    seeds = sorted(set(cells["seed"].tolist()))
    if (unknown := [seed for seed in reserve if seed not in seeds]) or len(reserve) == len(seeds):
        fault = f"has no seed {some(unknown)}" if unknown else "has no other seeds"
        raise RefusedError(f"{run} {fault}: it has {some(seeds)}, and --reserve names some of them")
    costs = tables.costs
    manifest = Manifest(
        suite=plan.suite,
        reason=reason,
        accepted_utc=datetime.now(UTC).strftime("%Y-%m-%d"),
        seeds=tuple(seed for seed in seeds if seed not in reserve),
        reserve=tuple(sorted(reserve)),
        cells=len(cells),
        metric_spec=" ".join(sorted(set(cells["metric_spec"]) - {""})),
        commit=_values(costs, ["commit"]),
        versions=_values(costs, ["python", "torch", "packages"]),
        hardware=_values(costs, ["cpu", "system", "device", "driver"]),
        hashes=_hashes(cells),
        metrics={m.id: Metric(m.better, m.method, m.cell, m.ratio) for m in TRACKED},
    )
    with replaced_files(folder, VERB, title=reason) as new:
        for name in FILES:
            if (path := table_path(run, name)).is_file():
                shutil.copyfile(path, new / path.name)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        (new / NAME).write_bytes(text + b"\n")
    return manifest


def _refuse_incomplete(run: Path, cells: pd.DataFrame, asked: set[str]) -> None:
    ended = set(cells.loc[cells["status"] != "failed", "cell_id"])
    if missing := len(asked - ended):
        raise RefusedError(
            f"{run} is no baseline: {missing} of its {len(asked)} cells are missing or failed; "
            "run it to the end"
        )


def _values(costs: pd.DataFrame, columns: Sequence[str]) -> tuple[str, ...]:
    """Return what a run was made with, each combination once."""
    rows = costs[list(columns)].astype(object).drop_duplicates().to_numpy().tolist()
    told = (", ".join(value for value in row if isinstance(value, str) and value) for row in rows)
    return tuple(sorted({text for text in told if text}))


def with_draws(cells: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return cells with the digests that their parts keep of what their seeds drew."""
    known = {cell_id: meta.draws for cell_id, meta in Parts(folder).meta.items()}
    draws = [known.get(cell_id, Draws()) for cell_id in cells["cell_id"]]
    columns = {name: [getattr(own, name) for own in draws] for name in Draws.__struct_fields__}
    return cells.assign(**columns)


def _hashes(cells: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return each digest once, by what it depends on."""
    hashes = {}
    for column, axes in DRAWN.items():
        known = cells[cells[column] != ""]
        hashes[column] = dict(sorted(zip(_keys(known, axes), known[column], strict=True)))
    return hashes


def _keys(cells: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return the values of some axes of each cell, as a manifest names them."""
    columns = [cells[axis].astype(str) for axis in axes]
    return [", ".join(key) for key in zip(*columns, strict=True)]

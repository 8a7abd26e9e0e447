"""The numbers of a cell, from what is kept of it: when it is trained, and again without training.

Everything is measured on the CPU, one selection at a time, from the very arrays that a part keeps.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import metrics, schema
from benchmarks.store import (
    CollectedMeta,
    Parts,
    Recomputed,
    Record,
    derive,
    locked,
    read_current_plan,
    refuse_loss,
    write_collected,
)

Arrays = Mapping[str, NDArray[Any]]


def measure(record: Record) -> dict[str, NDArray[Any]]:
    """Compute the numbers that follow from a record's arrays.

    Args:
        record: a finished cell with the arrays of ``results/README.md``; its ``logits`` may be of
            fewer selections than it names, the first ones.

    Returns:
        ``measured`` ``(S, metrics)`` in the order of ``schema.METRICS`` and ``bins`` ``(S, 15, 3)``
        for the ``S`` selections whose logits are there; ``detection`` ``(scores, 2)``.
    """
    arrays = record.arrays
    rows, bins = [], []
    known: dict[int, tuple[dict[str, float], Tensor]] = {}  # by epoch: selections often share one
    for i, (name, at) in enumerate(zip(record.meta.selections, arrays["selected"], strict=True)):
        if i == len(arrays["logits"]):
            break
        epoch = int(at)
        if epoch not in known:
            known[epoch] = _of_epoch(record, i)
        values, table = known[epoch]
        own = values | (_of_method(arrays) if name == "last" else {})
        rows.append([own.get(metric, math.nan) for metric in schema.METRICS])
        bins.append(table.numpy())
    wrong, known = arrays["noisy"] != arrays["clean"], arrays["clean"] != schema.UNKNOWN_CLASS
    return {
        "measured": np.array(rows),
        "bins": np.stack(bins),  # (selections, bins, 3)
        "detection": np.array(
            [metrics.detection(s[known], wrong[known]) for s in arrays["train_scores"]]
        ),
    }


def _tensor(array: NDArray[Any]) -> Tensor:
    """Return labels as int64, and other arrays as they are."""
    if array.dtype.kind == "i":
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array))


def _of_epoch(record: Record, i: int) -> tuple[dict[str, float], Tensor]:
    """Return a selection's metrics, and the ``(bins, 3)`` sums of its reliability diagram."""
    arrays = record.arrays
    logits, label = _tensor(arrays["logits"][i]), _tensor(arrays["label"])
    rows = metrics.rows_of(logits, label)
    evidence: dict[str, Any] = {"logits": logits, "label": label, "rows": rows}
    if "val_logits" in arrays:
        given = "estimate" not in arrays
        evidence["validation"] = metrics.Validation(
            _tensor(arrays["val_logits"][i]),
            _tensor(arrays["val_noisy"]),
            _tensor(arrays["val_clean"]),
            _tensor(arrays["transition" if given else "estimate"]),
            given,
        )
    curve = arrays["curves"][arrays["selected"][i]].tolist()  # of the selection's epoch
    of_training = {
        name: value
        for name, value in zip(record.meta.curves, curve, strict=True)
        if name in schema.TRAIN_METRICS
    }
    values = metrics.compute(evidence) | of_training
    return values, torch.stack(metrics.reliability(logits, label, rows=rows), -1)


def _of_method(arrays: Arrays) -> dict[str, float]:
    """Measure what the method's own state says of the labels, where it says anything."""
    names = [name for name in ("noisy", "clean", "kept", "estimate") if name in arrays]
    known = arrays["clean"] != schema.UNKNOWN_CLASS
    if not known.any():
        return {}
    evidence = {
        name: _tensor(arrays[name] if name == "estimate" else arrays[name][..., known])
        for name in names
    }
    return metrics.compute(evidence | {"right": evidence["noisy"] == evidence["clean"]})


class Collected(NamedTuple):
    """A count of the cells of a folder that were recomputed."""

    cells: int
    partly: int  # cells of which only the last epoch's logits are kept
    damage: list[str]  # a line for each damaged part


def collect(folder: Path) -> Collected:
    """Measure the planned cells of a results folder again and rewrite its CSV files.

    Raises:
        RefusedError: it is no results folder of this version, a run is writing to it, or its CSV
            files hold finished cells whose parts are gone.
    """
    planned = read_current_plan(folder).ids()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker: sums are added in the same order
    try:
        with locked(folder):
            parts, cells, partly = Parts(folder), 0, 0
            refuse_loss(folder, parts, planned)
            for path, ids in parts.by_part(planned).items():
                done = [i for i in ids if parts.meta[i].status == "done"]
                trained = list(parts.trained(done))
                if trained:
                    write_collected(path, [recomputed(record) for record in trained])
                cells += len(trained)
                partly += sum(len(r.arrays["logits"]) < len(r.arrays["bins"]) for r in trained)
            derive(folder, parts)
    finally:
        torch.set_num_threads(threads)
    return Collected(cells, partly, parts.damage())


def recomputed(trained: Record) -> Recomputed:
    """Return the numbers of a finished cell by the present definitions.

    A selection whose logits were not kept keeps the numbers, and the ``metric_spec``, of training.
    """
    names, selections = trained.meta.metrics, trained.meta.selections
    stored = [dict(zip(names, row, strict=True)) for row in trained.arrays["measured"].tolist()]
    old = np.array([[row.get(name, np.nan) for name in schema.METRICS] for row in stored])
    new = measure(trained)
    again = len(new["measured"])
    specs = dict.fromkeys(selections[:again], schema.METRIC_SPEC)
    meta = CollectedMeta(trained.meta.keys, tuple(schema.METRICS), specs)
    arrays = {
        "measured": np.concatenate((new["measured"], old[again:])),
        "bins": np.concatenate((new["bins"], trained.arrays["bins"][again:])),
        "detection": new["detection"],
    }
    return Recomputed(meta, arrays)

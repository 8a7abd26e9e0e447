"""The numbers of a cell, from what is kept of it: the same when it is trained and ever after.

Everything is measured on the CPU, one selection at a time, from the very arrays that a part keeps.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import metrics, schema
from benchmarks.noise import NO_CLASS
from benchmarks.store import Record

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
    for i, (name, at) in enumerate(zip(record.meta["selections"], arrays["selected"], strict=True)):
        if i == len(arrays["logits"]):
            break
        epoch = int(at)
        if epoch not in known:
            known[epoch] = _of_epoch(record, i)
        values, table = known[epoch]
        own = values | (_of_method(arrays) if name == "last" else {})
        rows.append([own.get(metric, math.nan) for metric in schema.METRICS])
        bins.append(table.numpy())
    wrong = arrays["noisy"] != arrays["clean"]
    return {
        "measured": np.array(rows),
        "bins": np.stack(bins),  # (selections, bins, 3)
        "detection": np.array([metrics.detection(s, wrong) for s in arrays["train_scores"]]),
    }


def _tensor(array: NDArray[Any]) -> Tensor:
    """Return labels as int64, and other arrays as they are."""
    if array.dtype.kind == "i":
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array))


def _of_epoch(record: Record, i: int) -> tuple[dict[str, float], Tensor]:
    """Measure the predictions of one selection; the training images' numbers are its epoch's.

    Returns:
        the metrics, and ``(bins, 3)`` sums of the reliability diagram.
    """
    arrays = record.arrays
    logits, label = _tensor(arrays["logits"][i]), _tensor(arrays["label"])
    rows = metrics.rows_of(logits, label)
    tensors = metrics.test_metrics(logits, label, rows)
    tensors |= metrics.risk_coverage(logits, label, rows)
    tensors["smece"] = metrics.smooth_ece(logits, label, rows)
    tensors["cwece"] = metrics.classwise_ece(logits, label, rows)
    names = record.meta["curves"]
    curve = dict(zip(names, arrays["curves"][arrays["selected"][i]].tolist(), strict=True))
    values = {
        **{name: value.item() for name, value in tensors.items()},
        **{name: curve[name] for name in schema.TRAIN_METRICS if name in curve},
        **_scaled(arrays, i, logits, rows),
    }
    return values, torch.stack(metrics.reliability(logits, label, rows=rows), -1)


def _scaled(arrays: Arrays, i: int, logits: Tensor, rows: metrics.Rows) -> dict[str, float]:
    """Fit the temperatures on validation labels and measure the test set under each."""
    if "val_logits" not in arrays:
        return {}
    val, label = _tensor(arrays["val_logits"][i]), _tensor(arrays["label"])
    noisy, clean = _tensor(arrays["val_noisy"]), _tensor(arrays["val_clean"])
    known = clean != NO_CLASS
    given = "estimate" not in arrays
    transition = _tensor(arrays["transition" if given else "estimate"])
    fits = {
        "noisy": metrics.fit_temperature(val, noisy),
        "fwd": metrics.fit_temperature(val, noisy, transition),
        "clean": metrics.fit_temperature(val[known], clean[known]),
    }
    values = {
        "ts_fwd_given": float(given),
        "ts_at_bound": float(sum(map(metrics.at_bound, fits.values()))),
    }
    for name, temperature in fits.items():
        values[f"ts_{name}_T"] = temperature
        scaled = metrics.scaled_metrics(logits, label, temperature, rows)
        values |= {f"ts_{name}_{metric}": value for metric, value in scaled.items()}
    return values


def _of_method(arrays: Arrays) -> dict[str, float]:
    """Measure what the method's own state says of the labels, where it says anything."""
    noisy, clean = _tensor(arrays["noisy"]), _tensor(arrays["clean"])
    values: dict[str, float] = {}
    if "kept" in arrays:
        precision, recall = metrics.selection(_tensor(arrays["kept"]), noisy == clean)
        values |= {"sel_precision": precision, "sel_recall": recall}
    if "estimate" in arrays:
        values["T_err_l1"] = metrics.transition_error(_tensor(arrays["estimate"]), noisy, clean)
    return values

"""Losses and transition matrices of a method in a setting, all seeds together."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import schema
from benchmarks.store.part_file import Record

Row = dict[str, Any]
Group = tuple[Any, ...]
Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


class LossHistograms:
    """Histograms of the last epoch's losses, of rightly labelled and of mislabelled images."""

    def __init__(self) -> None:
        self._seeds: dict[Group, int] = {}
        self._counts: dict[Group, NDArray[np.int64]] = {}  # (2, bins): right, wrong

    def add(self, record: Record) -> None:
        """Count the losses of one cell; one without wrong labels has nothing to tell apart."""
        arrays = record.arrays
        if "train_scores" not in arrays or "loss" not in record.meta.scores:
            return
        known = arrays["clean"] != schema.UNKNOWN_CLASS
        wrong = (arrays["noisy"] != arrays["clean"])[known]
        if not wrong.any():
            return
        loss = arrays["train_scores"][record.meta.scores.index("loss")]
        place = loss_bin(loss[known])
        counts = [np.bincount(place[wrong == w], minlength=schema.LOSS_BINS) for w in (0, 1)]
        group = group_of(record)
        self._counts[group] = self._counts.get(group, 0) + np.stack(counts)
        self._seeds[group] = self._seeds.get(group, 0) + 1

    def rows(self) -> Iterator[Row]:
        """Yield one row per bin that holds an image, in the order of the groups' keys."""
        edges = loss_edges()
        for group, counts in sorted(self._counts.items(), key=lambda pair: pair[0]):
            for b in np.flatnonzero(counts.sum(0)).tolist():
                yield {
                    **dict(zip(schema.POOLED_KEYS, group, strict=True)),
                    "seeds": self._seeds[group],
                    "bin": b,
                    "low": float(edges[b]),
                    "high": float(edges[b + 1]),
                    "right": int(counts[0, b]),
                    "wrong": int(counts[1, b]),
                }


@functools.cache
def loss_edges() -> NDArray[np.float64]:
    """Return the bounds of the bins, equally wide on a log scale, in nats.

    >>> [round(float(edge), 4) for edge in loss_edges()[::6]]
    [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
    """
    return np.geomspace(*schema.LOSS_RANGE, schema.LOSS_BINS + 1)


def loss_bin(loss: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the bin of each loss, left-closed; what lies beyond the range is in an end bin.

    >>> loss_bin(np.array([0.0, 2e-4, 0.99, 1.01, 1e9])).tolist()
    [0, 1, 23, 24, 35]
    """
    return np.searchsorted(loss_edges()[1:-1], loss, "right")


class TransitionMatrices:
    """Estimated transition matrices beside what happened to the labels."""

    def __init__(self) -> None:
        self._cells: dict[Group, dict[str, Pair]] = {}  # by group and cell

    def add(self, record: Record) -> None:
        """Keep the matrix of one cell, if its method has one."""
        arrays = record.arrays
        if "estimate" not in arrays:
            return
        estimate = arrays["estimate"].astype(np.float64)
        classes = len(estimate)
        known = arrays["clean"] >= 0  # other images are of no class
        pairs = arrays["clean"].astype(np.int64)[known] * classes + arrays["noisy"][known]
        counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        own = self._cells.setdefault(group_of(record), {})
        own[record.cell_id] = (estimate, counts.astype(np.float64))

    def rows(self) -> Iterator[Row]:
        """Yield one row per true class: estimates averaged over seeds, labels pooled."""
        for group, cells in sorted(self._cells.items(), key=lambda pair: pair[0]):
            pairs = [cells[cell_id] for cell_id in sorted(cells)]  # sums in one order
            estimate = np.mean([one for one, _ in pairs], axis=0)
            counts = np.sum([many for _, many in pairs], axis=0)
            realised = counts / counts.sum(1, keepdims=True).clip(min=1)
            for label, (told, happened) in enumerate(zip(estimate, realised, strict=True)):
                yield {
                    **dict(zip(schema.POOLED_KEYS, group, strict=True)),
                    "seeds": len(pairs),
                    "label": label,
                    "estimated": numbers(told),
                    "realised": numbers(happened),
                }


def numbers(values: NDArray[np.float64]) -> str:
    """Return numbers with blanks between them, of four significant digits."""
    return " ".join(f"{value:.4g}" for value in values.tolist())


def group_of(record: Record) -> Group:
    """Return what the seeds of a method in a setting have in common."""
    return tuple(getattr(record.meta.keys, name) for name in schema.POOLED_KEYS)

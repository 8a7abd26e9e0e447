"""Which class the images of each class were taken for, by the labels given and by the networks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.store.aggregates import Group, Row
from benchmarks.store.by_method import ByMethod
from benchmarks.store.part_file import Record
from benchmarks.store.tested import Labels, last_test

Counts = NDArray[np.intp]


class Counted(NamedTuple):
    """The images of a cell by true class (down) and by what they were taken for (across)."""

    predicted: Counts  # (C, C), test images after the last epoch
    given: Counts  # (C, C), training images


class Confusions(ByMethod[Counted]):
    """A row for each method, setting and true class."""

    def keep(self, record: Record) -> Counted:
        """Return the counts of a cell."""
        (logits, label), arrays = last_test(record), record.arrays
        classes = logits.shape[-1]
        known = arrays["clean"] >= 0  # other images are of no class
        clean, noisy = arrays["clean"][known].astype(np.int64), arrays["noisy"][known]
        return Counted(
            counts(label, logits.argmax(-1), classes),
            counts(clean, noisy.astype(np.int64), classes),
        )

    def rows_of(self, group: Group, cells: dict[int, Counted]) -> Iterator[Row]:
        """Yield a row for each class: test images of each seed, and counts of all seeds."""
        own = [cells[seed] for seed in sorted(cells)]
        tested = np.array([cell.predicted for cell in own])  # (S, C, C)
        given = np.sum([cell.given for cell in own], axis=0)
        for label in range(tested.shape[-1]):
            yield {
                "seeds": len(own),
                "label": label,
                "tested": _listed(tested[:, label].sum(-1)),
                "correct": _listed(tested[:, label, label]),
                "predicted": _listed(tested[:, label].sum(0)),
                "given": _listed(given[label]),
            }


def counts(true: Labels, taken: NDArray[np.integer[Any]], classes: int) -> Counts:
    """Return how many images of each true class (down) were taken for each class (across).

    >>> counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(true * classes + taken, minlength=classes**2).reshape(classes, classes)


def _listed(values: NDArray[np.integer[Any]]) -> str:
    """Return whole numbers with blanks between them."""
    return " ".join(map(str, values.tolist()))

"""Curves over ranked images: the most confident predictions, and the most doubtful labels."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.schema import COVERAGE_STEPS, RECALL_STEPS, UNKNOWN_CLASS
from benchmarks.store.aggregates import Group, Row, numbers
from benchmarks.store.by_method import ByMethod
from benchmarks.store.part_file import Record
from benchmarks.store.tested import Floats, Labels, Logits, last_test

DIGITS = 36
"""The bits of a doubt that count: see ``metrics/selective.py``."""


class RiskCoverage(ByMethod[Floats]):
    """The error of the most confident test images: a row for each coverage."""

    def keep(self, record: Record) -> Floats:
        """Return the errors of a cell after its last epoch, ``(COVERAGE_STEPS,)``."""
        logits, label = last_test(record)
        return risks(logits, label)[steps(len(label), COVERAGE_STEPS) - 1]

    def rows_of(self, group: Group, cells: dict[int, Floats]) -> Iterator[Row]:
        """Yield a row for each coverage, with the error of each seed."""
        own = [cells[seed] for seed in sorted(cells) if np.isfinite(cells[seed]).all()]
        for place in range(COVERAGE_STEPS if own else 0):
            yield {
                "seeds": len(own),
                "coverage": (place + 1) / COVERAGE_STEPS,
                "errors": numbers(np.array([errors[place] for errors in own])),
            }


class PrecisionRecall(ByMethod[Mapping[str, Floats]]):
    """How right a score is that calls labels wrong: a row for each score and recall."""

    def keep(self, record: Record) -> Mapping[str, Floats]:
        """Return the precisions of each score of a cell, ``(RECALL_STEPS,)``, where it has any."""
        arrays = record.arrays
        known = arrays["clean"] != UNKNOWN_CLASS
        wrong = (arrays["noisy"] != arrays["clean"])[known]
        if wrong.all() or not wrong.any():
            return {}
        each = zip(record.meta.scores, arrays["train_scores"][:, known], strict=True)
        return {name: precisions(one, wrong) for name, one in each if np.isfinite(one).all()}

    def rows_of(self, group: Group, cells: dict[int, Mapping[str, Floats]]) -> Iterator[Row]:
        """Yield a row for each score and recall, with the precision of each seed."""
        for score in dict.fromkeys(name for seed in sorted(cells) for name in cells[seed]):
            own = [cells[seed][score] for seed in sorted(cells) if score in cells[seed]]
            for place in range(RECALL_STEPS):
                yield {
                    "seeds": len(own),
                    "score": score,
                    "recall": (place + 1) / RECALL_STEPS,
                    "precisions": numbers(np.array([each[place] for each in own])),
                }


def steps(total: int, parts: int) -> NDArray[np.int64]:
    """Return the fewest of so many that make up each share ``1/parts .. 1``.

    >>> steps(7, 4).tolist()
    [2, 4, 6, 7]
    """
    return -(-np.arange(1, parts + 1) * total // parts)


def risks(logits: Logits, label: Labels) -> Floats:
    """Return the error of the ``k`` most confident predictions, ``k = 1 .. N``.

    Their mean is the ``aurc`` of ``metrics.risk_coverage``, whose ranking and ties these are: nan
    where a logit is not finite.

    Args:
        logits: ``(N, C)``.
        label: ``(N,)``.
    """
    images = np.arange(len(label))
    if not np.isfinite(logits).all():
        return np.full(len(label), np.nan)
    predicted = logits.argmax(-1)
    share = np.exp(logits - logits.max(-1, keepdims=True).astype(np.float64))
    total = share.sum(-1)
    share[images, predicted] = 0
    fraction, exponent = np.frexp(share.sum(-1) / total)
    doubt = np.ldexp(np.round(fraction * 2.0**DIGITS), exponent)
    _, run, size = np.unique(doubt, return_inverse=True, return_counts=True)
    error = np.bincount(run, predicted != label) / size  # of images of equal confidence
    return np.asarray(np.repeat(error, size).cumsum() / (images + 1))


def precisions(score: NDArray[np.floating[Any]], wrong: NDArray[np.bool_]) -> Floats:
    """Return the share of wrong labels among the highest scores that hold each share of them.

    Of equal scores all are taken or none, as in a precision-recall curve.

    >>> precisions(np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, False, True, False]))[[0, -1]]
    array([1.        , 0.66666667])

    Args:
        score: ``(N,)`` finite numbers, higher means more likely wrong.
        wrong: ``(N,)``, which labels are: some, and not all.

    Returns:
        ``(RECALL_STEPS,)``, by chance the share of wrong labels.
    """
    own, others = np.sort(score[wrong]), score[~wrong]
    least = own[len(own) - steps(len(own), RECALL_STEPS)]
    found = len(own) - np.searchsorted(own, least)
    mistaken = (others >= least[:, None]).sum(-1)
    return np.asarray(found / (found + mistaken))

"""The gates: which methods and cells have become worse, by how much, and what chance explains.

Gate A tests each method over its settings, corrected (Holm) over all methods and metrics. Gate B
tests each cell, a method in a setting, with moderated variances; what it flags has to show on
seeds of its own before it counts. The levels are those at which the simulated study of
``tests/regress/study.py`` keeps false alarms below 1.5 % of runs in which nothing has changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.regress.moderation import Contrast, Floats, Prior, Tests, fit_prior, moderated
from benchmarks.report.stats import benjamini_hochberg, holm

METHOD_LEVEL = 0.005
"""Gate A: the chance that Holm leaves to any change of a method, in either direction."""
CONFIRM_LEVEL = 0.004
"""The chance that any flagged cell is confirmed where nothing has become worse (Holm)."""
CELL_LEVEL = 0.01
"""The share of false changes that are shown as resolved among the cells of a metric."""
EQUIVALENCE_LEVEL = 0.05
"""Of each of the two one-sided tests that show a change to be smaller than its bound."""


class Verdict(StrEnum):
    """What came out, the best first."""

    PASS = "PASS"  # noqa: S105  no password
    CHANGED = "CHANGED"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"


RANK = {verdict: place for place, verdict in enumerate(Verdict)}
FLAGGED = "FLAGGED"
"""A cell that fails if other seeds confirm it, and is inconclusive without them."""


def worst(verdicts: "list[Verdict]") -> Verdict:
    """Return the worst of some verdicts, of none PASS."""
    return max(verdicts, key=RANK.__getitem__, default=Verdict.PASS)


class Limits(NamedTuple):
    """Above ``margin`` a resolved change for the worse fails; none beyond ``bound`` may hide."""

    margin: float
    bound: float


@dataclass(frozen=True)
class Tracked:
    """A metric that is watched: its direction and its limits, over a method and in one cell."""

    id: str
    better: Literal["higher", "lower"]
    method: Limits
    cell: Limits
    flags: float = 0.05  # gate B: the share of false flags among the flagged cells
    ratio: bool = False  # compared by its logarithm: 0.01 is 1 %

    def worse(self, values: Floats) -> Floats:
        """Return values of which the larger is the worse and a difference is what limits mean."""
        if self.ratio:
            values = np.log(np.where(values > 0, values, np.nan))
        return -values if self.better == "higher" else values


TRACKED = (
    Tracked("acc", "higher", Limits(0.002, 0.005), Limits(0.005, 0.02), flags=0.2),
    Tracked("nll", "lower", Limits(0.02, 0.05), Limits(0.05, 0.2), ratio=True),
    Tracked("ece", "lower", Limits(0.002, 0.005), Limits(0.005, 0.02)),
    Tracked("ts_fwd_ece", "lower", Limits(0.003, 0.0075), Limits(0.0075, 0.03)),
    Tracked("auroc", "higher", Limits(0.002, 0.005), Limits(0.005, 0.02)),
)
"""Accuracy, NLL, ECE, ECE after temperature scaling, and detection of wrong labels (``loss``)."""


@dataclass(frozen=True)
class Judged:
    """What a gate says of one metric, an array with a place for each row."""

    prior: Prior
    tests: Tests
    p: Floats  # adjusted, as the gate does
    verdict: NDArray[np.str_]  # of Verdict, or FLAGGED
    again: Floats  # the change on the reserve seeds of what was flagged, else nan


def gate_methods(contrasts: Mapping[Tracked, Contrast]) -> dict[Tracked, Judged]:
    """Judge methods over their settings, all of them and all metrics in one family of tests.

    Args:
        contrasts: of each metric, a row for each method, in the unit of :meth:`Tracked.worse`.
    """
    found = {metric: _tested(own) for metric, own in contrasts.items()}
    family = _together({metric: tested.p for metric, (_, tested) in found.items()})
    return {
        metric: _judged(prior, tested, p, _verdicts(tested, metric.method, p < METHOD_LEVEL))
        for (metric, (prior, tested)), p in zip(found.items(), family, strict=True)
    }


def gate_cells(contrasts: Mapping[Tracked, Contrast]) -> dict[Tracked, Judged]:
    """Judge cells, each metric a family (Benjamini-Hochberg); what would fail is only flagged."""
    judged = {}
    for metric, contrast in contrasts.items():
        prior, found = _tested(contrast)
        p, worse = (np.asarray(benjamini_hochberg(v.tolist())) for v in (found.p, found.p_worse))
        flagged = (worse < metric.flags) & (found.change > metric.cell.margin)
        verdict = np.where(flagged, FLAGGED, _verdicts(found, metric.cell, p < CELL_LEVEL))
        judged[metric] = _judged(prior, found, p, verdict)
    return judged


Reserve = Callable[[Tracked, NDArray[np.intp]], Contrast]
"""Give the contrasts of some rows on the reserve seeds; rows without them have no values."""


def confirmed(judged: Mapping[Tracked, Judged], reserve: Reserve) -> dict[Tracked, Judged]:
    """Judge flagged cells on seeds that had no part in flagging them.

    One fails whose change for the worse shows there, too: one-sided, corrected (Holm) over all that
    is flagged, and beyond the margin. Of one that does not, the reserve says whether a change
    within the bound is shown. One without reserve seeds is inconclusive. Only the prior is taken
    from the first seeds, whose own spread is small where it was flagged.
    """
    flagged = {metric: np.flatnonzero(own.verdict == FLAGGED) for metric, own in judged.items()}
    again = {
        metric: moderated(reserve(metric, rows), judged[metric].prior)
        for metric, rows in flagged.items()
        if len(rows)
    }
    after = dict(judged)
    family = _together({metric: found.p_worse for metric, found in again.items()})
    for (metric, found), p in zip(again.items(), family, strict=True):
        own, limits = judged[metric], metric.cell
        fails = (p < CONFIRM_LEVEL) & (found.change > limits.margin)
        unresolved = np.zeros(len(p), np.bool_)
        words = np.where(fails, Verdict.FAIL, _verdicts(found, limits, unresolved))
        verdict, change = own.verdict.copy(), own.again.copy()
        verdict[flagged[metric]], change[flagged[metric]] = words, found.change
        after[metric] = replace(own, verdict=verdict, again=change)
    return after


def _tested(contrast: Contrast) -> tuple[Prior, Tests]:
    prior = fit_prior(contrast) if (contrast.df > 0).any() else Prior(np.nan, np.nan, np.nan)
    return prior, moderated(contrast, prior)


def _judged(prior: Prior, tests: Tests, p: Floats, verdict: NDArray[np.str_]) -> Judged:
    return Judged(prior, tests, p, verdict, np.full(len(p), np.nan))


def _together(p: Mapping[Tracked, Floats]) -> list[Floats]:
    """Return p values of several metrics, corrected as one family (Holm)."""
    every = holm(np.concatenate([*p.values(), []]).tolist())
    return np.split(np.asarray(every), np.cumsum([len(own) for own in p.values()]))[: len(p)]


def _verdicts(found: Tests, limits: Limits, resolved: NDArray[np.bool_]) -> NDArray[np.str_]:
    """Return a verdict for each row; without a test, or with too wide an interval, none passes."""
    half = found.half(EQUIVALENCE_LEVEL)
    within = (found.change + half < limits.bound) & (found.change - half > -limits.bound)
    conditions = {
        Verdict.FAIL: resolved & (found.change > limits.margin),
        Verdict.CHANGED: resolved & ((found.change < 0) | within),
        Verdict.PASS: within,
    }
    return np.select(list(conditions.values()), list(conditions), Verdict.INCONCLUSIVE).astype(str)

"""Intervals and tests over seeds: what may be claimed from a handful of repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from benchmarks.refusals import RefusedError

LEVEL = 0.95
ALPHA = 0.05
PAIR_KEYS = ("dataset", "noise", "model", "recipe", "seed")
"""Two rows that agree in these differ in the method only."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` seeds and the half width of its 95% t interval, nan when ``n < 2``."""

    mean: float
    half: float
    n: int


@dataclass(frozen=True)
class Difference:
    """A mean of ``n`` paired differences, its 95% interval, and the two-sided p of zero."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def _half_widths(sd: Floats, n: Floats) -> Floats:
    """``t_{n-1, 0.975} sd / sqrt(n)``; nan below two values, where there is no spread to use."""
    enough = np.where(n >= 2, n, np.nan)
    quantile = stdtrit(enough - 1, (1 + LEVEL) / 2)
    return np.asarray(quantile * sd / np.sqrt(enough), dtype=np.float64)


def t_interval(values: Sequence[float] | Floats) -> Interval:
    """Mean and t interval of the finite values, in their own unit.

    Formula: ``mean +- t_{n-1, 0.975} sd / sqrt(n)`` with the ``n - 1`` standard deviation.
    Source: Student 1908. At five seeds it covers 95%, the percentile bootstrap 82%.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    n = len(finite)
    if n == 0:
        return Interval(float("nan"), float("nan"), 0)
    sd = finite.std(ddof=1) if n > 1 else float("nan")
    half = _half_widths(np.array([sd]), np.array([n], dtype=np.float64))[0]
    return Interval(float(finite.mean()), float(half), n)


def t_intervals(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """:func:`t_interval` of every group: columns ``by``, ``mean``, ``half``, ``n``."""
    groups = rows.dropna(subset=[value]).groupby(list(by), sort=True)[value]
    table = groups.agg(["mean", "std", "count"]).reset_index()
    n = table["count"].to_numpy(np.float64)
    table["half"] = _half_widths(table["std"].to_numpy(np.float64), n)
    return table.rename(columns={"count": "n"})[[*by, "mean", "half", "n"]]


def pair(rows: pd.DataFrame, method: str, reference: str, value: str) -> pd.DataFrame:
    """``method - reference`` wherever both saw the same noisy labels.

    Args:
        rows: rows of one selection, one per method and :data:`PAIR_KEYS`.
        method: spec string of the minuend.
        reference: spec string of the subtrahend.
        value: the column to subtract.

    Returns:
        ``PAIR_KEYS``, ``own``, ``reference`` and ``difference``, without pairs that lack a value.

    Raises:
        RefusedError: rows that should be a pair were trained on different labels.
    """
    left, right = (_by_key(rows, name, value) for name in (method, reference))
    pairs = []
    for key in sorted(left.keys() & right.keys(), key=str):
        (labels, own), (other_labels, other) = left[key], right[key]
        if labels != other_labels:
            dataset, noise, *_, seed = key
            raise RefusedError(
                f"{method} and {reference} were trained on different noisy labels at "
                f"{dataset}, {noise}, seed {seed}: they are not a pair"
            )
        pairs.append((*key, own, other, own - other))
    table = pd.DataFrame(pairs, columns=[*PAIR_KEYS, "own", "reference", "difference"])
    return table.dropna(subset=["difference"])


def _by_key(
    rows: pd.DataFrame, method: str, value: str
) -> dict[tuple[object, ...], tuple[str, float]]:
    chosen = rows.loc[rows["method"] == method, [*PAIR_KEYS, "noise_sha256", value]]
    keys = zip(*(chosen[name].tolist() for name in PAIR_KEYS), strict=True)
    found = zip(chosen["noise_sha256"].tolist(), chosen[value].tolist(), strict=True)
    return dict(zip(keys, found, strict=True))


def paired_t(differences: Sequence[float] | Floats) -> Difference:
    """Two-sided paired t test of "the mean difference is zero", with its 95% interval.

    Formula: ``t = mean / (sd / sqrt(n))``, ``p = 2 F_{n-1}(-|t|)``. Differences without any
    spread give ``p = 0``, or ``p = 1`` when all are zero; fewer than two give nan.
    Source: Student 1908.
    """
    interval = t_interval(differences)
    mean, half, n = interval.mean, interval.half, interval.n
    if n < 2:
        return Difference(mean, float("nan"), float("nan"), float("nan"), n)
    if half > 0:
        error = half / float(stdtrit(n - 1, (1 + LEVEL) / 2))
        p = float(2 * stdtr(n - 1, -abs(mean / error)))
    else:
        p = 1.0 if mean == 0 else 0.0
    return Difference(mean, mean - half, mean + half, p, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that bound the chance of one false claim in the family.

    Formula: the k-th smallest of m (k from 0) becomes the largest ``(m - j) p_j`` with
    ``j <= k``, at most 1. A nan is no test: it stays nan and is not counted in m.
    Source: Holm 1979, Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1.0)
    return [float(value) for value in adjusted]


def wilson(successes: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """95% interval of a proportion that stays within [0, 1] and holds for few trials.

    Formula: ``(k + z^2/2 +- z sqrt(k (n - k) / n + z^2/4)) / (n + z^2)``; nan when ``n = 0``.
    Source: Wilson 1927, JASA 22.
    """
    z = float(ndtri((1 + LEVEL) / 2))
    n = np.where(trials > 0, trials, np.nan)
    centre = successes + z**2 / 2
    spread = z * np.sqrt(successes * (n - successes) / n + z**2 / 4)
    low, high = (centre - spread) / (n + z**2), (centre + spread) / (n + z**2)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def smallest_wilcoxon_p(n: int) -> float:
    """The least p that a two-sided exact Wilcoxon signed-rank test of ``n`` pairs can give.

    Formula: ``2 / 2^n``: all differences of one sign.
    """
    return min(1.0, 2.0 ** (1 - n))

"""Intervals from a handful of repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` seeds and the half width of its 95% t interval, nan when ``n < 2``."""

    mean: float
    half: float
    n: int


def half_widths(sd: Floats, n: Floats) -> Floats:
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
    half = half_widths(np.array([sd]), np.array([n], dtype=np.float64))[0]
    return Interval(float(finite.mean()), float(half), n)


def t_intervals(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """:func:`t_interval` of every group: columns ``by``, ``mean``, ``half``, ``n``."""
    groups = rows.dropna(subset=[value]).groupby(list(by), sort=True)[value]
    table = groups.agg(["mean", "std", "count"]).reset_index()
    n = table["count"].to_numpy(np.float64)
    table["half"] = half_widths(table["std"].to_numpy(np.float64), n)
    return table.rename(columns={"count": "n"})[[*by, "mean", "half", "n"]]


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

"""Adjusting p values for how many tests were made."""

from collections.abc import Sequence

import numpy as np


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


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that bound the expected share of false claims among those made.

    Formula: the k-th smallest of m (k from 1) becomes the smallest ``m p_j / j`` with
    ``j >= k``, at most 1. A nan is no test: it stays nan and is not counted in m.
    Source: Benjamini & Hochberg 1995, JRSS B 57.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(-p[tested], kind="stable")]  # largest first
    m = len(order)
    scaled = p[order] * m / np.arange(m, 0, -1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]

"""Correcting p values for how many hypotheses were tested together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p values that bound the chance of a single false claim.

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
    """Return adjusted p values that bound the expected share of false claims among all claims.

    A nan is no test: it stays nan and is not counted.
    Source: Benjamini & Hochberg 1995, JRSS B 57.
    """
    p = np.asarray(p_values, dtype=np.float64)
    tested = np.isfinite(p)
    if tested.any():
        p = p.copy()
        p[tested] = false_discovery_control(p[tested])
    return [float(value) for value in p]


def corrected(tests: pd.DataFrame, together: Sequence[str] = ()) -> pd.DataFrame:
    """Return the tests with the columns ``p_holm`` and ``q_bh`` (Benjamini-Hochberg).

    Args:
        tests: a row for each test, with its ``p``.
        together: columns; tests that agree in them are corrected for one another. Without any,
            all are.
    """
    tests = tests.assign(p_holm=np.nan, q_bh=np.nan)
    groups = [rows for _, rows in tests.groupby(list(together))] if together else [tests]
    for rows in groups:
        tests.loc[rows.index, "p_holm"] = holm(rows["p"].tolist())
        tests.loc[rows.index, "q_bh"] = benjamini_hochberg(rows["p"].tolist())
    return tests

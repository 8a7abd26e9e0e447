"""Ranks of methods over settings, and which of them do not differ."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.report.stats.intervals import ALPHA, Floats, signs_and_sizes, tied_rows
from benchmarks.report.stats.paired import holm

FEWEST_SETTINGS = 8
"""The fewest settings to test over; below, no p survives correction for a few comparisons."""


@dataclass(frozen=True)
class Ranks:
    """The methods by mean rank (1 is best), and which of them do not differ.

    ``p[i, j]`` is the Wilcoxon signed-rank p of methods ``i`` and ``j`` after Holm over all
    pairs, 1 on the diagonal. A clique is a largest set of methods none of which differ at 0.05.
    """

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    friedman_p: float  # nan for two methods
    p: Floats
    cliques: tuple[tuple[str, ...], ...]
    n: int  # settings


def rank_test(scores: pd.DataFrame) -> Ranks:
    """Make Friedman's test (corrected for ties), then Wilcoxon signed-rank tests of every pair.

    Unlike Nemenyi's test, that of two methods does not depend on which others are compared
    (Benavoli et al. 2016, JMLR 17). Source: Demsar 2006, JMLR 7.

    Args:
        scores: one row per setting, at least eight; one column per method, at least two; higher
            is better; nothing missing.

    Raises:
        ValueError: too few settings or methods, or a score is missing.
    """
    if len(scores) < FEWEST_SETTINGS or scores.shape[1] < 2:
        raise ValueError(f"ranks need {FEWEST_SETTINGS} settings and 2 methods: {scores.shape}")
    if scores.isna().to_numpy().any():
        raise ValueError("ranks need a score of every method in every setting")
    scores = tied_rows(scores)
    means = scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    ordered = scores[means.index]
    columns = [ordered[name].to_numpy(np.float64) for name in ordered]
    equal = all(np.array_equal(columns[0], column) for column in columns)
    friedman = 1.0 if equal else float("nan")
    if len(columns) > 2 and not equal:
        from scipy.stats import friedmanchisquare  # noqa: PLC0415  slow, and few reports need it

        friedman = float(friedmanchisquare(*columns).pvalue)
    p = _pairwise(columns)
    methods = tuple(str(name) for name in ordered)
    import networkx as nx  # noqa: PLC0415  which few reports need, and takes long to import

    graph = nx.from_numpy_array((p >= ALPHA) & ~np.eye(len(p), dtype=np.bool_))
    cliques = sorted(sorted(clique) for clique in nx.find_cliques(graph) if len(clique) > 1)
    named = tuple(tuple(methods[i] for i in clique) for clique in cliques)
    return Ranks(methods, tuple(map(float, means)), friedman, p, named, len(scores))


def _pairwise(columns: Sequence[Floats]) -> Floats:
    pairs = list(itertools.combinations(range(len(columns)), 2))
    raw = [signed_rank_p(columns[i] - columns[j]) for i, j in pairs]
    p = np.eye(len(columns))
    for (i, j), adjusted in zip(pairs, holm(raw), strict=True):
        p[i, j] = p[j, i] = adjusted
    return p


EXACT = 50
"""The most differences whose signed-rank p is exact; more have the normal approximation."""


def signed_rank_p(differences: Floats) -> float:
    """Return the two-sided p of the Wilcoxon signed-rank test.

    Formula: the share of the ``2^n`` ways to choose the signs of ``n`` ranks whose sum is at
    least as far from its middle as the one seen. Tied differences share their mean rank; zeros
    are ranked and then dropped (Pratt 1959), and all of them give 1. Up to 50 differences it is
    exact, ties and zeros included; beyond, it is scipy's normal approximation.
    Source: Wilcoxon 1945, Biometrics Bulletin 1; Pratt 1959, JASA 54.
    """
    signs, sizes = signs_and_sizes(differences)
    if not signs.any():
        return 1.0
    if np.count_nonzero(signs) > EXACT:
        from scipy.stats import wilcoxon  # noqa: PLC0415  as above

        return float(wilcoxon(signs * sizes, zero_method="pratt").pvalue)
    doubled = (2 * pd.Series(sizes).rank()).to_numpy(np.int64)  # mean ranks are halves
    ranks, positive = doubled[signs != 0], signs[signs != 0] > 0
    share = _share_of_sums(ranks)
    away = np.abs(2 * np.arange(len(share)) - ranks.sum())
    return float(share[away >= away[ranks[positive].sum()]].sum())


def _share_of_sums(ranks: NDArray[np.int64]) -> Floats:
    """Return how often each sum, from 0 to all, is that of the ranks with a positive sign."""
    share = np.zeros(int(ranks.sum()) + 1)
    share[0] = 1.0
    for rank in ranks:  # its sign is negative in half of the ways, positive in the other
        share[rank:] += share[:-rank].copy()
        share /= 2  # exact: a power of two
    return share


def smallest_wilcoxon_p(n: int) -> float:
    """Return the least p that a two-sided exact Wilcoxon signed-rank test of ``n`` pairs can give.

    Formula: ``2 / 2^n``: all differences of one sign.
    """
    return min(1.0, 2.0 ** (1 - n))

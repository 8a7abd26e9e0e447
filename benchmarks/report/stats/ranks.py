"""All methods over many settings: do their ranks differ, and whose do not."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, wilcoxon

from benchmarks.report.stats.intervals import Floats
from benchmarks.report.stats.multiplicity import holm
from benchmarks.report.stats.paired import ALPHA

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
    means = scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    ordered = scores[means.index]
    columns = [ordered[name].to_numpy(np.float64) for name in ordered]
    equal = all(np.array_equal(columns[0], column) for column in columns)
    friedman = 1.0 if equal else float("nan")
    if len(columns) > 2 and not equal:
        friedman = float(friedmanchisquare(*columns).pvalue)
    p = _pairwise(columns)
    methods = tuple(str(name) for name in ordered)
    named = tuple(tuple(methods[i] for i in clique) for clique in cliques(p >= ALPHA))
    return Ranks(methods, tuple(map(float, means)), friedman, p, named, len(scores))


def _pairwise(columns: Sequence[Floats]) -> Floats:
    pairs = list(itertools.combinations(range(len(columns)), 2))
    raw = [signed_rank_p(columns[i] - columns[j]) for i, j in pairs]
    p = np.eye(len(columns))
    for (i, j), adjusted in zip(pairs, holm(raw), strict=True):
        p[i, j] = p[j, i] = adjusted
    return p


def signed_rank_p(differences: Floats) -> float:
    """Return the two-sided p of the Wilcoxon signed-rank test.

    It is exact up to 50 differences without ties. Zeros are ranked and then dropped (Pratt 1959),
    and all of them give 1.
    """
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences, zero_method="pratt").pvalue)


def cliques(alike: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Return the largest sets of two or more in which all are alike, each ascending, sorted.

    Args:
        alike: ``(m, m)`` symmetric.
    """
    graph = nx.from_numpy_array(alike & ~np.eye(len(alike), dtype=np.bool_))
    return sorted(tuple(sorted(members)) for members in nx.find_cliques(graph) if len(members) > 1)

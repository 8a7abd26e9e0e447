"""Intervals and tests: what may be claimed from a handful of seeds, and from many settings."""

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaincinv, gammaln, ndtr, ndtri, stdtrit
from scipy.stats import false_discovery_control, friedmanchisquare, rankdata, trim_mean, wilcoxon
from scipy.stats import t as student_t

from benchmarks.errors import RefusedError

Floats = NDArray[np.float64]

LEVEL = 0.95
ALPHA = 0.05
FEWEST_PAIRS = 3
"""The fewest pairs, or seeds, from which a difference is tested or an interval given.

Of two, the t interval is 6 times as wide as it is of three, and of an accuracy it usually covers
all that is possible.
"""
ROUNDING = 5e-9
"""What the nine digits of a CSV file can leave between two equal numbers.

Two accuracies that are not equal are much further apart: by one test image, shared among the seeds.
"""
PAIR_KEYS = ("dataset", "noise", "model", "recipe", "seed")
"""Two rows that agree in these differ in the method only."""


def tied(values: Floats) -> Floats:
    """Return the values, in which those that differ by rounding alone are made equal.

    Sorted along the last axis, values whose neighbours are within :data:`ROUNDING` become the
    first of them, and those beside zero become zero. A nan stays what it is.

    Args:
        values: ``(..., n)``.
    """
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    with np.errstate(invalid="ignore"):  # infinite values have no distance
        begins = ~(np.diff(ordered, axis=-1, prepend=np.nan) <= ROUNDING)
    first = np.maximum.accumulate(np.where(begins, np.arange(values.shape[-1]), 0), axis=-1)
    merged = np.empty_like(values)
    np.put_along_axis(merged, order, np.take_along_axis(ordered, first, axis=-1), axis=-1)
    return np.where(np.abs(merged) <= ROUNDING, 0.0, merged)


def tied_series(values: pd.Series) -> pd.Series:
    """Return the values with equal numbers made so by :func:`tied`."""
    return pd.Series(tied(values.to_numpy(np.float64)), values.index)


def tied_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with equal numbers in each row made so by :func:`tied`."""
    return pd.DataFrame(tied(table.to_numpy(np.float64)), table.index, table.columns)


def half_widths(sd: Floats, n: Floats) -> Floats:
    """Return the half widths of 95% t intervals of means, nan where the spread is unknown.

    Formula: ``t_{n-1, 0.975} sd / sqrt(n)`` with the ``n - 1`` standard deviation; nan below three
    values, and for values without any spread, which say nothing of how far they would spread. At
    five seeds it covers 95%, the percentile bootstrap 82%. Source: Student 1908.

    Args:
        sd: standard deviations.
        n: how many values each mean is of, in the same shape.
    """
    enough = np.where((n >= FEWEST_PAIRS) & (sd > ROUNDING), n, np.nan)
    quantile = student_t.ppf((1 + LEVEL) / 2, enough - 1)
    return np.asarray(quantile * sd / np.sqrt(enough), dtype=np.float64)


def t_intervals(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return the mean of every group with its 95% t interval, without counting blank values.

    Returns:
        the columns ``by``, ``mean``, ``half`` (of :func:`half_widths`) and ``n``.
    """
    groups = rows.dropna(subset=[value]).groupby(list(by), sort=True)[value]
    table = groups.agg(["mean", "std", "count"]).reset_index()
    n = table["count"].to_numpy(np.float64)
    table["half"] = half_widths(table["std"].to_numpy(np.float64), n)
    return table.rename(columns={"count": "n"})[[*by, "mean", "half", "n"]]


def wilson(successes: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Return the 95% interval of a proportion that stays within [0, 1] and holds for few trials.

    Formula: ``(k + z^2/2 +- z sqrt(k (n - k) / n + z^2/4)) / (n + z^2)``; nan when ``n = 0``.
    Source: Wilson 1927, JASA 22.
    """
    z = float(ndtri((1 + LEVEL) / 2))
    n = np.where(trials > 0, trials, np.nan)
    centre = successes + z**2 / 2
    spread = z * np.sqrt(successes * (n - successes) / n + z**2 / 4)
    low, high = (centre - spread) / (n + z**2), (centre + spread) / (n + z**2)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def pair(rows: pd.DataFrame, reference: str, value: str) -> pd.DataFrame:
    """Return what every other method has above ``reference`` on the same seed and noisy labels.

    Args:
        rows: rows of one selection, one per method and :data:`PAIR_KEYS`.
        reference: spec string of the method to compare with.
        value: the column to subtract.

    Returns:
        ``PAIR_KEYS``, ``method``, ``setting`` and ``noisy`` where ``rows`` have them, ``own``,
        ``other`` (the reference's) and their ``difference``, without pairs that lack a value.

    Raises:
        RefusedError: rows that should be a pair were trained on different labels.
    """
    keys = list(PAIR_KEYS)
    kept = [*keys, "method", *(name for name in ("setting", "noisy") if name in rows)]
    chosen = rows[[*kept, "noise_sha256", value]].rename(columns={value: "own"})
    is_reference = chosen["method"] == reference
    theirs = chosen.loc[is_reference, [*keys, "noise_sha256", "own"]]
    theirs = theirs.rename(columns={"noise_sha256": "labels", "own": "other"})
    pairs = chosen[~is_reference].merge(theirs, on=keys)
    for row in pairs[pairs["noise_sha256"] != pairs["labels"]].to_dict("records"):
        raise RefusedError(
            f"{row['method']} and {reference} were trained on different noisy labels at "
            f"{row['dataset']}, {row['noise']}, seed {row['seed']}: they are not a pair"
        )
    pairs["difference"] = pairs["own"] - pairs["other"]
    return pairs[[*kept, "own", "other", "difference"]].dropna(subset=["difference"])


def mean_over_settings(
    pairs: pd.DataFrame, by: Sequence[str] = ("method",), settings: int | None = None
) -> pd.DataFrame:
    """Return pairs of means over settings: one row for each ``seed`` of every group.

    A seed has values only where it is a pair in all settings of its group, so that a method
    cannot gain by failing where it is hard.

    Args:
        pairs: of :func:`pair`.
        by: the columns that make a group.
        settings: how many a seed must have; by default as many as its group has with any pair.
    """
    keys, values = list(by), ["own", "other", "difference"]
    known = pairs["difference"].notna()
    groups = pairs[[*keys, "seed"]].join(pairs[values].where(known)).groupby([*keys, "seed"])
    means, counts = groups[values].mean(), groups["difference"].count()
    means = means.reset_index()
    each = pairs[known].groupby(keys)["setting"].nunique().rename("wanted").reset_index()
    wanted = (
        means[keys].merge(each, on=keys, how="left")["wanted"] if settings is None else settings
    )
    means.loc[counts.to_numpy() != wanted, values] = np.nan
    return means


class PairedTests(NamedTuple):
    """Paired t tests: mean difference, standard deviation, 95% interval and p, an array each."""

    difference: Floats
    sd: Floats
    low: Floats
    high: Floats
    p: Floats


def paired_t(differences: Floats) -> PairedTests:
    """Test "the mean difference is zero" along the last axis, two-sided, with 95% intervals.

    Formula: ``t = mean / (sd / sqrt(n))``, ``p = 2 F_{n-1}(-|t|)``. Fewer than three differences,
    and differences without any spread, have no interval and no p (nan): nothing is known of how
    far they would spread. Only where three or more are all zero, p is 1. Every table, figure and
    sentence takes its marks from this p.
    Source: Student 1908.

    Args:
        differences: ``(..., n)``, finite, ``n`` at least 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    n, mean = values.shape[-1], values.mean(-1)
    # Equal values have no spread, whatever their rounded mean leaves of them.
    same = np.ptp(values, axis=-1) <= ROUNDING
    spread = values.std(-1, ddof=1) if n > 1 else np.full_like(mean, np.nan)
    sd = np.where(same & (n > 1), 0.0, spread)
    half = half_widths(sd, np.full_like(mean, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * student_t.sf(np.abs(mean) / (sd / np.sqrt(n)), n - 1)
    zero = np.where((sd == 0) & (mean == 0) & (n >= FEWEST_PAIRS), 1.0, np.nan)
    p = np.where(np.isfinite(half), p, zero)
    mean = np.where(same & (np.abs(mean) <= ROUNDING), 0.0, mean)
    return PairedTests(mean, sd, mean - half, mean + half, p)


def significant(adjusted: float | Floats | pd.Series) -> NDArray[np.bool_]:
    """Return which adjusted p values let a difference be claimed: those below 0.05, no nan."""
    return np.asarray(adjusted, dtype=np.float64) < ALPHA


def paired_tests(pairs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return a paired t test for every group of pairs, not corrected for their number.

    Args:
        pairs: of :func:`pair`, or any table with ``own``, ``other`` and ``difference``.
        by: the columns that make a group.

    Returns:
        one row for each group in the order in which groups appear: the columns ``by``, ``n``
        pairs, the means ``own`` and ``other`` if it has them, ``difference`` with its ``low`` and
        ``high`` (95%), ``sd`` of the differences, and ``p``. Groups without a pair have ``n = 0``.
    """
    groups = pairs.groupby(list(by), sort=False)
    means = [name for name in ("own", "other") if name in pairs]
    tests = groups[means].mean().reset_index()
    tests = tests.assign(n=0, **dict.fromkeys(PairedTests._fields, np.nan))
    for places, values in _of_equal_size(groups.ngroup(), pairs["difference"]):
        tests.loc[places, "n"] = values.shape[1]
        tests.loc[places, PairedTests._fields] = np.stack(paired_t(values), axis=1)
    return tests


def sign_flips(pairs: pd.DataFrame, by: Sequence[str]) -> Floats:
    """Return the p of :func:`sign_flip` for every group, in the order of :func:`paired_tests`."""
    groups = pairs.groupby(list(by), sort=False)
    p = np.full(groups.ngroups, np.nan)
    for places, values in _of_equal_size(groups.ngroup(), pairs["difference"]):
        p[places] = sign_flip(values)
    return p


def _of_equal_size(
    group: pd.Series, differences: pd.Series
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Yield the groups of equally many known values: their numbers, and values ``(groups, n)``."""
    known = differences.notna()
    number = group[known].to_numpy()
    values = differences[known].to_numpy(np.float64)[np.argsort(number, kind="stable")]
    sizes = np.bincount(number)
    starts = np.cumsum(sizes) - sizes
    for n in np.unique(sizes[sizes > 0]):
        places = np.flatnonzero(sizes == n)
        yield places, values[starts[places][:, None] + np.arange(n)]


def smallest_wilcoxon_p(n: int) -> float:
    """Return the least p that a two-sided exact Wilcoxon signed-rank test of ``n`` pairs can give.

    Formula: ``2 / 2^n``: all differences of one sign.
    """
    return min(1.0, 2.0 ** (1 - n))


ENUMERATED = 16
"""The most differences for which every sign is tried: 65,536 ways."""
_DRAWS = 20_000  # leave the standard error of a probability below 0.004
_AT_ONCE = 2**23  # sums held in memory


def sign_flip(differences: Floats) -> Floats:
    """Return the two-sided p of "each difference could as well have had the other sign".

    Formula: the share of the ``2^n`` ways to choose signs whose ``|mean|`` is at least the one
    seen; beyond 16 differences of 20,000 drawn ways, the one seen among them. It assumes no
    distribution, and cannot fall below ``2 / 2^n``.
    ``scipy.stats.permutation_test`` gives the same, one row at a time and a thousand times slower.
    Source: Fisher 1935, The Design of Experiments, section 21.

    Args:
        differences: ``(rows, n)``, finite, ``n`` at least 1.

    Returns:
        ``(rows,)``.
    """
    n = differences.shape[1]
    if n <= ENUMERATED:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1  # (2^n, n)
    else:
        flips = np.random.default_rng(n).integers(0, 2, (_DRAWS, n))
        flips[0] = 0
    signs = 1 - 2 * flips.astype(np.float64)
    parts = np.array_split(differences, -(-len(differences) * len(signs) // _AT_ONCE))
    return np.concatenate([_share_beyond(signs, part) for part in parts])


def _share_beyond(signs: Floats, differences: Floats) -> Floats:
    sums = np.abs(differences @ signs.T)  # (rows, ways)
    close = ROUNDING * differences.shape[1]  # the same sum, of other rounded numbers
    seen = np.abs(differences.sum(1)) - close
    return np.asarray((sums >= seen[:, None]).mean(1))


def hedges_g(mean: Floats, sd: Floats, n: Floats) -> Floats:
    """Return the effect size of paired differences in standard deviations, corrected for small n.

    Formula: ``g_z = J mean / sd``, ``J = G(m / 2) / (sqrt(m / 2) G((m - 1) / 2))``, ``m = n - 1``
    and ``G`` the gamma function; nan below three values or without spread.
    Source: Hedges 1981, Journal of Educational Statistics 6; Lakens 2013.

    Args:
        mean: mean differences.
        sd: their standard deviations, of the same shape.
        n: how many differences there are of each.
    """
    m = np.where((n >= 3) & (sd > 0), n - 1, np.nan)
    shrink = np.exp(gammaln(m / 2) - gammaln((m - 1) / 2)) / np.sqrt(m / 2)
    return np.asarray(shrink * mean / np.where(sd > 0, sd, np.nan))


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


POWER = 0.8
"""The chance of finding a true difference that an experiment should have."""
MOST_SEEDS = 1000
"""The most seeds that are ever named; where more would be needed, none are."""
_NODES = 400


def power(effect: float, sd: float, n: int, alpha: float = ALPHA) -> float:
    """Return the chance that a two-sided paired t test at ``alpha`` finds a true mean difference.

    Formula: ``P(|T| > t_{n-1, 1 - alpha/2})`` for a noncentral ``T`` with ``n - 1`` degrees of
    freedom and noncentrality ``sqrt(n) effect / sd``: the normal probability given the
    standard deviation seen, integrated over its distribution. (The noncentral t of scipy 1.17
    is nan where the noncentrality is large.)

    Args:
        effect: the true mean difference.
        sd: the standard deviation of the differences, in the same unit, above 0.
        n: pairs, at least 2.
        alpha: level of the test.
    """
    return _power(math.sqrt(n) * abs(effect) / sd, n, alpha)


def _power(shift: float, n: int, alpha: float) -> float:
    ratios, weights = _spreads(n - 1)
    least = stdtrit(n - 1, 1 - alpha / 2) * ratios
    return float(weights @ (ndtr(shift - least) + ndtr(-shift - least)))


@lru_cache(maxsize=4096)
def _spreads(df: int) -> tuple[Floats, Floats]:
    """Return values of ``sqrt(chi2_df / df)`` and weights that integrate over its distribution."""
    nodes, weights = _gauss()
    ratios = np.sqrt(gammaincinv(df / 2, nodes) * 2 / df)
    return np.asarray(ratios), weights


@lru_cache(maxsize=1)
def _gauss() -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes of (0, 1), denser at both ends, where quantiles are steep."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    u = (nodes + 1) / 2
    return u * u * (3 - 2 * u), weights / 2 * 6 * u * (1 - u)


def detectable(sd: float, n: int, alpha: float = ALPHA) -> float:
    """Return the least true mean difference that ``n`` pairs find with a chance of 80%.

    It is nan where a test has no p: below three pairs, and without any spread.
    """
    if n < FEWEST_PAIRS or not sd > 0:
        return math.nan
    return _least_shift(n, alpha) * sd / math.sqrt(n)


@lru_cache(maxsize=4096)
def _least_shift(n: int, alpha: float) -> float:
    """Return the noncentrality at which :func:`power` is 0.8."""
    beyond = 2 * (stdtrit(n - 1, 1 - alpha / 2) + 1)  # power there is near 1
    return float(brentq(lambda shift: _power(shift, n, alpha) - POWER, 0.0, beyond))


def seeds_needed(effect: float, sd: float, alpha: float = ALPHA) -> int | None:
    """Return the fewest pairs that find a true mean difference of ``effect`` with a chance of 80%.

    Returns:
        at least 3, or ``None`` where it would take more than ``MOST_SEEDS``, and where the
        differences have no spread to judge by.
    """
    if not math.isfinite(effect) or abs(effect) <= ROUNDING or not sd > 0:
        return None
    sizes = range(FEWEST_PAIRS, MOST_SEEDS + 1)
    place = bisect_left(sizes, POWER, key=lambda n: power(effect, sd, n, alpha))
    return sizes[place] if place < len(sizes) else None


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
        friedman = float(friedmanchisquare(*columns).pvalue)
    p = _pairwise(columns)
    methods = tuple(str(name) for name in ordered)
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
    signs, sizes = _signs_and_sizes(differences)
    if not signs.any():
        return 1.0
    if np.count_nonzero(signs) > EXACT:
        return float(wilcoxon(signs * sizes, zero_method="pratt").pvalue)
    doubled = np.rint(2 * rankdata(sizes)).astype(np.int64)  # mean ranks are halves
    ranks, positive = doubled[signs != 0], signs[signs != 0] > 0
    share = _share_of_sums(ranks)
    away = np.abs(2 * np.arange(len(share)) - ranks.sum())
    return float(share[away >= away[ranks[positive].sum()]].sum())


def _signs_and_sizes(differences: Floats) -> tuple[Floats, Floats]:
    """Return the signs of differences and their sizes, where rounding leaves no two apart."""
    sizes = tied(np.abs(differences))
    return np.where(sizes == 0, 0.0, np.sign(differences)), sizes


def _share_of_sums(ranks: NDArray[np.int64]) -> Floats:
    """Return how often each sum, from 0 to all, is that of the ranks with a positive sign."""
    share = np.zeros(int(ranks.sum()) + 1)
    share[0] = 1.0
    for rank in ranks:  # its sign is negative in half of the ways, positive in the other
        share[rank:] += share[:-rank].copy()
        share /= 2  # exact: a power of two
    return share


_PRIOR = 0.5  # weight of a made-up difference of zero


class Posterior(NamedTuple):
    """Probabilities that sum to 1; "same" is within ``rope`` of zero."""

    below: float  # the differences are below -rope
    same: float
    above: float


def signed_rank(differences: Sequence[float] | Floats, rope: float) -> Posterior:
    """Make the Bayesian signed-rank test on one mean difference per setting.

    Formula: the differences ``z`` and one made-up ``z_0 = 0`` get Dirichlet weights ``w`` with
    parameters 1 and 0.5; of the shares ``sum w_i w_j`` of pairs whose ``(z_i + z_j) / 2`` lies
    below, within and above ``[-rope, rope]`` (an end counts half to either side), the
    probabilities are how often each is the largest. It knows nothing of the spread over seeds
    within a setting, and takes settings as independent.
    Source: Benavoli et al. 2014, ICML; Benavoli et al. 2017, JMLR 18.

    Args:
        differences: finite, at least one.
        rope: half width of the region of practical equivalence, above 0, in the same unit.
    """
    z = np.concatenate([[0.0], np.asarray(differences, dtype=np.float64)])
    sums = z[:, None] + z  # (n + 1, n + 1)
    weights = _weights(len(z) - 1)  # (draws, n + 1)
    shares = np.empty((len(weights), 3))
    shares[:, 0] = np.einsum("di,di->d", weights @ _beyond(-sums, 2 * rope), weights)
    shares[:, 2] = np.einsum("di,di->d", weights @ _beyond(sums, 2 * rope), weights)
    shares[:, 1] = 1 - shares[:, 0] - shares[:, 2]
    below, same, above = np.bincount(shares.argmax(1), minlength=3) / len(shares)
    return Posterior(float(below), float(same), float(above))


def _beyond(sums: Floats, end: float) -> Floats:
    at_the_end = np.isclose(sums, end, rtol=0, atol=2 * ROUNDING)  # of two differences each
    return np.where(at_the_end, 0.5, (sums > end).astype(np.float64))


@lru_cache(maxsize=4)
def _weights(n: int) -> Floats:
    """Return the same draws for every comparison of ``n`` settings."""
    parameters = np.ones(n + 1)
    parameters[0] = _PRIOR
    return np.random.default_rng(0).dirichlet(parameters, _DRAWS)


_RESAMPLED = 2000  # draws of a bootstrap


class Aggregate(NamedTuple):
    """A value over settings with its approximate 95% interval, nan where that is unknown."""

    value: float
    low: float
    high: float


def interquartile_mean(scores: Sequence[Floats]) -> Aggregate:
    """Return the mean of the middle half of all runs, with a stratified bootstrap interval.

    Formula: of ``K`` sorted values the mean without the first and the last ``floor(K / 4)``. The
    interval resamples seeds within each setting. It is approximate: at 5 seeds and 12
    settings it covers 91%, at 3 seeds 87%.
    Source: Agarwal et al. 2021, NeurIPS.

    Args:
        scores: for each setting those of its seeds, finite, at least one.
    """
    return _aggregate(scores, _pooled_iqm)


def _pooled_iqm(strata: Sequence[Floats]) -> Floats:
    return np.asarray(trim_mean(np.concatenate(strata, axis=-1), 0.25, axis=-1))


def improvement(differences: Sequence[Floats]) -> Aggregate:
    """Return the chance that a method beats another on the same seed, averaged over settings.

    Formula: the mean over settings of the share of seeds whose difference is positive, a zero
    counting half. Paired, unlike the Mann-Whitney version of rliable, which compares every seed
    of one with every seed of the other and so sees the noise that pairing removes.
    Source: after Agarwal et al. 2021, NeurIPS.

    Args:
        differences: for each setting those of its seeds, finite, at least one.
    """
    return _aggregate([0.5 + 0.5 * _signs_and_sizes(d)[0] for d in differences], _mean_of_means)


def _mean_of_means(strata: Sequence[Floats]) -> Floats:
    return np.asarray(np.mean([stratum.mean(-1) for stratum in strata], axis=0))


def _aggregate(
    strata: Sequence[Floats], statistic: Callable[[Sequence[Floats]], Floats]
) -> Aggregate:
    value = float(statistic(strata))
    unknown = Aggregate(value, float("nan"), float("nan"))
    if min(len(stratum) for stratum in strata) < FEWEST_PAIRS:
        return unknown
    low, high = _bounds(statistic(_resampled(strata)))
    # Where in each setting all seeds agree, nothing is known of how far they would spread.
    return Aggregate(value, float(low), float(high)) if high - low > ROUNDING else unknown


def _resampled(strata: Sequence[Floats]) -> list[Floats]:
    """Return ``(draws, seeds)`` of each stratum, drawn with replacement."""
    random = np.random.default_rng(0)
    return [
        stratum[random.integers(len(stratum), size=(_RESAMPLED, len(stratum)))]
        for stratum in strata
    ]


def _bounds(draws: Floats) -> Floats:
    outside = (1 - LEVEL) / 2
    return np.asarray(np.quantile(draws, [outside, 1 - outside], axis=0))


def performance_profile(values: Sequence[Floats], taus: Floats) -> Floats:
    """Return the share of runs whose value is at most ``tau``, for each ``tau``.

    Of gaps to the best run of the same seed and setting it is the performance profile of Dolan &
    More 2002, Mathematical Programming 91; of negated scores that of Agarwal et al. 2021, NeurIPS.

    Args:
        values: for each setting those of its seeds, at least one; infinite where a run failed.
        taus: ``(T,)``.

    Returns:
        the shares and the two ends of their pointwise approximate 95% intervals, ``(3, T)``; the
        ends are nan below three seeds.
    """
    share = _shares(np.concatenate(values), taus)
    low = high = np.full(len(taus), np.nan)
    if min(len(stratum) for stratum in values) >= FEWEST_PAIRS:
        runs = np.concatenate(_resampled(values), axis=-1)  # (draws, runs)
        low, high = _bounds(np.stack([_shares(drawn, taus) for drawn in runs]))
    return np.stack([share, low, high])


def _shares(runs: Floats, taus: Floats) -> Floats:
    return np.searchsorted(np.sort(runs), taus + ROUNDING, side="right") / len(runs)

"""Paired tests: two methods on the same seeds, one comparison or many."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln, stdtr, stdtrit

from benchmarks.report.stats.intervals import (
    ALPHA,
    FEWEST_PAIRS,
    LEVEL,
    ROUNDING,
    Floats,
    half_widths,
)


def mean_over_settings(pairs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return pairs of means over settings: one row for each ``seed`` of every group.

    A seed has values only where it is a pair in all settings that its group has with any pair, so
    that a method cannot gain by failing where it is hard.

    Args:
        pairs: with ``setting``, ``seed``, ``own``, ``other`` and ``difference``.
        by: the columns that make a group.
    """
    keys, values = list(by), ["own", "other", "difference"]
    known = pairs["difference"].notna()
    groups = pairs[[*keys, "seed"]].join(pairs[values].where(known)).groupby([*keys, "seed"])
    means, counts = groups[values].mean(), groups["difference"].count()
    means = means.reset_index()
    each = pairs[known].groupby(keys)["setting"].nunique().rename("wanted").reset_index()
    wanted = means[keys].merge(each, on=keys, how="left")["wanted"]
    means.loc[counts.to_numpy() != wanted, values] = np.nan
    return means


class PairedTests(NamedTuple):
    """Paired t tests: pairs, mean difference, its standard deviation, 95% interval and p, arrays.

    Tests and intervals are not corrected for their number.
    """

    n: Floats
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
        differences: ``(..., n)``; nan where there is no pair.
    """
    values = np.asarray(differences, dtype=np.float64)
    known = np.isfinite(values)
    n = known.sum(-1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, values, 0.0).sum(-1) / n
        away = np.where(known, values - mean[..., None], 0.0)
        spread = np.sqrt((away**2).sum(-1) / np.where(n > 1, n - 1, np.nan))
        width = np.where(known, values, -np.inf).max(-1, initial=-np.inf)
        width = width - np.where(known, values, np.inf).min(-1, initial=np.inf)
        same = width <= ROUNDING  # no spread, whatever their rounded mean leaves of them
        sd = np.where(same & (n > 1), 0.0, spread)
        half = half_widths(sd, n)
        p = 2 * stdtr(n - 1, -np.abs(mean) / (sd / np.sqrt(n)))
    mean = np.where(same & (np.abs(mean) <= ROUNDING), 0.0, mean)
    zero = np.where((sd == 0) & (mean == 0) & (n >= FEWEST_PAIRS), 1.0, np.nan)
    p = np.where(np.isfinite(half), p, zero)
    return PairedTests(n, mean, sd, mean - half, mean + half, p)


def equivalence_p(tests: PairedTests, margin: float) -> Floats:
    """Return the p of "the mean difference is at least as large as the margin", either way.

    Formula: the larger p of two one-sided paired t tests, that of a mean at or below ``-margin``
    and that of one at or above ``margin``. Where paired tests have no p, there is none; where all
    of three or more differences are zero, it is 0.
    Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = within_p(MeanTests(tests.difference, tests.sd**2 / tests.n, tests.n - 1), margin)
    p = np.where(tests.sd > 0, p, 0.0)
    return np.where(np.isfinite(tests.p), p, np.nan)


class MeanTests(NamedTuple):
    """Mean differences, the variances of these means, and the degrees of freedom behind them."""

    difference: Floats
    variance: Floats
    df: Floats


def t_test(tests: MeanTests) -> tuple[Floats, Floats, Floats]:
    """Return the ends of 95% t intervals, and the two-sided p of "the mean difference is zero"."""
    error = np.sqrt(tests.variance)
    half = stdtrit(tests.df, (1 + LEVEL) / 2) * error
    p = 2 * stdtr(tests.df, -np.abs(tests.difference) / error)
    return tests.difference - half, tests.difference + half, np.asarray(p)


def within_p(tests: MeanTests, margin: float) -> Floats:
    """Return the larger p of two one-sided t tests, as :func:`equivalence_p` does."""
    away = margin - np.abs(tests.difference)
    return np.asarray(stdtr(tests.df, -away / np.sqrt(tests.variance)))


def crossed_df(var_seeds: Floats, var_images: Floats, seeds: Floats, groups: Floats) -> Floats:
    """Return the degrees of freedom of a variance that is due to seeds and to images.

    Formula: ``1 / df = w / (seeds - 1) + (1 - w) / (groups - 1)`` with the share ``w = var_seeds /
    (var_seeds + var_images)``; without images, ``seeds - 1``. Satterthwaite's has the squares of
    the shares in place of the shares: where three seeds happen to lie close together, it takes
    them for little of the variance, and its intervals cover 92%. These cover 94% and more
    (``results/reference/coverage.md``).
    """
    with np.errstate(all="ignore"):
        share = np.where(np.isfinite(var_images), var_seeds / (var_seeds + var_images), 1.0)
        others = np.where(np.isfinite(var_images), groups - 1, 1.0)
        return np.asarray(1 / (share / (seeds - 1) + (1 - share) / others))


def significant(adjusted: float | Floats | pd.Series) -> NDArray[np.bool_]:
    """Return which adjusted p values let a difference be claimed: those below 0.05, no nan."""
    return np.asarray(adjusted, dtype=np.float64) < ALPHA


def paired_tests(pairs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return a paired t test for every group of pairs, not corrected for their number.

    Args:
        pairs: a table with ``own``, ``other`` and their ``difference``, or with that alone.
        by: the columns that make a group.

    Returns:
        one row for each group in the order in which groups appear: the columns ``by``, the means
        ``own`` and ``other`` if it has them, and the fields of :class:`PairedTests`. Groups
        without a pair have ``n = 0``.
    """
    groups = pairs.groupby(list(by), sort=False)
    means = [name for name in ("own", "other") if name in pairs]
    place = groups.cumcount().to_numpy()
    differences = np.full((groups.ngroups, place.max(initial=-1) + 1), np.nan)
    differences[groups.ngroup().to_numpy(), place] = pairs["difference"]
    tests = paired_t(differences) if differences.size else PairedTests(*np.empty((6, 0)))
    table = groups[means].mean().reset_index().assign(**tests._asdict())
    return table.astype({"n": int})


ENUMERATED = 16
"""The most differences for which every sign is tried: 65,536 ways."""
_DRAWS = 20_000  # leave the standard error of a p value below 0.004
_AT_ONCE = 2**23  # sums held in memory


def sign_flip(differences: Floats) -> Floats:
    """Return the two-sided p of "each difference could as well have had the other sign".

    Formula: the share of the ``2^n`` ways to choose signs whose ``|mean|`` is at least the one
    seen; beyond 16 differences of 20,000 drawn ways, the one seen among them. It assumes no
    distribution, and cannot fall below ``2 / 2^n``.
    ``scipy.stats.permutation_test`` gives the same, one row at a time and a thousand times slower.
    Source: Fisher 1935, The Design of Experiments, section 21.

    Args:
        differences: ``(rows, n)``, ``n`` at least 1; nan where there is no pair.

    Returns:
        ``(rows,)``; nan for a row without a pair.
    """
    n = differences.shape[1]
    known = np.isfinite(differences)
    differences = np.where(known, differences, 0.0)  # a zero has no sign to choose
    if n <= ENUMERATED:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1  # (2^n, n)
    else:
        flips = np.random.default_rng(n).integers(0, 2, (_DRAWS, n))
        flips[0] = 0
    signs = 1 - 2 * flips.astype(np.float64)
    parts = np.array_split(differences, -(-len(differences) * len(signs) // _AT_ONCE))
    shares = np.concatenate([_share_beyond(signs, part) for part in parts])
    return np.where(known.any(1), shares, np.nan)


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

    Formula: of ``m`` tests the one with the ``i``-th least p gets the least of ``m p_j / j`` over
    all ``j >= i``. A nan is no test: it stays nan and is not counted.
    Source: Benjamini & Hochberg 1995, JRSS B 57.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    falling = tested[np.argsort(-p[tested], kind="stable")]
    count = len(falling)
    shares = p[falling] * (count / np.arange(count, 0, -1))
    adjusted[falling] = np.minimum(np.minimum.accumulate(shares), 1.0)
    return [float(value) for value in adjusted]


def corrected(tests: pd.DataFrame, together: Sequence[str]) -> pd.DataFrame:
    """Return the tests with the column ``p_holm``.

    Args:
        tests: a row for each test, with its ``p``.
        together: columns; tests that agree in them are corrected for one another.
    """
    groups = [rows for _, rows in tests.groupby(list(together))]
    adjusted = [pd.Series(holm(rows["p"].tolist()), rows.index, np.float64) for rows in groups]
    return tests.assign(p_holm=pd.concat(adjusted) if adjusted else np.nan)

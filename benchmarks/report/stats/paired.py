"""Two methods on the same seeds: pairs, tests and the size of an effect."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import t as student_t

from benchmarks.errors import RefusedError
from benchmarks.report.stats.intervals import Floats, half_widths

ALPHA = 0.05
PAIR_KEYS = ("dataset", "noise", "model", "recipe", "seed")
"""Two rows that agree in these differ in the method only."""


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

    Formula: ``t = mean / (sd / sqrt(n))``, ``p = 2 F_{n-1}(-|t|)``. Differences without any
    spread give ``p = 0``, or ``p = 1`` when all are zero; fewer than two give nan.
    Source: Student 1908.

    Args:
        differences: ``(..., n)``, finite, ``n`` at least 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    n, mean = values.shape[-1], values.mean(-1)
    if n < 2:
        nothing = np.full_like(mean, np.nan)
        return PairedTests(mean, nothing, nothing, nothing, nothing)
    # Equal values have no spread, whatever their rounded mean leaves of them.
    sd = np.where(np.ptp(values, axis=-1) == 0, 0.0, values.std(-1, ddof=1))
    half = half_widths(sd, np.full_like(mean, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * student_t.sf(np.abs(mean) / (sd / np.sqrt(n)), n - 1)
    p = np.where(sd > 0, p, np.where(mean == 0, 1.0, 0.0))
    return PairedTests(mean, sd, mean - half, mean + half, p)


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
_DRAWS = 20_000
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
    close = 1e-12 * np.abs(differences).sum(1)  # the same sum, added up in another order
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

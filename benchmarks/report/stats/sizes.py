"""What so many pairs can find, and how many it takes."""

import math
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from scipy.special import gammaincinv, ndtr, stdtrit

from benchmarks.report.stats.intervals import ALPHA, FEWEST_PAIRS, ROUNDING, Floats

POWER = 0.8
"""The chance of finding a true difference that an experiment should have."""
MOST_SEEDS = 1000
"""The most seeds that are ever named; where more would be needed, none are."""
_NODES = 400


def power(effect: float, sd: float, n: int) -> float:
    """Return the chance that a two-sided paired t test at 0.05 finds a true mean difference.

    Formula: ``P(|T| > t_{n-1, 0.975})`` for a noncentral ``T`` with ``n - 1`` degrees of
    freedom and noncentrality ``sqrt(n) effect / sd``: the normal probability given the
    standard deviation seen, integrated over its distribution. (The noncentral t of scipy 1.17
    is nan where the noncentrality is large.)

    Args:
        effect: the true mean difference.
        sd: the standard deviation of the differences, in the same unit, above 0.
        n: pairs, at least 2.
    """
    return _power(math.sqrt(n) * abs(effect) / sd, n)


def _power(shift: float, n: int) -> float:
    ratios, weights = _spreads(n - 1)
    least = stdtrit(n - 1, 1 - ALPHA / 2) * ratios
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


def detectable(sd: float, n: int) -> float:
    """Return the least true mean difference that ``n`` pairs find with a chance of 80%.

    It is nan where a test has no p: below three pairs, and without any spread.
    """
    if n < FEWEST_PAIRS or not sd > 0:
        return math.nan
    return _least_shift(n) * sd / math.sqrt(n)


@lru_cache(maxsize=4096)
def _least_shift(n: int) -> float:
    """Return the noncentrality at which :func:`power` is 0.8."""
    from scipy.optimize import brentq  # noqa: PLC0415  slow, and few reports need it

    beyond = 2 * (stdtrit(n - 1, 1 - ALPHA / 2) + 1)  # power there is near 1
    return float(brentq(lambda shift: _power(shift, n) - POWER, 0.0, beyond))


def seeds_needed(effect: float, sd: float) -> int | None:
    """Return the fewest pairs that find a true mean difference of ``effect`` with a chance of 80%.

    Returns:
        at least 3, or ``None`` where it would take more than ``MOST_SEEDS``, and where the
        differences have no spread to judge by.
    """
    if not math.isfinite(effect) or abs(effect) <= ROUNDING or not sd > 0:
        return None
    sizes = range(FEWEST_PAIRS, MOST_SEEDS + 1)
    place = bisect_left(sizes, POWER, key=lambda n: power(effect, sd, n))
    return sizes[place] if place < len(sizes) else None

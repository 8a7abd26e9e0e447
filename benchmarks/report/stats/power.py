"""What a number of seeds can show, and how many more it would take."""

import math

from scipy.special import nctdtr, nctdtrinc, stdtrit

from benchmarks.report.stats.paired import ALPHA

POWER = 0.8
"""The chance of finding a difference that is there."""
MOST_SEEDS = 1000
"""Where more would be needed, no number of seeds is named."""


def power(effect: float, sd: float, n: int, alpha: float = ALPHA) -> float:
    """Chance that a two-sided paired t test at ``alpha`` finds a true mean difference.

    Formula: ``P(|T| > t_{n-1, 1 - alpha/2})`` for a noncentral ``T`` with ``n - 1`` degrees of
    freedom and noncentrality ``sqrt(n) effect / sd``.

    Args:
        effect: the true mean difference.
        sd: the standard deviation of the differences, in the same unit, above 0.
        n: pairs, at least 2.
        alpha: level of the test.
    """
    critical = stdtrit(n - 1, 1 - alpha / 2)
    shift = math.sqrt(n) * abs(effect) / sd
    found = 1 - nctdtr(n - 1, shift, critical) + nctdtr(n - 1, shift, -critical)
    return float(found)


def detectable(sd: float, n: int, alpha: float = ALPHA) -> float:
    """Least true mean difference that ``n`` pairs find with a chance of 80%; nan if ``n < 2``.

    Formula: the ``effect`` at which :func:`power` is 0.8, without the tail of the wrong sign,
    which is below 1e-9 there.
    """
    if n < 2 or not math.isfinite(sd):
        return math.nan
    shift = nctdtrinc(n - 1, 1 - POWER, stdtrit(n - 1, 1 - alpha / 2))
    return float(shift * sd / math.sqrt(n))


def seeds_needed(effect: float, sd: float, alpha: float = ALPHA) -> int | None:
    """Fewest pairs that find a true mean difference of ``effect`` with a chance of 80%.

    Returns:
        at least 2, or ``None`` where it would take more than ``MOST_SEEDS``.
    """
    if not (math.isfinite(effect) and math.isfinite(sd)) or effect == 0:
        return None
    if sd == 0:
        return 2
    low, high = 1, 2  # low is too few
    while power(effect, sd, high, alpha) < POWER:
        low, high = high, 2 * high
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, sd, middle, alpha) >= POWER else (middle, high)
    return high if high <= MOST_SEEDS else None

"""Values over settings with their intervals: seeds are what was drawn, settings were chosen.

A seed carries its noise, weights and order of the data through all settings, so the values of one
seed are not independent: within each seed there is one value over all settings, and the interval
is a t interval over seeds. ``results/reference/coverage.md`` says how often it covers the truth.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.report.stats.intervals import ROUNDING, Floats, half_widths, signs_and_sizes


class Aggregate(NamedTuple):
    """A value over settings with its 95% interval; nan where either is unknown."""

    value: Floats
    low: Floats
    high: Floats


def over_seeds(values: Floats) -> Aggregate:
    """Return the mean over seeds with its t interval, of one value over settings for each seed.

    Args:
        values: ``(seeds, ...)``; a seed with a nan does not count.
    """
    kept = values[np.isfinite(values).reshape(len(values), -1).all(1)]
    n = np.full(values.shape[1:], float(len(kept)))
    if not len(kept):
        return Aggregate(*np.full((3, *values.shape[1:]), np.nan))
    spread = kept.std(0, ddof=1) if len(kept) > 1 else np.full_like(n, np.nan)
    mean, half = kept.mean(0), half_widths(spread, n)
    return Aggregate(mean, mean - half, mean + half)


def interquartile_mean(scores: Floats) -> Aggregate:
    """Return the mean of the middle half of the settings within each seed, and then over seeds.

    Formula: of ``K`` sorted values the mean without the first and the last ``floor(K / 4)``.
    Agarwal et al. 2021, NeurIPS, take it over all runs at once, and resample seeds in each task.

    Args:
        scores: ``(settings, seeds)``; a seed with a nan does not count.
    """
    whole = np.isfinite(scores).all(0)
    cut = len(scores) // 4
    middle = np.sort(scores, axis=0)[cut : len(scores) - cut]
    return over_seeds(np.where(whole, middle.mean(0), np.nan))


def improvement(differences: Floats) -> Aggregate:
    """Return the chance that a method beats another on the same seed, averaged over settings.

    Formula: within each seed the share of settings whose difference is positive, a zero counting
    half. Paired, unlike the Mann-Whitney version of rliable, which compares every seed of one with
    every seed of the other and so sees the noise that pairing removes.
    Source: after Agarwal et al. 2021, NeurIPS.

    Args:
        differences: ``(settings, seeds)``; a seed with a nan does not count.
    """
    wins = 0.5 + 0.5 * signs_and_sizes(differences)[0]
    return _within_shares(over_seeds(wins.mean(0)))


def performance_profile(values: Floats, taus: Floats) -> Aggregate:
    """Return the share of runs whose value is at most ``tau``, for each ``tau``.

    Of gaps to the best run of the same seed and setting it is the performance profile of Dolan &
    More 2002, Mathematical Programming 91; of negated scores that of Agarwal et al. 2021, NeurIPS.

    Args:
        values: ``(settings, seeds)``, infinite where a run failed; a seed with a nan does not
            count.
        taus: ``(T,)``.

    Returns:
        the shares and the ends of their pointwise intervals, each ``(T,)``.
    """
    shares = (values[..., None] <= taus + ROUNDING).mean(0)  # (seeds, T)
    shares[np.isnan(values).any(0)] = np.nan
    return _within_shares(over_seeds(shares))


def _within_shares(shown: Aggregate) -> Aggregate:
    """Return shares with intervals that end where shares do."""
    return shown._replace(low=np.maximum(shown.low, 0.0), high=np.minimum(shown.high, 1.0))

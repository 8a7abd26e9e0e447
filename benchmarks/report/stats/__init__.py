"""Intervals and tests: what may be claimed from a handful of seeds, and from many settings."""

from benchmarks.report.stats.bayes import Posterior, signed_rank
from benchmarks.report.stats.bootstrap import (
    Aggregate,
    PerformanceProfile,
    improvement,
    interquartile_mean,
    performance_profile,
)
from benchmarks.report.stats.intervals import LEVEL, Floats, half_widths, t_intervals, wilson
from benchmarks.report.stats.multiplicity import benjamini_hochberg, corrected, holm
from benchmarks.report.stats.paired import (
    ALPHA,
    PAIR_KEYS,
    hedges_g,
    mean_over_settings,
    pair,
    paired_t,
    paired_tests,
    sign_flip,
    sign_flips,
    smallest_wilcoxon_p,
)
from benchmarks.report.stats.power import MOST_SEEDS, POWER, detectable, power, seeds_needed
from benchmarks.report.stats.ranks import FEWEST_SETTINGS, Ranks, cliques, rank_test, signed_rank_p

__all__ = [
    "ALPHA",
    "FEWEST_SETTINGS",
    "LEVEL",
    "MOST_SEEDS",
    "PAIR_KEYS",
    "POWER",
    "Aggregate",
    "Floats",
    "PerformanceProfile",
    "Posterior",
    "Ranks",
    "benjamini_hochberg",
    "cliques",
    "corrected",
    "detectable",
    "half_widths",
    "hedges_g",
    "holm",
    "improvement",
    "interquartile_mean",
    "mean_over_settings",
    "pair",
    "paired_t",
    "paired_tests",
    "performance_profile",
    "power",
    "rank_test",
    "seeds_needed",
    "sign_flip",
    "sign_flips",
    "signed_rank",
    "signed_rank_p",
    "smallest_wilcoxon_p",
    "t_intervals",
    "wilson",
]

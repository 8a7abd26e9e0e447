"""Intervals and tests: what may be claimed from a handful of seeds, and from many settings."""

from benchmarks.report.stats.bayes import Posterior, signed_rank
from benchmarks.report.stats.bootstrap import (
    Aggregate,
    Profile,
    improvement,
    interquartile_mean,
    iqm,
    profile,
)
from benchmarks.report.stats.families import benjamini_hochberg, holm
from benchmarks.report.stats.intervals import (
    LEVEL,
    Floats,
    Interval,
    half_widths,
    t_interval,
    t_intervals,
    wilson,
)
from benchmarks.report.stats.mixture import Mixtures, shares, two_normals
from benchmarks.report.stats.paired import (
    ALPHA,
    PAIR_KEYS,
    Difference,
    hedges_g,
    pair,
    pair_all,
    paired_t,
    sign_flip,
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
    "Difference",
    "Floats",
    "Interval",
    "Mixtures",
    "Posterior",
    "Profile",
    "Ranks",
    "benjamini_hochberg",
    "cliques",
    "detectable",
    "half_widths",
    "hedges_g",
    "holm",
    "improvement",
    "interquartile_mean",
    "iqm",
    "pair",
    "pair_all",
    "paired_t",
    "power",
    "profile",
    "rank_test",
    "seeds_needed",
    "shares",
    "sign_flip",
    "signed_rank",
    "signed_rank_p",
    "smallest_wilcoxon_p",
    "t_interval",
    "t_intervals",
    "two_normals",
    "wilson",
]

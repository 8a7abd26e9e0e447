"""Sign flips, effect sizes, false discovery and power against other libraries and tables."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from benchmarks.report import stats
from tests.report.test_stats import SLEEP


@pytest.mark.parametrize("n", [2, 5, 8, 11])
def test_the_sign_flip_p_is_that_of_scipy(n):
    rows = np.random.default_rng(n).normal(0.5, 1, (3, n))
    theirs = [
        scipy.stats.permutation_test(
            (d,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
        ).pvalue
        for d in rows
    ]
    assert stats.sign_flip(rows) == pytest.approx(theirs)


def test_the_sign_flip_p_of_darwin_is_the_one_fisher_published():
    # Fisher 1935, section 21: 863 of the 32,768 ways on one side, so p = 1726 / 32768.
    darwin = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    many = np.array([darwin] * 300, dtype=float)  # more than are held in memory at once
    assert (stats.sign_flip(many) == 1726 / 32768).all()


def test_sign_flips_of_many_values_are_drawn_and_close_to_exact():
    d = np.random.default_rng(0).normal(0.25, 1, (1, 40))
    assert stats.sign_flip(d) == pytest.approx(stats.paired_t(d).p, abs=0.02)
    assert stats.sign_flip(np.full((1, 40), 0.3)) > 0  # the one seen is among them
    assert stats.sign_flip(np.full((1, 5), 0.1)) == stats.smallest_wilcoxon_p(5)
    assert stats.sign_flip(np.zeros((1, 5))) == 1


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_false_discovery_adjustment_is_that_of_statsmodels(n):
    p = np.round(np.random.default_rng(n).random(n) ** 3, 2)  # with ties
    ours = stats.benjamini_hochberg(p)
    assert ours == pytest.approx(list(multipletests(p, method="fdr_bh")[1]), abs=1e-12)


def test_false_discovery_adjustment_does_not_count_a_missing_test():
    nan = float("nan")
    assert stats.benjamini_hochberg([0.02, nan, 0.03]) == pytest.approx(
        [0.03, nan, 0.03], nan_ok=True
    )


def hedges_g(values):
    return stats.hedges_g(values.mean(-1), values.std(-1, ddof=1), values.shape[-1])


def test_hedges_g_is_corrected_for_small_samples():
    difference = np.array(SLEEP[0]) - np.array(SLEEP[1])
    d = difference.mean() / difference.std(ddof=1)
    assert hedges_g(difference) == pytest.approx(d * (1 - 3 / (4 * 9 - 1)), rel=1e-3)
    draws = np.random.default_rng(0).normal(0.7, 1, (40_000, 5))
    assert hedges_g(draws).mean() == pytest.approx(0.7, abs=0.01)
    assert np.isnan(hedges_g(np.array([0.1, 0.2])))
    assert np.isnan(hedges_g(np.full(4, 0.1)))


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("effect", [0.0, 0.4, 1.3, 4.0])
def test_power_is_that_of_statsmodels_and_of_the_noncentral_t(n, effect):
    ours = stats.power(effect, 1.0, n)
    assert ours == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-7)
    critical = scipy.stats.t.ppf(0.975, n - 1)
    sides = [scipy.stats.nct.sf(critical, n - 1, sign * effect * np.sqrt(n)) for sign in (1, -1)]
    assert ours == pytest.approx(sum(sides), abs=1e-7)


@pytest.mark.parametrize(
    ("n", "rho", "hypotheses", "points"),
    [
        *((3, 0, 1, 2.31), (3, 0.5, 1, 1.63), (3, 0.8, 1, 1.03), (5, 0, 1, 1.19)),
        *((5, 0.5, 1, 0.84), (10, 0.5, 1, 0.50), (20, 0.8, 1, 0.21)),
        *((5, 0.5, 9, 1.53), (5, 0.5, 45, 2.32), (10, 0.5, 9, 0.73), (3, 0.5, 45, 11.0)),
    ],
)
def test_what_can_be_detected_is_what_the_design_says(n, rho, hypotheses, points):
    spread = 0.5 * np.sqrt(2 * (1 - rho))  # two methods with an sd of half a point each
    least = stats.detectable(spread, n, 0.05 / hypotheses)
    assert least == pytest.approx(points, rel=0.012)
    assert stats.power(least, spread, n, 0.05 / hypotheses) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 2.0, 3.0])
def test_the_seeds_needed_are_the_fewest_that_suffice(effect):
    n = stats.seeds_needed(effect, 1.0)
    theirs = TTestPower().solve_power(effect, power=0.8, alpha=0.05)
    assert n == int(np.ceil(theirs))
    assert stats.power(effect, 1.0, n) >= 0.8
    assert stats.power(effect, 1.0, n - 1) < 0.8


def test_no_number_of_seeds_is_named_where_it_would_be_absurd():
    assert stats.seeds_needed(0.0, 1.0) is None
    assert stats.seeds_needed(0.01, 1.0) is None
    assert stats.seeds_needed(float("nan"), 1.0) is None
    assert stats.seeds_needed(0.1, 0.0) == 2
    assert np.isnan(stats.detectable(1.0, 1))

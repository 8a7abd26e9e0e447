"""What the intervals and tests promise, checked by drawing data for which the truth is known.

The fast version draws enough to see a wrong formula; `make soak` draws enough to see a wrong digit.
"""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.report import stats

FAST = 2000
SLOW = 40_000
SIZES = (FAST, pytest.param(SLOW, marks=pytest.mark.soak))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def margin(rate, draws):
    """Four standard errors of a share that should be ``rate``."""
    return 4 * np.sqrt(rate * (1 - rate) / draws)


@pytest.mark.parametrize("draws", SIZES)
@pytest.mark.parametrize("n", [3, 5])
def test_the_interval_covers_the_truth_95_times_in_100(n, draws):
    data = noise(draws, n) + 7
    rows = pd.DataFrame({"cell": np.repeat(np.arange(draws), n), "v": data.ravel()})
    table = stats.t_intervals(rows, ["cell"], "v")
    covered = (np.abs(table["mean"] - 7) <= table["half"]).mean()
    assert 0.93 <= covered <= 0.97
    assert covered == pytest.approx(0.95, abs=margin(0.95, draws))


@pytest.mark.parametrize("draws", SIZES)
@pytest.mark.parametrize(
    ("test", "n", "nominal"),
    [
        (lambda rows: stats.paired_t(rows).p, 5, 0.05),
        (stats.sign_flip, 8, 12 / 256),  # the largest attainable level below 0.05
        (
            lambda rows: np.array([stats.signed_rank_p(row) for row in rows]),
            8,
            10 / 256,
        ),  # likewise
    ],
    ids=["paired t", "sign flip", "signed rank"],
)
def test_a_test_of_nothing_rejects_at_its_nominal_rate(test, n, nominal, draws):
    rejected = (test(noise(draws, n, seed=n)) < 0.05).mean()
    assert rejected == pytest.approx(nominal, abs=margin(nominal, draws))


@pytest.mark.parametrize("draws", SIZES)
def test_holm_makes_one_false_claim_in_twenty_families_and_none_more(draws):
    families = draws // 4
    p = scipy.stats.ttest_1samp(noise(families, 10, 5), 0, axis=2).pvalue
    false = np.mean([min(stats.holm(row)) < 0.05 for row in p])
    assert false == pytest.approx(0.05, abs=margin(0.05, families))


@pytest.mark.parametrize("draws", SIZES)
def test_benjamini_hochberg_bounds_the_share_of_false_claims(draws):
    families = draws // 4
    data = noise(families, 20, 8)
    data[:, :5] += 2.0  # five of twenty are true
    p = scipy.stats.ttest_1samp(data, 0, axis=2).pvalue
    claimed = np.array([stats.benjamini_hochberg(row) for row in p]) < 0.10
    false = claimed[:, 5:].sum(1) / np.maximum(claimed.sum(1), 1)
    assert false.mean() == pytest.approx(0.10 * 15 / 20, abs=4 * false.std() / np.sqrt(families))
    assert claimed[:, :5].mean() > 0.9


@pytest.mark.parametrize("draws", [100, pytest.param(2000, marks=pytest.mark.soak)])
def test_ranks_of_equal_methods_are_told_apart_no_more_than_one_time_in_twenty(draws):
    columns = list("abcd")
    found = [stats.rank_test(pd.DataFrame(rows, columns=columns)) for rows in noise(draws, 10, 4)]
    friedman = np.mean([f.friedman_p < 0.05 for f in found])
    assert friedman <= 0.05 + margin(0.05, draws)
    assert np.mean([(f.p < 0.05).any() for f in found]) <= 0.05 + margin(0.05, draws)
    assert all(len(f.cliques[0]) == 4 for f in found if (f.p >= 0.05).all())


@pytest.mark.parametrize("draws", [100, pytest.param(3000, marks=pytest.mark.soak)])
def test_the_bayesian_test_is_seldom_sure_of_what_is_not_so(draws):
    edge = 0.005 + 0.01 * noise(draws, 12, seed=2)  # the truth lies on the end of the rope
    sure = np.mean([stats.signed_rank(row, 0.005).above > 0.95 for row in edge])
    assert sure <= 0.06 + margin(0.06, draws)


@pytest.mark.parametrize("draws", [200, pytest.param(3000, marks=pytest.mark.soak)])
def test_the_bootstrap_covers_the_iqm_as_often_as_its_docstring_says(draws):
    centres = np.linspace(0, 3, 12)
    random = np.random.default_rng(4)
    truth = float(
        scipy.stats.trim_mean(centres + random.normal(size=(2000, 5, 12)), 0.25, axis=(1, 2)).mean()
    )
    covered = 0
    for _ in range(draws):
        found = stats.interquartile_mean(list((centres + random.normal(size=(5, 12))).T))
        covered += found.low <= truth <= found.high
    assert covered / draws == pytest.approx(0.91, abs=margin(0.91, draws) + 0.02)


@pytest.mark.parametrize("draws", SIZES)
def test_as_many_seeds_as_were_asked_for_find_the_difference_as_often_as_promised(draws):
    n = stats.seeds_needed(0.8, 0.6)
    p = scipy.stats.ttest_1samp(0.8 + 0.6 * noise(draws, n), 0, axis=1).pvalue
    expected = stats.power(0.8, 0.6, n)
    assert expected >= 0.8
    assert (p < 0.05).mean() == pytest.approx(expected, abs=margin(expected, draws))

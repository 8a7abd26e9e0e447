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
@pytest.mark.parametrize(
    ("test", "n", "nominal"),
    [
        (stats.sign_flip, 8, 12 / 256),  # the largest attainable level below 0.05
        (
            lambda rows: np.array([stats.signed_rank_p(row) for row in rows]),
            8,
            10 / 256,
        ),  # likewise
    ],
    ids=["sign flip", "signed rank"],
)
def test_a_test_of_nothing_rejects_at_its_nominal_rate(test, n, nominal, draws):
    rejected = (test(noise(draws, n, seed=n)) < 0.05).mean()
    assert rejected == pytest.approx(nominal, abs=margin(nominal, draws))


@pytest.mark.parametrize("draws", [100, pytest.param(2000, marks=pytest.mark.soak)])
def test_ranks_of_equal_methods_are_told_apart_no_more_than_one_time_in_twenty(draws):
    columns = list("abcd")
    each = [stats.rank_test(pd.DataFrame(rows, columns=columns)) for rows in noise(draws, 10, 4)]
    friedman = np.mean([f.friedman_p < 0.05 for f in each])
    assert friedman <= 0.05 + margin(0.05, draws)
    assert np.mean([(f.p < 0.05).any() for f in each]) <= 0.05 + margin(0.05, draws)
    assert all(len(f.cliques[0]) == 4 for f in each if (f.p >= 0.05).all())


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
        estimate = stats.interquartile_mean(list((centres + random.normal(size=(5, 12))).T))
        covered += estimate.low <= truth <= estimate.high
    assert covered / draws == pytest.approx(0.91, abs=margin(0.91, draws) + 0.02)

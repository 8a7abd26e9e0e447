"""Intervals, paired tests and corrections against scipy, statsmodels and published numbers."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from benchmarks.errors import RefusedError
from benchmarks.report import stats

SLEEP = (
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    [*(0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)],
)
"""Student's sleep data (1908): his published t is 4.0621 with p = 0.002833."""


def test_below_two_values_there_is_no_interval_and_no_p():
    single = stats.paired_t(np.array([0.5]))
    assert single.difference == 0.5
    assert np.isnan([single.low, single.high, single.p]).all()


def test_the_interval_of_every_group_is_that_of_scipy_without_its_blanks():
    draws = np.random.default_rng(0)
    rows = pd.DataFrame({"a": list("xxxxyyyz"), "v": draws.normal(size=8)})
    rows.loc[3, "v"] = np.nan
    table = stats.t_intervals(rows, ["a"], "v").set_index("a")
    for name in "xy":
        values = rows.loc[rows["a"] == name, "v"].dropna()
        low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert table.loc[name, "mean"] == pytest.approx(values.mean())
        assert table.loc[name, "half"] == pytest.approx((high - low) / 2)
    assert np.isnan(table.loc["z", "half"])
    assert table["n"].tolist() == [3, 3, 1]


def test_the_paired_t_test_gives_what_student_published():
    drug_two, drug_one = SLEEP
    test = stats.paired_t(np.array(drug_two) - np.array(drug_one))
    assert test.p == pytest.approx(0.002833, abs=5e-7)
    assert (test.low, test.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_paired_t_test_is_that_of_scipy(n):
    a, b = np.random.default_rng(n).normal(size=(2, n))
    ours, theirs = stats.paired_t(a - b), scipy.stats.ttest_rel(a, b)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-10)
    low, high = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-10)


def test_differences_without_spread_decide_and_zeros_do_not():
    assert stats.paired_t(np.full(4, 0.25)).p == 0
    assert stats.paired_t(np.zeros(4)).p == 1


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_holm_is_that_of_statsmodels(n):
    p = np.round(np.random.default_rng(n).random(n) ** 3, 2)  # with ties
    assert stats.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]), abs=1e-12)


def test_holm_is_capped_monotone_and_does_not_count_a_missing_test():
    nan = float("nan")
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([0.02, nan, 0.03]) == pytest.approx([0.04, nan, 0.04], nan_ok=True)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 10), (497, 500), (0, 40)])
def test_the_wilson_interval_is_that_of_scipy(k, n):
    low, high = stats.wilson(np.array([float(k)]), np.array([float(n)]))
    theirs = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_no_trials_have_no_wilson_interval():
    assert np.isnan(stats.wilson(np.zeros(1), np.zeros(1))).all()


@pytest.mark.parametrize("n", [3, 5, 6, 8])
def test_the_least_wilcoxon_p_is_what_scipy_gives_when_all_agree(n):
    exact = scipy.stats.wilcoxon(np.arange(1.0, n + 1), method="exact").pvalue
    assert stats.smallest_wilcoxon_p(n) == pytest.approx(exact)


def rows_of(method, accuracies, labels="same"):
    return pd.DataFrame(
        {
            "dataset": "digits",
            "noise": "symmetric(rate=0.4)",
            "model": "mlp",
            "recipe": "short",
            "seed": range(len(accuracies)),
            "method": method,
            "noise_sha256": labels,
            "acc": accuracies,
        }
    )


def test_pairs_are_joined_by_seed_whatever_the_order_of_the_rows():
    ours, theirs = rows_of("a", [0.5, 0.75, 1.0]), rows_of("b", [0.25, 0.25, 0.25])
    shuffled = pd.concat([theirs.iloc[::-1], ours.iloc[[1, 2, 0]]])
    pairs = stats.pair(shuffled, "b", "acc").sort_values("seed")
    assert pairs["difference"].tolist() == [0.25, 0.5, 0.75]


def test_what_only_one_method_finished_is_no_pair():
    rows = pd.concat([rows_of("a", [0.5, float("nan"), 0.5]), rows_of("b", [0.25, 0.25])])
    assert stats.pair(rows, "b", "acc")["seed"].tolist() == [0]


def test_rows_with_different_noisy_labels_are_refused_as_a_pair():
    rows = pd.concat([rows_of("a", [0.5]), rows_of("b", [0.25], labels="others")])
    with pytest.raises(RefusedError, match=r"different noisy labels at digits, symmetric.*seed 0"):
        stats.pair(rows, "b", "acc")

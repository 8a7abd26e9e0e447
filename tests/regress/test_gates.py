"""The statistics of `regress`: moderated variances, gates, and a simulation of both together."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from benchmarks.regress.gates import FLAGGED, TRACKED, Verdict, confirmed, gate_cells, gate_methods
from benchmarks.regress.moderation import (
    Contrast,
    Prior,
    effective_df,
    fit_prior,
    moderated,
    paired,
    unpaired,
)
from benchmarks.regress.sample import Sample
from tests.regress.study import ACCURACY, METHOD, USUAL, judged

NO_PRIOR = Prior(1.0, 1e-12, np.inf)


def groups(n):
    return np.zeros(n, np.int64)


def with_variances(variance, df):
    """Rows of these variances: half of the residuals above zero, half below."""
    sd = np.sqrt(np.asarray(variance, float) * df / (df + 1))[:, None]
    signs = np.resize([1.0, -1.0], df + 1)
    n = len(sd)
    return Contrast(
        np.zeros(n), sd * signs, np.full(n, float(df)), np.full(n, 1 / (df + 1)), groups(n)
    )


def test_the_prior_of_two_variances_is_the_one_computed_by_hand():
    apart = np.pi * np.sqrt(2 / 3)  # psi'(1) = pi^2 / 6 is what is left of the variance of logs
    row = Contrast(
        np.zeros(2),
        np.array([[1.0, -1.0, 0.0], [1.0, -1.0, 0.0]]) * np.exp([[0.0], [apart / 2]]),
        np.array([2.0, 2.0]),
        np.array([1 / 3, 1 / 3]),
        np.arange(2),
    )
    prior = fit_prior(row)
    assert (prior.df, prior.variance) == pytest.approx((2, np.exp(apart / 2)))
    found = moderated(row, prior)
    between = (2 * np.array([1, np.exp(apart)]) + 2 * np.exp(apart / 2)) / 4
    np.testing.assert_allclose(found.error, np.sqrt(between / 3))
    assert found.df.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("df", "variance", "own"), [(6.0, 0.04, 4), (20.0, 1.0, 40), (3.0, 9.0, 9)]
)
def test_the_prior_is_recovered_from_many_variances(df, variance, own):
    random = np.random.default_rng(3)
    true = variance * df / random.chisquare(df, 10_000)
    prior = fit_prior(with_variances(true * random.chisquare(own, 10_000) / own, own))
    assert prior.df == pytest.approx(df, rel=0.1)
    assert prior.variance == pytest.approx(variance, rel=0.05)


def test_variances_that_differ_by_chance_alone_have_an_infinite_prior():
    prior = fit_prior(with_variances([2.0, 2.0, 2.0], 4))
    assert np.isinf(prior.df)
    assert prior.variance == pytest.approx(2)


def test_without_a_prior_the_tests_are_those_of_student():
    random = np.random.default_rng(5)
    first, second = random.normal(0.3, 1, (2, 40, 5))
    second[:, 3] = np.nan
    for contrast, oracle in (
        (paired(first, groups(40)), ttest_1samp(first, 0, axis=1)),
        (unpaired(first, second, groups(40)), ttest_ind(first, second, axis=1, nan_policy="omit")),
    ):
        found = moderated(contrast, NO_PRIOR)
        np.testing.assert_allclose(found.p, oracle.pvalue)
        low = oracle.confidence_interval(0.9).low
        np.testing.assert_allclose(found.change - found.half(0.05), low)


@pytest.mark.parametrize(("r", "least", "most"), [(0.0, 380, 400), (0.5, 10, 26), (1.0, 4, 5)])
def test_rows_that_share_their_draws_have_fewer_degrees_of_freedom(r, least, most):
    random = np.random.default_rng(8)
    found = []
    for _ in range(50):
        draws = np.sqrt(r) * random.standard_normal(5) + np.sqrt(1 - r) * random.standard_normal(
            (100, 5)
        )
        found.append(effective_df(paired(draws, groups(100))))
    assert least <= np.median(found) <= most


def test_a_shared_draw_raises_no_more_alarms_than_the_level():
    """Twenty rows that move together by chance: a normal test would be twice as sure."""
    random = np.random.default_rng(9)
    alarms = []
    for _ in range(1000):
        draws = 0.8 * random.standard_normal(5) + 0.6 * random.standard_normal((20, 5))
        contrast = paired(draws, groups(20))
        alarms.append(moderated(contrast, fit_prior(contrast)).p[0] < 0.02)
    assert np.mean(alarms) < 0.04


def test_methods_are_means_over_settings_with_the_spread_of_their_seeds():
    random = np.random.default_rng(6)
    values = random.standard_normal((5, 4))  # settings of one method: 2 of a dataset, 3 of another
    dataset = np.array([0, 0, 1, 1, 1])
    sample = Sample(values, np.zeros_like(values), np.full(5, 7), dataset)
    names, found = sample.methods()
    parts = [values[dataset == k].sum(0) / 5 for k in (0, 1)]
    variance = sum(part.var(ddof=1) / 4 for part in parts)
    assert names.tolist() == [7]
    assert found.change[0] == pytest.approx(values.mean())
    assert found.variance[0] * found.scale[0] == pytest.approx(variance)
    assert found.df[0] == 6


def test_a_seed_counts_where_all_settings_of_a_method_have_it():
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 50.0]])
    _, found = Sample(values, np.zeros_like(values), groups(2), groups(2)).methods()
    assert (found.change[0], found.df[0]) == (2.5, 1)


def accuracy(*worse):
    """A sample of accuracy: cells whose differences have these means, hardly spread, at 5 seeds."""
    chance = np.random.default_rng(4).normal(0, 5e-4, (len(worse), 5))
    new = np.array(worse)[:, None] + chance - chance.mean(1, keepdims=True)
    return Sample(new, np.zeros_like(new), np.arange(len(worse)), groups(len(worse)))


def verdicts(gate):
    return gate[ACCURACY].verdict.tolist()


def test_a_method_passes_changes_or_fails_by_what_is_resolved_and_its_margin():
    sample = accuracy(0.0, 0.0015, -0.0015, 0.0025, -0.02)
    found = verdicts(gate_methods({ACCURACY: sample.methods()[1]}))
    assert found == ["PASS", "CHANGED", "CHANGED", "FAIL", "CHANGED"]


def test_a_flagged_cell_fails_only_where_other_seeds_confirm_it():
    flagged = gate_cells({ACCURACY: accuracy(0.0, 0.004, 0.03, 0.03, 0.03).cells()})
    assert verdicts(flagged) == ["PASS", "CHANGED", FLAGGED, FLAGGED, FLAGGED]
    reserve = accuracy(0.0, 0.0, 0.03, 0.0, 0.0)
    reserve.new[4] = np.nan  # it was not trained again
    after = confirmed(flagged, lambda _, rows: reserve.rows(rows).cells())
    assert verdicts(after) == ["PASS", "CHANGED", "FAIL", "PASS", "INCONCLUSIVE"]


def test_what_is_not_known_is_never_a_pass():
    wide = Sample(*np.random.default_rng(2).normal(0, 0.03, (2, 6, 5)), np.arange(6), groups(6))
    wide.new[5, 1:] = np.nan  # one seed: no test
    for gate in (gate_cells({ACCURACY: wide.cells()}), gate_methods({ACCURACY: wide.methods()[1]})):
        assert verdicts(gate) == ["INCONCLUSIVE"] * 6
    none = wide.rows(np.array([5]))
    assert verdicts(gate_cells({ACCURACY: none.cells()})) == ["INCONCLUSIVE"]


@pytest.mark.parametrize("metric", TRACKED, ids=lambda metric: metric.id)
def test_a_metric_that_is_worse_is_larger_in_the_unit_of_its_limits(metric):
    better, worse = (0.9, 0.88) if metric.better == "higher" else (0.05, 0.0505)
    change = np.diff(metric.worse(np.array([better, worse])))[0]
    unit = {"acc": 0.02, "auroc": 0.02, "nll": np.log(1.01)}.get(metric.id, 0.0005)
    assert change == pytest.approx(unit)
    assert 0 < metric.method.margin < metric.method.bound <= metric.cell.bound


def test_simulated_runs_raise_few_false_alarms_and_what_was_lost_is_found():
    """The full study is `python -m tests.regress.study`; naive gates alarm in most runs."""
    random = np.random.default_rng(1)
    unchanged = [judged(USUAL, random) for _ in range(120)]
    assert sum(run.failed("methods") or run.failed("cells") for run in unchanged) <= 5
    cells = [judged(USUAL, random, cell=0.02) for _ in range(30)]
    assert sum(run.cells[ACCURACY].verdict[run.hit] == Verdict.FAIL for run in cells) >= 24
    methods = [judged(USUAL, random, method=0.005) for _ in range(30)]
    own = [run.methods[ACCURACY].verdict[METHOD[run.hit]] for run in methods]
    assert own.count(Verdict.FAIL) >= 28

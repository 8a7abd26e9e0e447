"""Intervals, tests and power against other libraries, published numbers and simulated data.

The fast version of a simulation draws enough to see a wrong formula; `make soak` draws enough to
see a wrong digit.
"""

import itertools

import baycomp
import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from benchmarks.report import stats
from tests.report import coverage

SLEEP = (
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    [*(0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)],
)
"""Student's sleep data (1908): his published t is 4.0621 with p = 0.002833."""

DEMSAR = pd.DataFrame(
    {
        "C4.5": [
            *(0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661),
            *(0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957),
        ],
        "C4.5+m": [
            *(0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668),
            *(0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978),
        ],
        "C4.5+cf": [
            *(0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609),
            *(0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946),
        ],
        "C4.5+m+cf": [
            *(0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685),
            *(0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970),
        ],
    }
)
"""Table 6 of Demsar (2006): AUC of four learners on 14 data sets; row 13 with the digit beyond his
three by which he ranks two of them."""


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


@pytest.mark.parametrize(
    "values", [[0.5], [0.5, 0.7], [0.9] * 5, [0.9 + k * 1e-9 for k in range(3)]]
)
def test_what_says_nothing_of_its_spread_has_no_interval_and_no_test(values):
    rows = pd.DataFrame({"a": "x", "v": values})
    assert np.isnan(stats.t_intervals(rows, ["a"], "v")["half"]).all()
    test = stats.paired_t(np.array(values))
    assert np.isnan([test.low, test.high, test.p]).all()
    assert not stats.significant(test.p)
    assert np.isnan(stats.interquartile_mean(np.array([values]))[1:]).all()
    assert stats.seeds_needed(0.1, float(test.sd)) is None or len(values) == 2
    assert np.isnan(stats.detectable(float(test.sd), len(values)))


def test_the_paired_t_test_gives_what_student_published():
    drug_two, drug_one = SLEEP
    test = stats.paired_t(np.array(drug_two) - np.array(drug_one))
    assert test.p == pytest.approx(0.002833, abs=5e-7)
    assert (test.low, test.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


@pytest.mark.parametrize("n", [3, 5, 12])
def test_the_paired_t_test_is_that_of_scipy(n):
    a, b = np.random.default_rng(n).normal(size=(2, n))
    ours, theirs = stats.paired_t(a - b), scipy.stats.ttest_rel(a, b)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-10)
    low, high = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-10)


def test_differences_without_spread_decide_nothing():
    nine_digits = [float(f"{k / 719:.9g}") - float(f"{(k - 1) / 719:.9g}") for k in (600, 641, 683)]
    assert len(set(nine_digits)) > 1  # each one image better
    for same in (np.full(4, 0.25), np.array(nine_digits)):
        test = stats.paired_t(same)
        assert test.sd == 0
        assert np.isnan([test.low, test.high, test.p]).all()
    assert stats.paired_t(np.zeros(4)).p == 1
    assert stats.paired_t(np.array([0.7 - 0.7, 1e-10, 0.0])).difference == 0
    single = stats.paired_t(np.array([0.5]))
    assert single.difference == 0.5
    assert np.isnan([single.low, single.high, single.p]).all()


@pytest.mark.parametrize(
    ("correct", "name"), [(stats.holm, "holm"), (stats.benjamini_hochberg, "fdr_bh")]
)
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_a_correction_is_that_of_statsmodels(n, correct, name):
    p = np.round(np.random.default_rng(n).random(n) ** 3, 2)  # with ties
    assert correct(p) == pytest.approx(list(multipletests(p, method=name)[1]), abs=1e-12)


def test_a_correction_does_not_count_a_missing_test():
    p = [0.02, float("nan"), 0.03]
    assert stats.holm(p) == pytest.approx([0.04, p[1], 0.04], nan_ok=True)
    assert stats.benjamini_hochberg(p) == pytest.approx([0.03, p[1], 0.03], nan_ok=True)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 10), (497, 500), (0, 40)])
def test_the_wilson_interval_is_that_of_scipy_and_none_without_trials(k, n):
    low, high = stats.wilson(np.array([k, 0.0]), np.array([n, 0.0]))
    theirs = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize("n", [3, 5, 6, 8])
def test_the_least_wilcoxon_p_is_what_scipy_gives_when_all_agree(n):
    exact = scipy.stats.wilcoxon(np.arange(1.0, n + 1), method="exact").pvalue
    assert stats.smallest_wilcoxon_p(n) == pytest.approx(exact)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.5])
def test_equivalence_is_that_of_two_one_sided_tests_of_statsmodels(margin):
    a, b = np.random.default_rng(3).normal(size=(2, 7, 6))
    ours = stats.equivalence_p(stats.paired_t(a - b), margin)
    theirs = [ttost_paired(x, y, -margin, margin)[0] for x, y in zip(a, b, strict=True)]
    assert ours == pytest.approx(theirs, rel=1e-9)
    zeros, pairs = stats.paired_t(np.zeros(4)), stats.paired_t(np.array([0.1, 0.1, 0.1]))
    assert stats.equivalence_p(zeros, margin) == 0
    assert np.isnan(stats.equivalence_p(pairs, margin))


def test_what_is_no_pair_does_not_count():
    d = np.random.default_rng(1).normal(0.4, 1, (3, 6))
    holes = np.insert(d, [0, 2, 6], np.nan, axis=1)
    for ours, theirs in zip(stats.paired_t(holes), stats.paired_t(d), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
    assert stats.sign_flip(holes) == pytest.approx(stats.sign_flip(d))
    none = stats.paired_t(np.full((1, 4), np.nan))
    assert none.n == 0
    assert np.isnan([*none[1:], stats.sign_flip(np.full((1, 4), np.nan))]).all()


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
    ("n", "rho", "points"),
    [
        *((3, 0, 2.31), (3, 0.5, 1.63), (3, 0.8, 1.03), (5, 0, 1.19)),
        *((5, 0.5, 0.84), (10, 0.5, 0.50), (20, 0.8, 0.21)),
    ],
)
def test_what_can_be_detected_is_what_the_design_says(n, rho, points):
    spread = 0.5 * np.sqrt(2 * (1 - rho))  # two methods with an sd of half a point each
    least = stats.detectable(spread, n)
    assert least == pytest.approx(points, rel=0.012)
    assert stats.power(least, spread, n) == pytest.approx(0.8, abs=1e-6)


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
    assert stats.seeds_needed(0.1, 0.0) is None
    assert stats.seeds_needed(9.0, 1.0) == 3
    assert np.isnan(stats.detectable(1.0, 1))


def test_mean_ranks_and_friedman_are_those_demsar_published():
    test = stats.rank_test(DEMSAR)
    by_name = dict(zip(test.methods, test.mean_ranks, strict=True))
    published = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert by_name == pytest.approx(published, abs=5e-4)
    assert test.methods[0] == "C4.5+m+cf"
    # His chi-square of 9.28 has no correction for ties; corrected it is larger.
    ranks = DEMSAR.rank(axis=1, ascending=False).to_numpy()
    n, k = ranks.shape
    plain = 12 * n / (k * (k + 1)) * ((ranks.mean(0) ** 2).sum() - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=5e-3)
    ties = sum(count**3 - count for row in ranks for count in np.unique(row, return_counts=True)[1])
    corrected = plain / (1 - ties / (n * (k**3 - k)))
    assert test.friedman_p == pytest.approx(scipy.stats.chi2.sf(corrected, k - 1), rel=1e-9)


def test_the_signed_rank_p_is_near_the_one_demsar_published():
    # Table 2: C4.5 against C4.5+m gives z = -2.46 by the normal approximation, so p = 0.014.
    difference = (DEMSAR["C4.5+m"] - DEMSAR["C4.5"]).to_numpy().round(3)
    z = scipy.stats.wilcoxon(difference, zero_method="pratt", method="asymptotic")
    assert z.pvalue == pytest.approx(0.0139, abs=0.004)
    assert stats.signed_rank_p(difference) == pytest.approx(enumerated(difference))
    assert stats.signed_rank_p(np.zeros(9)) == 1


def enumerated(differences):
    """Pratt's exact p in plain loops: every sign of the ranks that are not of zeros."""
    ranks = scipy.stats.rankdata(np.abs(differences))[differences != 0]
    signs = np.sign(differences)[differences != 0]
    seen = abs((ranks * signs).sum())
    ways = [abs((ranks * way).sum()) for way in itertools.product((1, -1), repeat=len(ranks))]
    return np.mean([way >= seen - 1e-9 for way in ways])


DIFFERENCES = {
    "zeros and a balance": [1] * 4 + [0] * 20 + [-1] * 4,
    "one is not zero": [1] + [0] * 11,
    "two are not zero": [1, 2] + [0] * 10,
    "ties": [1, 1, 1, 2, 2, -1, 3, 3],
    "all equal": [1] * 8,
    "zeros and ties": [0, 0, 1, 1, 1, 1, -1, 2, 2, 2],
    "thirteen settings": [3, 1, 2, 0, 0, 5, -1, 2, 2, 4, 1, 1, 3],
    **{f"drawn {n}": np.random.default_rng(n).integers(-3, 7, 9) for n in range(4)},
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_signed_rank_p_counts_every_sign_even_with_ties_and_zeros(name):
    right = np.array(DIFFERENCES[name])
    p = enumerated(right)
    assert stats.signed_rank_p(right.astype(float)) == pytest.approx(p, rel=1e-12)
    # As accuracies that a CSV keeps by nine digits, on test sets of other sizes, they tie no less.
    base = 600 + 7 * np.arange(len(right))
    kept = [np.array([float(f"{k / 719:.9g}") for k in side]) for side in (base + right, base)]
    assert stats.signed_rank_p(kept[0] - kept[1]) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize("n", [14, 30, 50, 51, 200])
def test_the_signed_rank_p_is_that_of_scipy_where_nothing_ties(n):
    d = np.random.default_rng(n).normal(0.3, 1, n)
    method = "exact" if n <= stats.EXACT else "asymptotic"
    theirs = scipy.stats.wilcoxon(d, zero_method="pratt", method=method)
    assert stats.signed_rank_p(d) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_ranks_of_fifty_five_methods_with_ties_and_zeros_need_no_permutation(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a permutation test takes seconds for each pair")

    monkeypatch.setattr(scipy.stats, "permutation_test", refuse)
    monkeypatch.setattr(scipy.stats._wilcoxon, "permutation_test", refuse, raising=False)
    monkeypatch.setattr(scipy.stats._resampling, "permutation_test", refuse)
    right = np.linspace(640, 700, 55).round() + np.random.default_rng(0).integers(-12, 13, (13, 55))
    whole = stats.rank_test(pd.DataFrame(right).rename(columns=str))
    digits = np.vectorize(lambda k: float(f"{k / 719:.9g}"))(right)
    kept = stats.rank_test(pd.DataFrame(digits).rename(columns=str))
    assert kept.methods == whole.methods
    assert kept.mean_ranks == whole.mean_ranks
    assert kept.friedman_p == pytest.approx(whole.friedman_p, rel=1e-12)
    assert kept.p == pytest.approx(whole.p, rel=1e-12)


def test_equal_numbers_are_those_within_rounding_and_no_others():
    values = np.array([0.3, 0.1 + 1e-9, np.nan, 0.1, 1e-10, np.inf, -0.2, 0.1 - 1e-9, np.inf])
    merged = stats.tied(values)
    assert merged[1] == merged[3] == merged[7]
    assert merged[4] == 0
    assert np.isnan(merged[2])
    assert np.isinf(merged[[5, 8]]).all()
    assert merged[[0, 6]].tolist() == [0.3, -0.2]
    near = np.array([[k / 50_000 / 20 for k in (3, 4)], [0.5, 0.5 + 5e-10]])
    assert [len(set(row)) for row in stats.tied(near).tolist()] == [2, 1]


def test_sums_of_flipped_signs_tie_whatever_the_ninth_digit_says():
    right = np.array([[3, 1, 2, 4, -2], [1, 1, 1, -1, 1]])
    digits = np.vectorize(lambda k: float(f"{k / 719:.9g}"))
    kept = digits(600 + 11 * np.arange(5) + right) - digits(600 + 11 * np.arange(5))
    assert stats.sign_flip(kept) == pytest.approx(stats.sign_flip(right.astype(float)))


def test_a_gap_of_exactly_the_threshold_counts_as_near():
    gap = 0.95 - 0.94
    assert gap > 0.01
    assert stats.performance_profile(np.array([[gap]]), np.array([0.01])).value == 1


def drawn(settings=12, methods=5, seed=0):
    draws = np.random.default_rng(seed)
    gains = np.arange(methods) * 0.01
    scores = draws.normal(0.8, 0.05, (settings, 1))
    scores = scores + draws.normal(gains, 0.012, (settings, methods))
    return pd.DataFrame(scores, columns=[f"m{k}" for k in range(methods)])


def test_pairwise_p_are_those_of_scikit_posthocs():
    scores = drawn()
    ranks = stats.rank_test(scores)
    theirs = scikit_posthocs.posthoc_wilcoxon(
        scores.melt(var_name="m", value_name="v"), "v", "m", p_adjust="holm"
    )
    assert ranks.p == pytest.approx(theirs.loc[list(ranks.methods), list(ranks.methods)].to_numpy())
    assert 0 < (ranks.p < 0.05).sum() < ranks.p.size - len(ranks.p)  # some differ, some do not


def test_cliques_name_methods_and_never_join_two_that_differ():
    ranks = stats.rank_test(drawn())
    place = {name: k for k, name in enumerate(ranks.methods)}
    assert ranks.cliques
    for clique in ranks.cliques:
        pairs = itertools.combinations([place[name] for name in clique], 2)
        assert all(ranks.p[i, j] >= 0.05 for i, j in pairs)


def test_methods_that_never_differ_are_one_clique():
    same = pd.DataFrame({name: np.linspace(0.5, 0.9, 8) for name in "abc"})
    ranks = stats.rank_test(same)
    assert ranks.mean_ranks == (2.0, 2.0, 2.0)
    assert ranks.friedman_p == 1
    assert ranks.cliques == (("a", "b", "c"),)


@pytest.mark.parametrize(
    "scores", [drawn(settings=7), drawn(methods=1), drawn().where(lambda x: x > x.min())]
)
def test_too_few_settings_or_methods_and_holes_are_refused(scores):
    with pytest.raises(ValueError, match="ranks need"):
        stats.rank_test(scores)


@pytest.mark.parametrize(("shift", "n"), [(0.0, 8), (0.004, 12), (0.012, 9), (-0.01, 20)])
def test_the_bayesian_signed_rank_is_that_of_baycomp(shift, n):
    z = np.random.default_rng(n).normal(shift, 0.01, n)
    ours = stats.signed_rank(z, 0.005)
    theirs = baycomp.SignedRankTest.probs(np.zeros(n), z, 0.005, nsamples=4000, random_state=1)
    assert (ours.below, ours.same, ours.above) == pytest.approx(theirs, abs=0.025)
    assert ours.below + ours.same + ours.above == pytest.approx(1)


def test_the_bayesian_signed_rank_is_mirrored_by_the_sign_and_sure_of_the_obvious():
    z = np.random.default_rng(3).normal(0.004, 0.01, 10)
    ours, mirrored = stats.signed_rank(z, 0.005), stats.signed_rank(-z, 0.005)
    assert (ours.below, ours.above) == (mirrored.above, mirrored.below)
    assert stats.signed_rank([0.02] * 10, 0.005).above > 0.99
    assert stats.signed_rank([0.0] * 10, 0.005).same == 1
    assert stats.signed_rank([0.005] * 8, 0.005) == stats.signed_rank([0.1 * 0.05] * 8, 0.005)


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end_within_each_seed():
    runs = np.array([[0.9, 0.1], [0.5, 0.3], [0.2, 0.6], [0.4, 0.8], [np.nan, 0.2]])
    assert stats.interquartile_mean(runs[:4]).value == pytest.approx((0.45 + 0.45) / 2)
    assert stats.interquartile_mean(runs).value == pytest.approx((0.2 + 0.3 + 0.6) / 3)
    assert stats.interquartile_mean(np.array([[0.9]])).value == 0.9


def test_an_aggregate_has_the_t_interval_of_its_values_within_seeds_that_are_whole():
    values = np.random.default_rng(1).normal(0, 0.3, (7, 6))
    values[2, 4] = np.nan
    kept = np.delete(values, 4, axis=1)
    for aggregate, within in (
        (stats.interquartile_mean, scipy.stats.trim_mean(kept, 0.25)),
        (stats.improvement, (kept > 0).mean(0)),
        (lambda v: stats.performance_profile(v, np.array([0.05])), (kept <= 0.05).mean(0)),
    ):
        low, high = scipy.stats.ttest_1samp(within, 0).confidence_interval(0.95)
        expected = within.mean(), low, high
        assert np.ravel(aggregate(values)) == pytest.approx(expected)
    none = stats.improvement(np.full((3, 4), np.nan))
    assert np.isnan(none).all()


def test_improvement_is_paired_and_counts_a_tie_half():
    chance = stats.improvement(np.array([[0.1, 0.2, -0.1], [0.0, 0.3, 1e-10]]))
    assert chance.value == pytest.approx((0.75 + 1 + 0.25) / 3)
    assert chance.high == 1  # an interval of shares ends where shares do
    single = stats.improvement(np.array([[0.1]]))
    assert single.value == 1
    assert np.isnan(single.low)


def test_a_profile_counts_runs_up_to_the_threshold_and_failed_ones_never():
    gaps = np.array([[0.0, 0.01, 0.01, 0.0], [0.02, np.inf, 0.02, np.inf]])
    share, low, high = stats.performance_profile(gaps, np.array([0.0, 0.01, 0.015, 10.0]))
    assert share.tolist() == [0.25, 0.5, 0.5, 0.75]
    known = np.isfinite(low)
    assert known.tolist() == [True, False, False, True]  # in the others all seeds agree
    assert (low <= share)[known].all()
    assert (high >= share)[known].all()
    single = stats.performance_profile(np.array([[0.5]]), np.array([1.0]))
    assert np.isnan(single[1:]).all()


@pytest.mark.parametrize("name", coverage.AGGREGATES)
def test_intervals_over_settings_cover_the_truth_however_a_seed_goes_through_them(name):
    for rho, seeds in itertools.product(coverage.CORRELATIONS, coverage.SEEDS):
        share = coverage.coverage(name, coverage.MANY, seeds, rho, draws=4000)
        assert share >= 0.93, (rho, seeds)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def margin(rate, draws):
    """Four standard errors of a share that should be ``rate``."""
    return 4 * np.sqrt(rate * (1 - rate) / draws)


@pytest.mark.parametrize("draws", [2000, pytest.param(40_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("test", "nominal"),
    [
        (stats.sign_flip, 12 / 256),  # the largest attainable level below 0.05
        (lambda rows: np.array([stats.signed_rank_p(row) for row in rows]), 10 / 256),  # likewise
    ],
    ids=["sign flip", "signed rank"],
)
def test_a_test_of_nothing_rejects_at_its_nominal_rate(test, nominal, draws):
    rejected = (test(noise(draws, 8, seed=8)) < 0.05).mean()
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

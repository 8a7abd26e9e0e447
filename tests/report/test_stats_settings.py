"""Tests over settings against scipy, scikit-posthocs, baycomp and published examples."""

import itertools

import baycomp
import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
import scipy.stats

from benchmarks.report import stats

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
    assert stats.signed_rank_p(difference) == pytest.approx(0.0139, abs=0.006)
    assert stats.signed_rank_p(np.zeros(9)) == 1


def enumerated(differences):
    """Pratt's exact p in plain loops: every sign of the ranks that are not of zeros."""
    ranks = scipy.stats.rankdata(np.abs(differences))[differences != 0]
    signs = np.sign(differences)[differences != 0]
    seen = abs((ranks * signs).sum())
    ways = [abs((ranks * way).sum()) for way in itertools.product((1, -1), repeat=len(ranks))]
    return np.mean([way >= seen - 1e-9 for way in ways])


@pytest.mark.parametrize("seed", range(4))
def test_the_signed_rank_p_counts_every_sign_even_with_ties_and_zeros(seed):
    difference = np.random.default_rng(seed).integers(-3, 7, 9).astype(float)
    assert stats.signed_rank_p(difference) == pytest.approx(enumerated(difference))


def drawn(settings=12, methods=5, seed=0):
    draws = np.random.default_rng(seed)
    gains = np.arange(methods) * 0.01
    scores = draws.normal(0.8, 0.05, (settings, 1)) + draws.normal(
        gains, 0.012, (settings, methods)
    )
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


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    runs = [np.array([0.9, 0.1, 0.4]), np.array([0.5, 0.3]), np.array([0.2, 0.6])]
    assert stats.interquartile_mean(runs).value == pytest.approx(np.mean([0.2, 0.3, 0.4, 0.5, 0.6]))
    assert stats.interquartile_mean([np.array([0.9])]).value == 0.9


def test_the_bootstrap_resamples_seeds_within_settings_only():
    far_apart = [np.full(5, 0.1), np.full(5, 0.9), np.full(5, 0.5)]
    estimate = stats.interquartile_mean(far_apart)
    assert (
        estimate.low == estimate.high == estimate.value
    )  # no spread within a setting, none at all
    draws = np.random.default_rng(0)
    strata = [draws.normal(k, 1, 40) for k in range(6)]
    estimate = stats.improvement(strata)
    error = np.sqrt(sum((s > 0).mean() * (s <= 0).mean() / 40 for s in strata)) / 6
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_the_bootstrap_interval_of_the_iqm_is_that_of_plain_loops():
    draws = np.random.default_rng(1)
    strata = [draws.normal(k, 0.3, 6) for k in range(4)]
    estimate = stats.interquartile_mean(strata)
    again = [
        scipy.stats.trim_mean(np.concatenate([draws.choice(s, len(s)) for s in strata]), 0.25)
        for _ in range(1500)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.04)


def test_improvement_is_paired_and_counts_a_tie_half():
    chance = stats.improvement([np.array([0.1, 0.2, -0.1]), np.array([0.0, 0.3])])
    assert chance.value == pytest.approx((2 / 3 + 0.75) / 2)
    single = stats.improvement([np.array([0.1])])
    assert single.value == 1
    assert np.isnan(single.low)


def test_a_profile_counts_runs_up_to_the_threshold_and_failed_ones_never():
    gaps = [np.array([0.0, 0.01]), np.array([0.02, np.inf])]
    profile = stats.performance_profile(gaps, np.array([0.0, 0.01, 0.015, 10.0]))
    assert profile.share.tolist() == [0.25, 0.5, 0.5, 0.75]
    assert (profile.low <= profile.share).all()
    assert (profile.high >= profile.share).all()
    assert profile.high[1] == 0.5  # both of the first setting, none of the second
    assert np.isnan(stats.performance_profile([np.array([0.5])], np.array([1.0])).low).all()

"""The verdict on label smoothing: what is judged, by which tests, and what is missing."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from benchmarks.question import Question
from benchmarks.report.verdict import OUTCOMES, asked, effects, verdict
from tests.report.folders import SIX, Sweep, analysed

NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)")
ASKED = Question("cross_entropy", ("label_smoothing",))
TWO = Sweep(methods=SIX[:2], noises=NOISES, seeds=5, epochs=1, question=ASKED)


def judged(folder, shift, spread=0.004, **changes):
    """The verdict when smoothing changes accuracy by ``shift[noise]``, give or take."""

    def alter(row):
        hard = 0.8 + 0.01 * np.sin(7 * row["seed"])
        gain = shift[row["noise"]] + spread * np.cos(5 * row["seed"] + len(row["noise"]))
        acc = hard + (gain if row["method"].startswith("label_smoothing") else 0.0)
        return row | {"acc": acc, "nll": 2 - acc, "brier": 1.4 * (1 - acc)}

    return analysed(folder, replace(TWO, alter=alter, **changes))


def everywhere(value):
    return dict.fromkeys(NOISES, value)


@pytest.mark.parametrize(
    ("shifts", "spread", "outcomes"),
    [
        ((0.05, 0.05, 0.05), 0.004, ["better"] * 3),
        ((-0.03, -0.03, -0.03), 0.004, ["worse"] * 3),
        ((0.0005, 0.0005, 0.0005), 0.02, ["open"] * 3),
        ((-0.04, 0.0, 0.06), 0.015, ["worse", "open", "better"]),
        ((0.0, 0.0005, 0.0), 0.002, ["equivalent"] * 3),
    ],
)
def test_help_harm_and_neither_are_told_apart_in_each_setting(tmp_path, shifts, spread, outcomes):
    analysis = judged(tmp_path, dict(zip(NOISES, shifts, strict=True)), spread)
    for metric in ("acc", "brier"):  # more is better, and worse
        tests = effects(analysis, asked(analysis), metric)
        assert tests["setting"].tolist() == ["clean", "symmetric 20%", "symmetric 40%"]
        assert tests["outcome"].tolist() == outcomes
    text = verdict(analysis)
    said = {outcome: f"{words} in" for outcome, words in OUTCOMES.items()}
    for outcome in set(outcomes):
        words = f"{said[outcome]} {outcomes.count(outcome)} of 3"
        assert f"Accuracy: {words}" in text or f"; {words}" in text
    for outcome in set(said) - set(outcomes):
        assert said[outcome] not in text.partition("NLL")[0]


def test_the_numbers_in_the_verdict_are_those_of_scipy_and_statsmodels(tmp_path):
    gains = dict(zip(NOISES, (-0.005, 0.002, 0.004), strict=True))
    analysis = judged(tmp_path, gains, spread=0.006)
    run, tests = analysis.run, effects(analysis, asked(analysis), "acc")
    p = []
    for effect in tests.itertuples():
        rows = run.last[run.last["setting"] == effect.setting].sort_values("seed")
        own, hard = (rows.loc[rows["method"] == m, "acc"].to_numpy() for m in reversed(TWO.methods))
        theirs = scipy.stats.ttest_rel(own, hard)
        p.append(theirs.pvalue)
        low, high = theirs.confidence_interval(0.95)
        assert effect.difference == pytest.approx((own - hard).mean())
        assert (effect.low, effect.high) == pytest.approx((low, high))
    assert tests["p_adjusted"].tolist() == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_calibration_is_set_beside_its_floor_and_the_sign_of_the_gap(tmp_path):
    def alter(row):
        smooth = row["method"] == "label_smoothing"
        jitter = 0.001 * row["seed"]
        gap = (-0.06 if smooth else 0.08) + jitter
        floor = 0.03 if smooth else 0.02
        return row | {"ece": abs(gap), "gap_signed": gap, "ece_floor": floor}

    text = verdict(analysed(tmp_path, replace(TWO, alter=alter)))
    assert "Calibration: ECE fell in 3 of 3 settings." in text
    assert "ECE 8.2 (floor 2.0) to 5.8 (floor 3.0), \N{MINUS SIGN}2.4 points" in text
    gap = "+8.2 to \N{MINUS SIGN}5.8 (from over- to underconfident)"
    assert f"confidence minus accuracy {gap}" in text


def test_probabilities_are_told_from_eight_settings_on(tmp_path):
    assert "Probabilities" not in verdict(judged(tmp_path / "few", everywhere(0.05)))
    noises = ("clean", *(f"symmetric(rate=0.{k})" for k in range(1, 8)))
    run = judged(tmp_path / "many", dict.fromkeys(noises, 0.05), noises=noises)
    text = verdict(run)
    assert "in another setting like these 8 (Bayesian signed-rank test)" in text
    assert "Accuracy better >0.99, within 0.5 points <0.01, worse <0.01" in text


def test_two_pairs_are_not_enough_seeds(tmp_path):
    text = verdict(judged(tmp_path, everywhere(0.05), seeds=2))
    assert "not enough seeds" in text
    assert "raised" not in text
    assert "p =" not in text


def test_one_seed_still_names_the_best_without_an_interval(tmp_path):
    text = verdict(judged(tmp_path, everywhere(0.05), seeds=1))
    assert "- clean: label smoothing, 85.1% (+5.1 points against hard labels)." in text
    assert "[" not in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"methods": SIX[:1]}, "No verdict: no method ran beside one that others are compared"),
        ({"methods": SIX[2:4]}, "No verdict: no method ran beside one that others are compared"),
        ({"status": "failed"}, "No cell finished (30 failed), so nothing can be said.\n"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path, changes, text):
    said = verdict(analysed(tmp_path, replace(TWO, **changes)))
    assert said.startswith(text)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (None, "Nothing was asked before the run, so"),
        (Question("gce", ("elr",)), "What the suite asks cannot be answered without gce, elr, so"),
    ],
)
def test_without_a_question_of_what_ran_all_is_exploratory(tmp_path, question, words):
    gains = dict(zip(NOISES, (-0.005, 0.002, 0.004), strict=True))
    analysis = judged(tmp_path, gains, spread=0.006, question=question)
    text = verdict(analysis)
    assert f"{words} all that follows is exploratory: label smoothing against hard labels." in text
    assert set(analysis.all_differences["family"]) == {"exploratory"}
    assert "q = " in text
    assert "p = 0.0625" in text
    assert ", p = " not in text


def test_each_smoothing_is_judged_and_the_values_are_named(tmp_path):
    def alter(row):
        specs = {"label_smoothing": "label_smoothing(smoothing=0.1)"}
        return row | {"method_spec": specs.get(row["method"], row["method"])}

    methods = (*SIX[:2], "label_smoothing(smoothing=0.4)")
    question = Question(SIX[0], methods[1:])
    sweep = replace(TWO, methods=methods, alter=alter, question=question)
    text = verdict(analysed(tmp_path, sweep))
    tried = "label smoothing (smoothing=0.1) and label smoothing (smoothing=0.4)"
    assert f"Asked before the run, and so confirmatory: {tried} against hard labels." in text
    for value in ("0.1", "0.4"):
        assert f"Label smoothing (smoothing={value}) against hard labels." in text


def test_many_values_get_a_line_each_corrected_for_all_of_them(tmp_path):
    gains = {-0.4: -0.1, 0.05: 0.02, 0.4: 0.0, 0.6: 0.1}

    def alter(row):
        gain = next((g for v, g in gains.items() if f"smoothing={v})" in row["method"]), 0.0)
        acc = 0.8 + gain + 0.01 * np.sin(7 * row["seed"])
        acc += 0.02 * np.cos(5 * row["seed"] + len(row["noise"])) if gain == 0.02 else 0.0
        status = "diverged" if gain == -0.1 and row["seed"] == 4 else "done"
        return row | {"acc": acc + 1e-3 * np.cos(9 * row["seed"] + gain), "status": status}

    specs = [f"label_smoothing(smoothing={value})" for value in gains]
    methods = (SIX[0], *reversed(specs))
    question = Question(SIX[0], methods[1:])
    sweep = replace(TWO, methods=methods, alter=alter, question=question)
    analysis = analysed(tmp_path, sweep)
    text = verdict(analysis)
    assert "confirmatory: 4 methods against hard labels." in text
    places = [text.index(f"- label smoothing (smoothing={value}):") for value in gains]
    assert places == sorted(places)
    assert "p after Holm over all 12 tests of a metric" in text
    told = dict(line[2:].split("): ") for line in text.splitlines() if "): Accuracy" in line)
    assert told["label smoothing (smoothing=-0.4"].startswith("Accuracy better in 0 and worse in 3")
    assert "3 of 15 runs without a result" in told["label smoothing (smoothing=-0.4"]
    assert told["label smoothing (smoothing=0.6"].startswith("Accuracy better in 3 and worse in 0")
    tests = effects(analysis, asked(analysis), "acc")
    small = (tests["method"] == "label_smoothing(smoothing=0.05)").to_numpy()
    raw = tests["p"].to_numpy()
    shown = (multipletests(raw, method="holm")[1] < 0.05)[small].sum()
    assert shown < (raw < 0.05)[small].sum()  # the correction decides here
    assert f"Accuracy better in {shown} and" in told["label smoothing (smoothing=0.05"]


def test_the_lead_of_the_best_over_smoothing_is_a_paired_interval(tmp_path):
    analysis = analysed(tmp_path, replace(TWO, methods=SIX))
    last = analysis.run.last
    rows = last[last["setting"] == "symmetric 40%"].sort_values("seed")
    best, own = (rows.loc[rows["method"] == m, "acc"].to_numpy() for m in ("elr", SIX[1]))
    low, high = scipy.stats.ttest_rel(best, own).confidence_interval(0.95)
    lead = f"+{100 * (best - own).mean():.1f} points [+{100 * low:.1f}, +{100 * high:.1f}]"
    assert f"symmetric 40%: ELR, {100 * best.mean():.1f}% ({lead} against" in verdict(analysis)


def test_an_incomplete_sweep_says_so_first(tmp_path):
    text = verdict(judged(tmp_path, everywhere(0.05), planned=45))
    assert text.startswith("The sweep is incomplete: 30 of 45 cells")

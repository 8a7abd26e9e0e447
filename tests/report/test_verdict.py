"""The verdict on label smoothing: what is judged, by which tests, and what is missing."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from benchmarks.question import Question
from benchmarks.report import render
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


def told(analysis):
    """The verdict as a report has it."""
    return render.document(verdict(analysis))


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
    text, (table,) = told(analysis), verdict(analysis)[2:]
    for outcome in set(outcomes):
        assert f"NLL: {OUTCOMES[outcome]} in" in text or f"{OUTCOMES[outcome]} in" in text
    assert [e.split("] ")[1] for e in table.text["Accuracy (points)"]] == outcomes
    marks = [mark if mark in {"better", "worse"} else "" for mark in outcomes]
    assert table.marks["Accuracy (points)"].tolist() == marks
    assert "p = " not in text  # they are in differences.csv


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


def test_calibration_is_told_with_both_ends_and_the_sign_of_the_gap(tmp_path):
    def alter(row):
        smooth = row["method"] == "label_smoothing"
        jitter = 0.001 * row["seed"]
        gap = (-0.06 if smooth else 0.08) + jitter
        return row | {"ece": abs(gap), "gap_signed": gap}

    text = told(analysed(tmp_path, replace(TWO, alter=alter)))
    turned = "Probabilities turned from over- to underconfident in clean, symmetric 20%"
    assert f"ECE fell in 3 of 3 settings. {turned}" in text
    assert " | 8.2 to 5.8 | +8.2 to \N{MINUS SIGN}5.8 |" in text
    assert "[\N{MINUS SIGN}2.8, \N{MINUS SIGN}2.0] better" in text


def test_two_pairs_are_not_enough_seeds(tmp_path):
    text = told(judged(tmp_path, everywhere(0.05), seeds=2))
    assert "not enough seeds" in text
    assert "raised" not in text
    assert "p =" not in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"methods": SIX[:1]}, "No verdict: no method ran beside one that others are compared"),
        ({"methods": SIX[2:4]}, "No verdict: no method ran beside one that others are compared"),
        ({"status": "failed"}, "No cell finished (30 failed), so nothing can be said.\n"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path, changes, text):
    (said,) = verdict(analysed(tmp_path, replace(TWO, **changes)))
    assert said.startswith(text.strip())
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
    text = told(analysis)
    assert f"{words} all that follows is exploratory: Label smoothing against hard labels." in text
    assert set(analysis.all_differences["family"]) == {"exploratory"}
    assert "q (Benjamini-Hochberg)" in text
    assert "Holm" not in text


def test_each_smoothing_is_judged_and_the_values_are_named(tmp_path):
    def alter(row):
        specs = {"label_smoothing": "label_smoothing(smoothing=0.1)"}
        return row | {"method_spec": specs.get(row["method"], row["method"])}

    methods = (*SIX[:2], "label_smoothing(smoothing=0.4)")
    question = Question(SIX[0], methods[1:])
    sweep = replace(TWO, methods=methods, alter=alter, question=question)
    text = told(analysed(tmp_path, sweep))
    tried = "Label smoothing (smoothing=0.1) and Label smoothing (smoothing=0.4)"
    assert f"Asked before the run, and so confirmatory: {tried} against hard labels." in text
    for value in ("0.1", "0.4"):
        assert f"Label smoothing (smoothing={value}) against hard labels:" in text


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
    text, tables = told(analysis), verdict(analysis)[2:]
    assert "confirmatory: 4 values of Label smoothing against hard labels." in text
    assert "p after Holm over all 12 tests of a metric" in text
    names = [f"smoothing={value}" for value in gains]
    assert tables[0].text.index.tolist() == tables[1].text.columns.tolist() == names
    told_ = tables[0].text["Accuracy"]
    assert told_["smoothing=-0.4"] == "3 worse"
    assert tables[0].text["Runs"]["smoothing=-0.4"] == "12/15"
    assert told_["smoothing=0.6"] == "3 better"
    assert "worse: smoothing=-0.4 in 3." in text
    tests = effects(analysis, asked(analysis), "acc")
    small = (tests["method"] == "label_smoothing(smoothing=0.05)").to_numpy()
    raw = tests["p"].to_numpy()
    shown = (multipletests(raw, method="holm")[1] < 0.05)[small].sum()
    assert shown < (raw < 0.05)[small].sum()  # the correction decides here
    assert told_["smoothing=0.05"].startswith(f"{shown} better" if shown else "3 open")
    outcomes = [entry.split("] ")[1] for entry in tables[1].text["smoothing=0.05"]]
    assert outcomes.count("better") == shown


def test_of_more_than_ten_candidates_lines_have_counts_and_the_table_the_names(tmp_path):
    def alter(row):
        lost = row["method"] == "js"
        acc = 0.7 - 0.01 * methods.index(row["method"]) + 0.001 * np.cos(5 * row["seed"])
        acc += 0.001 * np.cos(3 * row["seed"] + len(row["method"])) - 0.5 * lost
        return row | {"acc": acc}

    others = ("gce", "elr", "sce", "nce_mae", "mixup", "taylor_ce", "co_teaching", "mae", "focal")
    methods = [*others, "label_smoothing", "cross_entropy", "js"]
    question = Question("cross_entropy", tuple(m for m in methods if m != "cross_entropy"))
    sweep = replace(TWO, methods=methods, alter=alter, question=question, classes=8)
    analysis = analysed(tmp_path, sweep)
    said, table = verdict(analysis)[1:3]
    line = "Accuracy: of 11 methods, in at least one of 3 settings, 10 are better and 1 is worse."
    assert line in said
    assert not any(label in said for label in table.text.index)
    labels = [analysis.label(method) for method in analysis.ranking.index]
    assert list(table.text.index) == [name for name in labels if "Cross-entropy" not in name]


def test_what_lost_runs_or_is_within_chance_is_never_praised(tmp_path):
    def alter(row):
        better = row["method"] == "label_smoothing"
        jitter = 0.001 * np.cos(5 * row["seed"] + row["noise_rate"])
        lost = better and row["noise"] == NOISES[1] and row["seed"] == 4
        acc = (0.1 if row["noise"] == NOISES[2] else 0.9) + 0.02 * better + jitter * better
        change = {"acc": acc, "ece": 0.05 - 0.02 * better + jitter * better}
        return row | change | ({"status": "failed"} if lost else {})

    analysis = analysed(tmp_path, replace(TWO, alter=alter, classes=8))
    for metric in ("acc", "ece"):
        outcomes = effects(analysis, asked(analysis), metric)["outcome"].tolist()
        assert outcomes == ["better", "out", "out"]
    (table,) = verdict(analysis)[2:]
    assert table.marks["ECE (points)"].tolist() == ["better", "out", "out"]
    assert [text.count("better") for text in table.text["ECE (points)"]] == [1, 0, 0]
    assert "no claim, for lost runs or a result within chance, in 2" in told(analysis)
    assert "Grey or small, and counted as out: better or equivalent by its test" in told(analysis)

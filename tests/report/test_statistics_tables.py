"""What all settings say together, the checklist and the macros, from data with known answers."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.power import TTestPower

from benchmarks.errors import RefusedError
from benchmarks.report import document, macros, render, statistics_tables, stats, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.checklist import checklist
from benchmarks.report.data import load
from benchmarks.schema import COSTS
from tests.report.folders import SIX, Sweep, write

SMALL = Sweep(methods=SIX[:3], noises=("clean", "symmetric(rate=0.4)"), seeds=4, epochs=1)
MANY = Sweep(
    methods=SIX[:4],
    noises=("clean", *(f"symmetric(rate=0.{k})" for k in range(1, 5))),
    datasets=("digits", "mnist"),
    epochs=1,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Analysis(load(write(tmp_path_factory.mktemp("small"), SMALL)))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return Analysis(load(write(tmp_path_factory.mktemp("many"), MANY)))


def wide(analysis, method, setting, metric="acc"):
    last = analysis.run.last
    rows = last[(last["method"] == method) & (last["setting"] == setting)]
    return rows.sort_values("seed")[metric].to_numpy()


def test_every_difference_is_that_of_scipy_and_statsmodels(small):
    table = small.differences("cross_entropy", "nll")
    assert len(table) == 4
    for row in table.to_dict("records"):
        d = wide(small, row["method"], row["setting"], "nll")
        d = d - wide(small, "cross_entropy", row["setting"], "nll")
        test = scipy.stats.ttest_1samp(d, 0)
        assert row["p"] == pytest.approx(test.pvalue)
        assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval(0.95)))
        least = TTestPower().solve_power(None, len(d), 0.05, 0.8) * d.std(ddof=1)
        assert row["detectable"] == pytest.approx(least, rel=1e-4)
        assert row["g_z"] == pytest.approx(stats.hedges_g(d.mean(), d.std(ddof=1), len(d)))
        assert row["p_flip"] in {0.125 * k for k in range(1, 9)}
    assert table["p_holm"].tolist() == pytest.approx(stats.holm(table["p"].tolist()))


def test_pairs_with_different_labels_are_refused_over_all_methods_too(tmp_path):
    def alter(row):
        other = row["method"] == "reweighting" and row["seed"] == 2
        return row | ({"noise_sha256": "another"} if other else {})

    analysis = Analysis(load(write(tmp_path, replace(SMALL, alter=alter))))
    with pytest.raises(RefusedError, match=r"different noisy labels at digits, .*seed 2"):
        analysis.differences("cross_entropy", "acc")


def test_few_settings_get_a_sentence_in_place_of_tests(small):
    assert statistics_tables.probabilities(small) is None
    text = statistics_tables.over_settings(small)
    assert text.startswith("No test over settings, and no critical-difference diagram")
    assert "there are 2." in text
    assert "p = 0.5" in text


def test_many_settings_get_ranks_probabilities_and_a_value_for_each_dataset(many):
    assert "Friedman's test that all methods rank alike, p" in statistics_tables.over_settings(many)
    table = statistics_tables.probabilities(many)
    rows = table.numbers
    assert (rows["n"] == 10).all()
    assert np.allclose(rows[["better", "same", "worse"]].sum(axis=1), 1)
    gce = rows[(rows["method"] == "gce") & (rows["reference"] == "cross_entropy")]
    gaps = [
        wide(many, "gce", s, "ece").mean() - wide(many, "cross_entropy", s, "ece").mean()
        for s in many.run.settings
    ]
    ours = gce[gce["metric"] == "ece"].iloc[0]
    expected = stats.signed_rank(-np.array(gaps), 0.005)  # a smaller error is better
    assert ours["better"] == pytest.approx(expected.above, abs=0.02)
    by_dataset = statistics_tables.datasets(many)
    assert list(by_dataset.text.columns) == ["digits", "mnist", "Over datasets"]
    assert statistics_tables.datasets(many).numbers["settings"].tolist() == [5] * 6


def test_the_aggregate_is_of_scipy_and_plain_counts(small):
    numbers = statistics_tables.aggregate(small).numbers
    for method in SIX[:3]:
        every = np.concatenate([wide(small, method, s) for s in small.run.settings])
        assert numbers.loc[method, "iqm"] == pytest.approx(scipy.stats.trim_mean(every, 0.25))
    won = [
        wide(small, "reweighting", s) > wide(small, "cross_entropy", s) for s in small.run.settings
    ]
    assert numbers.loc["reweighting", "better_than_cross_entropy"] == pytest.approx(np.mean(won))
    best = {s: np.max([wide(small, m, s) for m in SIX[:3]], axis=0) for s in small.run.settings}
    near = [best[s] - wide(small, "label_smoothing", s) <= 0.01 for s in small.run.settings]
    assert numbers.loc["label_smoothing", "near"] == pytest.approx(np.mean(near))


def test_neighbours_in_the_ranking_are_told_apart_or_told_how_many_seeds_it_takes(tmp_path):
    gain = {"cross_entropy": 0.0, "label_smoothing": 0.01, "reweighting": 0.1}

    def alter(row):
        wobble = 0.02 * np.sin(row["seed"] * (2 + len(row["method"])) + len(row["noise"]))
        return row | {"acc": 0.6 + gain[row["method"]] + wobble}

    run = Analysis(load(write(tmp_path, replace(SMALL, seeds=5, alter=alter))))
    table = statistics_tables.neighbours(run)
    apart, close = table.text["More seeds"]
    assert apart == "told apart"
    row = table.numbers.iloc[1]
    means = {m: np.mean([wide(run, m, s) for s in run.run.settings], axis=0) for m in SIX[:2]}
    d = means["label_smoothing"] - means["cross_entropy"]
    theirs = TTestPower().solve_power(d.mean() / d.std(ddof=1), None, 0.05 / 2, 0.8)
    assert row["seeds"] == int(np.ceil(theirs))
    assert close == f"{row['seeds'] - 5:.0f} more"
    one = Analysis(load(write(tmp_path / "one", replace(SMALL, seeds=1))))
    assert statistics_tables.neighbours(one) is None


def answers(run):
    return {item.statement: item for item in checklist(run)}


def test_the_checklist_answers_from_the_data(small):
    items = answers(small)
    assert len(items) == 20
    assert items["Every planned cell finished"].answer == "yes"
    assert items["Every method saw the same noisy labels"].answer == "yes"
    assert items["At least 5 seeds behind every mean"].answer == "no"
    assert items["Settings come from more than one dataset"].answer == "no"
    assert items["Every method took the same compute"].answer == "unknown"
    assert items["One commit of this code, nothing uncommitted"].answer == "unknown"


@pytest.mark.parametrize(
    ("statement", "changes", "where"),
    [
        ("Every method saw the same noisy labels", {"noise_sha256": "b"}, "gce"),
        ("Every method has the same seeds in each setting", {"status": "failed"}, "gce"),
        ("Every planned cell finished", {"status": "diverged"}, "gce"),
        ("The headline is the last epoch, not the best on test", {"epoch": 0}, ""),
        ("Every test image was evaluated", {"n_test": 1984}, ""),
        ("Every ECE has its floor and stands with NLL and Brier score", {"ece_floor": None}, "gce"),
        ("Predictions are not decided by ties", {"ties": 900}, "gce"),
        ("One definition of metrics, one precision", {"metric_spec": "v0"}, "gce"),
        ("No method was given clean knowledge", {"privileges": "T"}, "gce"),
        ("The realised noise rate is the nominal one", {"noise_rate_realised": 0.9}, "gce"),
        ("Seeds draw their noise anew", {"noise_sha256": "one"}, ""),
    ],
)
def test_each_answer_turns_when_the_data_do(tmp_path, statement, changes, where):
    def alter(row):
        if "epoch" in changes and row["selection"] != "last":
            return row
        return row | (changes if where in row["method"] else {})

    sweep = replace(SMALL, methods=("cross_entropy", "gce"), seeds=5)
    assert answers(Analysis(load(write(tmp_path / "before", sweep))))[statement].answer == "yes"
    assert (
        answers(Analysis(load(write(tmp_path / "after", replace(sweep, alter=alter)))))[
            statement
        ].answer
        == "no"
    )


def with_costs(folder, forward, backward):
    cells = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id")
    factor = np.where(cells["method"] == "reweighting", 2, 1) * cells["n_train"]
    costs = pd.DataFrame(columns=list(COSTS))
    costs["cell_id"], costs["status"] = cells["cell_id"], "done"
    costs["forward_passes"], costs["backward_passes"] = forward * factor, backward * factor
    costs["commit"] = "abc-dirty"
    costs.to_csv(folder / "costs.csv", index=False)
    return folder


def test_compute_stands_beside_the_ranking(tmp_path):
    run = Analysis(load(with_costs(write(tmp_path, SMALL), 1, 1)))
    table = tables.ranking(run)
    passes = dict(zip(table.numbers.index, table.text["Passes"], strict=True))
    assert passes == {"cross_entropy": "1 + 1", "label_smoothing": "1 + 1", "reweighting": "2 + 2"}
    assert any(note.startswith("Passes: images sent forwards") for note in table.notes)
    items = answers(run)
    assert items["Every method took the same compute"].answer == "no"
    assert "Importance reweighting 2 times" in items["Every method took the same compute"].evidence
    assert items["One commit of this code, nothing uncommitted"].answer == "no"


def test_every_table_of_an_unfinished_sweep_says_so_first(tmp_path):
    run = Analysis(load(write(tmp_path, replace(SMALL, planned=99))))
    shown = document._tables(run)
    assert {"ranking", "settings", "settings_ece", "settings_nll", "settings_brier"} < set(shown)
    for table in shown.values():
        assert table.notes[0] == "Incomplete: 24 of 99 cells."


def test_a_setting_that_lost_seeds_says_how_many_are_left(tmp_path):
    def alter(row):
        lost = row["method"] == "reweighting" and row["seed"] < 1 + 3 * (row["noise"] == "clean")
        return row | ({"status": "diverged", "nll": None} if lost else {})

    table = tables.by_setting(Analysis(load(write(tmp_path, replace(SMALL, alter=alter)))), "nll")
    cells = table.text.loc["Importance reweighting"]
    assert cells["clean"] == "-- [0/4]"
    assert cells["symmetric 40%"].endswith(" [3/4]")
    assert "NLL in nats" in table.notes[0]
    assert "over n = 4 seeds" in table.notes[0]


def test_one_seed_tells_nothing_from_the_best(tmp_path):
    analysis = Analysis(load(write(tmp_path, replace(SMALL, seeds=1))))
    assert sorted(analysis.marks("acc").values()) == ["best", "tied", "tied"]


def test_macros_are_letters_unlike_each_other_and_hold_the_numbers_of_the_tables(small):
    code = macros.latex(small)
    assert code.isascii()
    numbers = dict(re.findall(r"\\newcommand\{\\(nlb[A-Za-z]+)\}\{(.*)\}\n", code))
    lines = [line for line in code.splitlines() if not line.startswith("%")]
    assert len(numbers) == len(lines)
    mean = wide(small, "reweighting", "symmetric 40%").mean()
    assert numbers["nlbAccReweightingSymmetricFourZero"] == f"{100 * mean:.1f}"
    assert numbers["nlbAccReweightingSymmetricFourZeroN"] == "4"
    gap = mean - wide(small, "cross_entropy", "symmetric 40%").mean()
    assert numbers["nlbAccReweightingMinusCrossEntropySymmetricFourZero"] == f"{100 * gap:.1f}"
    overall = tables.ranking(small).numbers.loc["reweighting", "ece"]
    assert numbers["nlbEceReweightingOverall"] == f"{100 * overall:.1f}"


def test_macros_that_would_collide_are_told_apart(tmp_path):
    methods = ("cross_entropy", "gce(q=0.1)", "gce(q=-0.1)", "my_loss", "my__loss")
    run = load(write(tmp_path, replace(SMALL, methods=methods)))
    code = macros.latex(Analysis(run))
    names = re.findall(r"\\newcommand\{\\(\w+)\}", code)
    assert len(set(names)) == len(names)
    assert "nlbAccGceQIsMinusZeroPointOneClean" in names
    assert len([n for n in names if n.startswith("nlbAccMyLossCleanX")]) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"methods": SIX[:1]},
        {"methods": SIX[2:4]},
        {"seeds": 1},
        {"noises": ("clean",)},
        {"classes": 2},
        {"classes": 100},
        {"status": "failed"},
    ],
    ids=["one method", "no reference", "one seed", "one rate", "C=2", "C=100", "all failed"],
)
def test_every_table_and_sentence_stands_whatever_is_missing(tmp_path, changes):
    analysis = Analysis(load(write(tmp_path, replace(SMALL, **changes))))
    shown = document._tables(analysis)
    text = render.document([*document._statistics(analysis, shown), document._checks(analysis)])
    assert "nan" not in re.sub("[a-z]nan|nan[a-z]", "", text)
    assert macros.latex(analysis)
    for table in shown.values():
        assert table.text.shape == table.marks.shape


def test_an_epoch_that_noisy_labels_chose_is_no_choice_on_test(tmp_path):
    def alter(row):
        return row | (
            {"epoch": 3} if row["method"] == SIX[2] and row["selection"] != "oracle" else {}
        )

    analysis = Analysis(load(write(tmp_path, replace(SMALL, alter=alter))))
    item = answers(analysis)["The headline is the last epoch, not the best on test"]
    assert item.answer == "yes"
    assert "where noisy validation labels stopped them" in item.evidence

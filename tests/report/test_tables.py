"""The tables of a report against scipy and statsmodels, how they are written, what is refused."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from benchmarks.errors import RefusedError
from benchmarks.report import render, tables
from benchmarks.report.analysis import Analysis, mean_ranks
from benchmarks.report.data import load
from benchmarks.schema import LATER_METRICS
from tests.report.folders import SIX, Sweep, write

SMALL = Sweep(methods=SIX[:3], noises=("clean", "symmetric(rate=0.4)"), seeds=4, epochs=1)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return Analysis(load(write(tmp_path_factory.mktemp("tables"), Sweep(epochs=1))))


def by_seed(run, method, metric):
    rows = run.last[run.last["method"] == method].dropna(subset=[metric])
    return rows.groupby("seed")[metric].mean().to_numpy()


@pytest.mark.parametrize("metric", ["acc", "nll", "ece", "mem_frac"])
def test_the_ranking_averages_settings_within_a_seed_then_seeds(full, metric):
    numbers = tables.ranking(full).numbers
    for method in SIX:
        values = by_seed(full.run, method, metric)
        low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
        row = numbers.loc[method]
        assert row[metric] == pytest.approx(values.mean())
        assert row[f"{metric}_half"] == pytest.approx((high - low) / 2)


def test_the_ranking_is_sorted_by_accuracy(full):
    assert tables.ranking(full).numbers["acc"].is_monotonic_decreasing


@pytest.mark.parametrize("metric", ["acc", "nll", "ece"])
def test_marks_are_holm_adjusted_paired_t_tests_against_the_best(full, metric):
    values = {method: by_seed(full.run, method, metric) for method in SIX}
    best = (max if metric == "acc" else min)(SIX, key=lambda m: values[m].mean())
    others = [method for method in SIX if method != best]
    p = [scipy.stats.ttest_rel(values[m], values[best]).pvalue for m in others]
    kept = multipletests(p, alpha=0.05, method="holm")[0]
    ties = {m: "tied" for m, reject in zip(others, kept, strict=True) if not reject}
    assert full.marks(metric) == {best: "best"} | ties


def test_a_method_close_to_the_best_is_underlined_and_a_distant_one_is_not(tmp_path):
    shift = {"cross_entropy": 0.0, "label_smoothing": 0.004, "reweighting": -0.2}

    def alter(row):
        wobble = 0.01 * np.sin(row["seed"] * 3 + 2 * len(row["method"]))
        return row | {"acc": 0.7 + shift[row["method"]] + wobble}

    analysis = Analysis(load(write(tmp_path, replace(SMALL, alter=alter))))
    assert analysis.marks("acc") == {"label_smoothing": "best", "cross_entropy": "tied"}


def test_mean_ranks_share_ties_and_put_the_unfinished_last():
    scores = pd.DataFrame({"a": [0.9, 0.5], "b": [0.9, 0.6], "c": [0.1, np.nan]})
    assert mean_ranks(scores).to_dict() == {"a": 1.75, "b": 1.25, "c": 3.0}


def test_failing_where_it_is_hard_wins_a_method_nothing(tmp_path):
    def alter(row):
        fails = row["method"] == "reweighting" and row["noise"] != "clean" and row["seed"] == 0
        return row | ({"status": "diverged", "acc": None} if fails else {})

    analysis = Analysis(load(write(tmp_path, replace(SMALL, alter=alter))))
    run, row = analysis.run, analysis.ranking.loc["reweighting"]
    rows = run.last[(run.last["method"] == "reweighting") & (run.last["seed"] > 0)]
    assert row["acc"] == pytest.approx(rows.groupby("seed")["acc"].mean().mean())
    assert row["seeds"] == 3
    assert "7/8" in render.plain(tables.ranking(analysis))


def test_a_setting_that_a_method_has_not_tried_is_left_out_and_named(tmp_path):
    folder = write(tmp_path, SMALL)
    results = pd.read_csv(folder / "results.csv", keep_default_na=False)
    missing = (results["method"] == "reweighting") & (results["noise"] != "clean")
    results[~missing].to_csv(folder / "results.csv", index=False)
    table = tables.ranking(Analysis(load(folder)))
    assert set(table.numbers["settings"]) == {1}
    assert any("not every method has tried it: symmetric 40%" in note for note in table.notes)


def test_knowledge_of_the_truth_is_marked_and_explained(full):
    table = tables.ranking(full)
    assert "Co-teaching‡" in table.text.index
    assert any("‡ given clean knowledge (Co-teaching: rate)" in note for note in table.notes)
    assert "best epoch† %" in table.text.columns
    assert any("† selected with clean test labels" in note for note in table.notes)


def test_each_setting_has_a_column_with_its_own_means(full):
    table = tables.by_setting(full)
    rows = full.run.last[
        (full.run.last["method"] == "elr") & (full.run.last["setting"] == "symmetric 40%")
    ]
    assert table.text.loc["ELR", "symmetric 40%"].startswith(f"{100 * rows['acc'].mean():.1f} ± ")
    assert list(table.text.columns) == list(full.run.settings)


def test_detection_averages_noisy_settings_only(full):
    table = tables.detection(full)
    assert len(table.text) == len(SIX)
    row = table.numbers[table.numbers["method"] == "elr"].iloc[0]
    values = full.run.detection[full.run.detection["method"] == "elr"].dropna(subset=["auroc"])
    assert row["auroc"] == pytest.approx(values.groupby("seed")["auroc"].mean().mean())
    assert row["chance"] == pytest.approx(0.3)


def test_latex_escapes_headers_labels_and_notes(full):
    table = tables.by_setting(full)
    odd = {"ELR": "my_method (x=1) 5%"}
    text, marks = table.text.rename(index=odd), table.marks.rename(index=odd)
    code = render.latex(replace(table, text=text, marks=marks, notes=("100% of a_b & c",)), "odd")
    body = code.split("\n", 1)[1]
    assert r"symmetric 40\%" in body
    assert r"my\_method (x=1) 5\%" in body
    assert r"100\% of a\_b \& c" in body
    assert not re.search(r"(?<!\\)[%]", body)
    assert r"\toprule" in body
    assert r"\textbf{" in body
    assert "tab:odd" in body


def test_latex_is_ascii_so_that_any_engine_prints_it(full):
    for table in (tables.ranking(full), tables.by_setting(full)):
        assert render.latex(table, "x").isascii()


def test_markdown_rows_have_as_many_cells_as_the_header(full):
    lines = render.markdown(tables.ranking(full)).split("\n\n")[0].splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "**" in lines[2]


def test_the_terminal_table_lines_up_and_ignores_no_method(full):
    lines = render.plain(tables.ranking(full)).splitlines()
    assert len(lines) == 1 + len(SIX)
    ends = {line.index("/") for line in lines[1:]}
    assert len(ends) == 1


def lost(table):
    return table.rename(columns={"nll": "loss"})


def doubled(table):
    return pd.concat([table, table.head(1)])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("curves", lost, "curves.csv does not have .* lacks nll and has the unknown loss"),
        ("results", lambda t: t.assign(acc="high"), "has text in its column of numbers acc"),
        ("results", doubled, "two rows for cross_entropy, clean, seed 0"),
        ("results", lambda t: t.head(0), "no cell has ended yet"),
    ],
)
def test_a_table_that_is_not_whole_is_refused_by_name(tmp_path, name, change, message):
    path = write(tmp_path, SMALL) / f"{name}.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(RefusedError, match=message):
        load(tmp_path)


def test_a_missing_table_and_a_plan_that_is_none_are_refused(tmp_path):
    (write(tmp_path, SMALL) / "plan.json").write_text("[1, 2]")
    with pytest.raises(RefusedError, match=r"plan\.json is not a plan"):
        load(tmp_path)
    (tmp_path / "bins.csv").unlink()
    with pytest.raises(RefusedError, match=r"bins\.csv is missing"):
        load(tmp_path)


def test_metrics_that_an_older_table_lacks_are_blank(tmp_path):
    folder = write(tmp_path, SMALL)
    for name in ("results.csv", "curves.csv"):
        table = pd.read_csv(folder / name)
        older = table.drop(columns=[column for column in table if column in LATER_METRICS])
        assert older.shape[1] < table.shape[1]
        older.to_csv(folder / name, index=False)
    run = load(folder)
    assert run.results["smece"].isna().all()
    assert run.curves["mce"].isna().all()
    assert run.results["ece"].notna().all()

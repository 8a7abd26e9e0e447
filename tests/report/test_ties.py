"""What a report may claim: nothing from the ninth digit, from two seeds, or without any spread."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.question import Question
from benchmarks.report import compare, latex, macros, render, stats, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import difference, forest, layout
from benchmarks.report.venues import VENUES
from benchmarks.report.verdict import verdict
from tests.report.folders import SIX, Sweep, analysed, write

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
IMAGES = 719
NOISES = ("clean", *(f"symmetric(rate=0.{k})" for k in range(1, 9)))
RIGHT = {"cross_entropy": 600, "label_smoothing": 601, "reweighting": 601, "elr": 590}
"""The images that a method gets right with seed 0; every seed then gets one more."""


def exact(row):
    """The accuracy of a whole number of images, to nine digits, as a CSV file keeps it."""
    right = RIGHT[row["method"]] + row["seed"] + 13 * NOISES.index(row["noise"])
    return row | {"acc": float(f"{right / IMAGES:.9g}"), "n_test": IMAGES}


ASKED = Question("cross_entropy", ("label_smoothing",))
TIED = Sweep(tuple(RIGHT), NOISES, seeds=3, epochs=1, alter=exact, question=ASKED)


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("tied"), TIED)


@pytest.mark.parametrize("study", ["methods", "robustness"])
def test_ranks_and_signed_ranks_are_those_of_whole_numbers_of_right_images(study):
    analysis = Analysis(load(REFERENCE / study))
    rows = analysis.run.last
    right = (rows["acc"] * rows["n_test"]).round()
    assert (right / rows["n_test"]).to_numpy() == pytest.approx(rows["acc"].to_numpy(), abs=1e-9)
    sums = rows.assign(right=right).pivot_table("right", "setting", "method", aggfunc="sum")
    whole = sums.loc[list(analysis.run.settings), list(analysis.run.methods)]
    each = rows.assign(right=right).pivot_table("right", ["setting", "seed"], "method")
    shared = each[list(analysis.run.methods)].rank(axis=1, ascending=False)
    ranks = shared.groupby("seed").mean().mean()
    assert analysis.ranking["rank"].to_dict() == pytest.approx(ranks.to_dict(), abs=1e-12)
    if len(whole) >= stats.FEWEST_SETTINGS:
        ours = analysis.ranks
        theirs = stats.rank_test(whole)
        assert ours.mean_ranks == pytest.approx(theirs.mean_ranks)
        assert ours.p == pytest.approx(theirs.p, rel=1e-12)


def test_equal_means_share_their_rank_and_are_all_the_best(tied):
    assert tied.ranking["rank"].to_dict() == {
        "label_smoothing": 1.5, "reweighting": 1.5, "cross_entropy": 3.0, "elr": 4.0
    }  # fmt: skip
    assert list(tied.ranking.index) == ["label_smoothing", "reweighting", "cross_entropy", "elr"]
    for setting in (None, *tied.run.settings):
        best = [method for method, mark in tied.marks("acc", setting).items() if mark == "best"]
        assert sorted(best) == ["label_smoothing", "reweighting"]
    table = replace(tables.ranking(tied), notes=())
    bold = {"markdown": (render.markdown(table), "**"), "html": (render.html(table), "<strong>")}
    context = latex.context_of(tied, VENUES["neurips"])
    bold["latex"] = (latex.table("ranking", table, context), r"\bfseries ")
    bold["terminal"] = (render.plain(table), "*")
    accuracy = f"{100 * (601 + 1 + 13 * 4) / IMAGES:.1f}"
    for medium, (text, sign) in bold.items():
        lines = [line for line in text.splitlines() if sign in line and accuracy in line]
        assert len(lines) == 2, medium


def test_a_method_that_equals_another_everywhere_has_p_one_and_one_image_each_is_tied(tied):
    ranks = tied.ranks
    place = {method: k for k, method in enumerate(ranks.methods)}
    assert ranks.p[place["label_smoothing"], place["reweighting"]] == 1
    differences = tied.scores("acc")["label_smoothing"] - tied.scores("acc")["cross_entropy"]
    assert stats.signed_rank_p(differences.to_numpy()) == stats.smallest_wilcoxon_p(len(NOISES))


def test_no_mark_no_interval_and_no_p_where_every_pair_differs_by_the_same(tied):
    table = tied.differences("cross_entropy", "acc")
    assert (table["sd"] == 0).all()
    assert table[["low", "high", "p", "p_adjusted", "g_z", "detectable"]].isna().all(axis=None)
    assert set(tied.marks("acc").values()) == {"best", "open"}
    points = difference.points(tied, "cross_entropy", "acc")
    assert set(points["outcome"]) == {"open"}
    pooled, _ = forest.points(tied, "cross_entropy")
    accuracy = pooled[pooled["metric"] == "acc"]
    assert accuracy[["low", "high"]].isna().all(axis=None)
    with layout.paper_style(VENUES["neurips"]):
        forest.pages(tied, VENUES["neurips"])
    text = render.document(verdict(tied))
    assert "raised accuracy" not in text
    assert "(the same in every pair) open" in text
    neighbours = tables.neighbours(tied)
    assert "nan" not in text + macros.latex(tied, "s", [neighbours]) + render.markdown(neighbours)
    assert set(tables.neighbours(tied).text["Seeds for 1 point"]) == {"--"}


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_a_comparison_that_gains_one_image_each_time_is_not_marked(tmp_path, seeds):
    def before(row):
        return row | {"acc": float(f"{(600 + 7 * row['seed']) / IMAGES:.9g}")}

    def after(row):
        return row | {"acc": float(f"{(601 + 7 * row['seed']) / IMAGES:.9g}")}

    sweep = replace(TIED, methods=SIX[:1], noises=NOISES[:1], seeds=seeds)
    a, b = (write(tmp_path / f.__name__, replace(sweep, alter=f)) for f in (before, after))
    comparison = compare.compare(a, b)
    line = comparison.plain().splitlines()[1]
    assert "+0.1 points" in line
    assert not any(sign in line for sign in ("[", "p ", "*"))
    assert ("interval is unknown" in line) == (seeds > 1)
    assert "equal" in line  # the other metrics
    assert "**" not in comparison.markdown().splitlines()[2]


def test_two_seeds_that_go_opposite_ways_are_not_called_equal(tmp_path):
    def after(row):
        return exact(row) | {"acc": exact(row)["acc"] + (0.01 if row["seed"] else -0.01)}

    sweep = replace(TIED, methods=SIX[:1], noises=NOISES[:1], seeds=2)
    a, b = write(tmp_path / "a", sweep), write(tmp_path / "b", replace(sweep, alter=after))
    row = next(r for r in compare.compare(a, b).tests.to_dict("records") if r["metric"] == "acc")
    assert row["sd"] > 0
    line = compare.compare(a, b).plain().splitlines()[1]
    assert "+0.0 points" in line or "\N{MINUS SIGN}0.0 points" in line


def test_two_seeds_have_means_and_no_interval_anywhere(tmp_path):
    def far(row):
        return row | {"acc": 0.33 + 0.33 * row["seed"], "ece": 0.1 + 0.3 * row["seed"]}

    analysis = analysed(tmp_path, replace(TIED, methods=SIX[:3], seeds=2, alter=far))
    shown = [tables.ranking(analysis), tables.by_setting(analysis), tables.aggregate(analysis)]
    for table in (*shown, tables.detection(analysis)):
        text = table.text.astype(str).to_numpy().ravel().tolist()
        assert not any(sign in entry for entry in text for sign in ("±", "["))
    assert tables.neighbours(analysis) is None
    assert any("Fewer than three seeds" in note for note in shown[0].notes)


def test_an_interval_that_leaves_what_is_possible_is_shown_by_its_ends(tmp_path):
    def far(row):
        return row | {"acc": (0.9, 0.95, 0.99)[row["seed"]]}

    analysis = analysed(tmp_path, replace(TIED, methods=SIX[:2], noises=NOISES[:1], alter=far))
    values = np.array([0.9, 0.95, 0.99])
    low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert high > 1
    entry = tables.ranking(analysis).text["Accuracy %"].iloc[0]
    assert entry == f"{100 * values.mean():.1f} [{100 * low:.1f}, 100.0]"


def test_the_signs_of_the_terminals_ranking_are_explained_and_no_others(tied, tmp_path):
    line = render.legend(tables.ranking(tied), tied.run.words)
    assert line == ("* best; ~ not resolved from it; † selected with clean test labels")
    everything = analysed(tmp_path, replace(TIED, methods=SIX, alter=lambda row: row))
    line = render.legend(tables.ranking(everything), everything.run.words)
    assert "† selected with clean test labels; ‡ given clean or outside knowledge" in line


def test_an_analysis_ranks_means_of_unequal_numbers_of_seeds(tmp_path):
    def lost(row):
        fails = row["method"] == "reweighting" and row["seed"] == 1
        return exact(row) | ({"status": "failed", "acc": None} if fails else {})

    analysis = analysed(tmp_path, replace(TIED, alter=lost))
    # Seeds 0 and 2 of the one have the mean of seeds 0, 1 and 2 of the other.
    table = analysis.scores("acc")
    assert (table["reweighting"] == table["label_smoothing"]).all()
    assert isinstance(table, pd.DataFrame)

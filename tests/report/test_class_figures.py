"""Figures of classes and of ranked images: their numbers against another way, names, and choices.

One folder is drawn once, and every test reads what is on its pages.
"""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.errors import RefusedError
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import layout, pages
from benchmarks.report.figures.layout import Page
from benchmarks.report.venues import VENUES
from tests.report.folders import NOISES, Sweep, rate_of, write

VENUE = VENUES["neurips"]
CLASSES = ("T-shirt", "trousers", "bag", "boot")
KINDS = ("classes", "confusion", "risk_coverage", "precision_recall", "transitions")
METHODS = ("cross_entropy", "reweighting", "elr")


def folder_of(place, **about):
    return write(place, Sweep(METHODS, NOISES, epochs=1, classes=4, planned=75, **about))


def named(folder):
    """Say in its plan what the classes are called."""
    path = folder / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8")) | {"class_names": {"digits": CLASSES}}
    path.write_text(json.dumps(plan), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return named(folder_of(tmp_path_factory.mktemp("classes")))


@pytest.fixture(scope="module")
def drawn(folder):
    with layout.paper_style(VENUE):
        found = dict(pages(Analysis(load(folder)), VENUE, KINDS))
        assert all(isinstance(page, Page) for page in found.values())
        for page in found.values():
            page.figure.draw_without_rendering()
    return found


def listed(folder, table, column, **where):
    """The numbers of a list, ``(rows, numbers)``, as they are in the file."""
    rows = pd.read_csv(folder / f"{table}.csv")
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return np.array([[float(v) for v in str(text).split(" ")] for text in rows[column]])


def test_a_dot_is_the_accuracy_of_a_class_and_its_interval_that_of_the_seeds(folder, drawn):
    data = drawn["classes"].data
    here = data[(data["method"] == "elr") & (data["setting"] == "asymmetric 40%")]
    where = {"noise": "asymmetric(rate=0.4)", "method": "elr"}
    correct, tested = (listed(folder, "confusion", name, **where) for name in ("correct", "tested"))
    assert here["name"].tolist() == list(CLASSES)
    for row, shares in zip(here.itertuples(), 100 * correct / tested, strict=True):
        low, high = scipy.stats.ttest_1samp(shares, 0).confidence_interval(0.95)
        assert (row.centre, row.low, row.high) == pytest.approx((shares.mean(), low, high))
    looks = Analysis(load(folder)).looks
    panels = {axes.get_title(): axes for axes in drawn["classes"].figure.axes}
    lines = {line.get_color(): line for line in panels["asymmetric 40%"].lines}
    dots = lines[looks["elr"].colour]
    assert dots.get_xdata() == pytest.approx(here["centre"].to_numpy())
    assert np.round(dots.get_ydata()).tolist() == [0, 1, 2, 3]


def test_matrices_are_shares_of_the_true_class_of_labels_reference_and_best(folder, drawn):
    data = drawn["confusion"].data
    assert list(dict.fromkeys(data["what"])) == ["given", "cross_entropy", "elr"]
    for what, column in (("given", "given"), ("elr", "predicted")):
        where = {"noise": "symmetric(rate=0.2)", "method": "elr"}
        counts = listed(folder, "confusion", column, **where)
        own = data[(data["what"] == what) & (data["setting"] == "symmetric 20%")]
        shown = own["percent"].to_numpy().reshape(4, 4)
        assert shown == pytest.approx(100 * counts / counts.sum(1, keepdims=True))
        assert own["true"].tolist() == [name for name in CLASSES for _ in range(4)]
        images = [
            np.ma.getdata(axes.images[0].get_array())
            for axes in drawn["confusion"].figure.axes
            if axes.images
        ]
        assert any(np.allclose(image, shown) for image in images)
    assert "ELR" in drawn["confusion"].caption


def test_the_marks_of_many_methods_stand_apart_in_the_row_of_a_class(tmp_path):
    many = tuple(f"label_smoothing(smoothing={k / 20})" for k in range(12))
    folder = write(tmp_path, Sweep(many, NOISES[:1], seeds=2, epochs=1, classes=10))
    with layout.paper_style(VENUE):
        (page,) = dict(pages(Analysis(load(folder)), VENUE, ["classes"])).values()
        page.figure.draw_without_rendering()
    axes = page.figure.axes[1]
    own = [line for line in axes.lines if line.get_marker() != "None"]
    assert len(own) == len(many)
    heights = [axes.transData.transform((0, line.get_ydata()[0]))[1] for line in own]
    gap = -np.diff(heights).max() * 72 / page.figure.dpi
    assert gap >= own[0].get_markersize() - 0.1


def ticks(page, axis):
    return {
        tuple(text.get_text() for text in getattr(axes, f"get_{axis}ticklabels")())
        for axes in page.figure.axes
    }


@pytest.mark.parametrize("kind", ["classes", "confusion", "transitions"])
def test_classes_have_their_names_and_numbers_only_where_none_are_known(kind, drawn, tmp_path):
    assert CLASSES in ticks(drawn[kind], "x")
    assert CLASSES in ticks(drawn[kind], "y")
    assert "numbered" not in drawn[kind].caption
    unnamed = Analysis(load(folder_of(tmp_path)))
    with layout.paper_style(VENUE):
        ((_, page),) = pages(unnamed, VENUE, [kind])
    assert ("0", "1", "2", "3") in ticks(page, "y")
    assert "Classes are numbered as in the dataset." in page.caption


def test_the_error_at_a_coverage_is_the_mean_over_seeds_with_its_interval(folder, drawn):
    data = drawn["risk_coverage"].data
    own = data[(data["method"] == "reweighting") & (data["setting"] == "symmetric 40%")]
    where = {"noise": "symmetric(rate=0.4)", "method": "reweighting"}
    errors = 100 * listed(folder, "risk_coverage", "errors", **where)
    assert own["x"].tolist() == pytest.approx(np.arange(5, 101, 5))
    for row, seeds in zip(own.itertuples(), errors, strict=True):
        low, high = scipy.stats.ttest_1samp(seeds, 0).confidence_interval(0.95)
        expected = (seeds.mean(), low, high)
        if low < 0:
            expected = (np.median(seeds), seeds.min(), seeds.max())
        assert (row.centre, row.low, row.high) == pytest.approx(expected)


def test_precision_stands_above_the_share_of_wrong_labels_of_each_setting(folder, drawn):
    page = drawn["precision_recall"]
    assert set(page.data["score"]) == {"loss", "loss_mean"}
    assert "clean" not in set(page.data["setting"])
    own = page.data[(page.data["method"] == "elr") & (page.data["setting"] == "symmetric 40%")]
    where = {"noise": "symmetric(rate=0.4)", "method": "elr", "score": "loss"}
    expected = 100 * listed(folder, "precision_recall", "precisions", **where).mean(1)
    assert own[own["score"] == "loss"]["mean"].to_numpy() == pytest.approx(expected)
    panels = {axes.get_title(): axes for axes in page.figure.axes if axes.get_title()}
    for noise in NOISES[1:]:
        axes = panels[f"{noise.partition('(')[0]} {100 * rate_of(noise):.0f}%"]
        (chance,) = [line for line in axes.lines if len(set(line.get_ydata())) == 1]
        assert chance.get_ydata()[0] == pytest.approx(100 * rate_of(noise))


def test_a_choice_of_methods_and_noises_is_drawn_alone(folder):
    whole = Analysis(load(folder))
    part = whole.restricted({"reweighting"}, {"symmetric 40%"})
    with layout.paper_style(VENUE):
        found = dict(pages(part, VENUE, KINDS))
    for kind in KINDS:
        assert set(found[kind].data["setting"]) == {"symmetric 40%"}
        assert "Chosen to be shown: 1 of 3 methods and 1 of 5 settings." in found[kind].caption
    assert set(found["classes"].data["method"]) == {"reweighting"}
    assert set(found["confusion"].data["what"]) == {"given", "reweighting"}


def test_a_caption_says_nothing_of_a_choice_where_all_is_shown(drawn):
    assert not [name for name, page in drawn.items() if "Chosen" in page.caption]


def test_a_folder_without_the_tables_says_which_it_lacks(tmp_path):
    folder_of(tmp_path)
    for name in ("confusion", "risk_coverage", "precision_recall"):
        (tmp_path / f"{name}.csv").unlink()
    found = dict(pages(Analysis(load(tmp_path)), VENUE, KINDS[:4]))
    tables = ("confusion", "confusion", "risk_coverage", "precision_recall")
    for kind, table in zip(KINDS, tables, strict=False):
        assert found[kind].startswith(f"The folder has no {table}.csv;")


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("confusion", {"correct": "1 2"}, "should have 5 numbers for the seeds in correct"),
        ("confusion", {"predicted": "1 2 x 4"}, "should have 4 numbers for the classes in predict"),
        ("confusion", {"label": 7}, "does not have one row for each class"),
        ("risk_coverage", {"errors": ""}, "should have 5 numbers for the seeds in errors"),
        ("transitions", {"estimated": "0.5"}, "should have 4 numbers for the classes in estimated"),
    ],
)
def test_lists_that_do_not_fit_are_refused_in_a_sentence(table, change, said, tmp_path):
    folder_of(tmp_path)
    path = tmp_path / f"{table}.csv"
    rows = pd.read_csv(path)
    for column, value in change.items():
        rows[column] = rows[column].astype(object)
        rows.loc[1, column] = value
    rows.to_csv(path, index=False)
    with pytest.raises(RefusedError, match=f"{table}.csv {said}") as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)

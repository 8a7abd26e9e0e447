"""The figures of what to take, of seeds, epochs, temperatures and hyper-parameters: what they show.

One folder is drawn once, and every test reads what is on its pages.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.question import Question
from benchmarks.report.analysis import Analysis
from benchmarks.report.claims import OVERALL
from benchmarks.report.data import load
from benchmarks.report.figures import (
    hyper_parameter,
    labels,
    layout,
    overview,
    pages,
    pareto,
    seeds,
    survivors,
    temperature,
)
from benchmarks.report.figures.layout import Page
from benchmarks.report.venues import VENUES
from tests.report.folders import Sweep, write

VENUE = VENUES["neurips"]
SMOOTHED = tuple(f"label_smoothing(smoothing={s})" for s in (-0.4, 0.0, 0.2, 0.4))
METHODS = ("cross_entropy", "label_smoothing", *SMOOTHED, "elr")
NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)", "asymmetric(rate=0.4)")
KINDS = ("overview", "wins", "seeds", "overfitting", "temperature", "hyper_parameter")
BOUND = np.exp(-10)


def alter(row):
    """Scaling halves an ECE, and one fit ends at a bound; -0.4 collapses; ELR loses a seed."""
    if row["method"] == "label_smoothing":
        row |= {"method_spec": "label_smoothing(smoothing=0.1)"}
    if row["method"] == SMOOTHED[0]:
        row |= {"acc": 0.1 + 0.001 * row["seed"]}
    if row["selection"] == "val":
        row |= {"acc": row["acc"] - 0.01}
    row |= {f"ts_{fit}_T": 1.5 for fit in ("noisy", "fwd", "clean")}
    row |= {"ts_noisy_ece": 2 * row["ece"], "ts_fwd_ece": row["ece"], "ts_fwd_given": 1}
    row |= {"ts_clean_ece": row["ece"] / 2, "ts_at_bound": 0}
    if row["method"] == "elr" and row["seed"] == 0:
        row |= {"ts_clean_T": BOUND, "ts_clean_ece": 0.9, "ts_at_bound": 1}
    if row["method"] == "elr" and row["seed"] == 4 and row["noise"] == NOISES[2]:
        row |= {"status": "diverged"}
    return row


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    asked = Question("cross_entropy", ("elr",))
    sweep = Sweep(METHODS, NOISES, epochs=3, question=asked, alter=alter)
    return Analysis(load(write(tmp_path_factory.mktemp("kinds"), sweep)))


@pytest.fixture(scope="module")
def drawn(analysis):
    with layout.paper_style(VENUE):
        named = dict(pages(analysis, VENUE, KINDS))
        assert set(named) == set(KINDS)
        assert all(isinstance(page, Page) for page in named.values())
        for page in named.values():
            layout.freeze_layout(page.figure)
    return named


def accuracies(analysis, method, setting):
    rows = analysis.run.last
    own = rows[(rows["method"] == method) & (rows["setting"] == setting)]
    return 100 * own.sort_values("seed")["acc"].to_numpy()


def panels(page):
    """The panels of a page by their titles."""
    return {axes.get_title().replace("\n", " "): axes for axes in page.figure.axes}


def test_the_map_is_sorted_by_the_mean_and_marks_what_the_claims_say(analysis, drawn):
    page = drawn["overview"]
    (axes,) = page.figure.axes
    labels = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert labels == [look.label for look in analysis.looks.values()]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "39.8", "19.9", "39.8", "mean"]
    shown = [text.get_text() for text in axes.texts]
    assert shown[:3] == ["clean", "asymmetric", "symmetric"]
    table = page.data.set_index(["method", "setting"])
    for (method, setting), row in table.iterrows():
        marks = analysis.marks("acc", None if setting == overview.MEAN else setting)
        assert row["mark"] == marks.get(method, "")
        sign = {"equivalent": "=", "open": "~"}.get(row["mark"], "")
        assert f"{row['acc']:.1f}{sign}" in shown
    frames = [patch for patch in axes.patches if not patch.get_fill()]
    assert len(frames) == (table["mark"] == "best").sum() >= 5
    bold = {text.get_text() for text in axes.texts if text.get_fontweight() == "bold"}
    assert bold == {f"{acc:.1f}" for acc in table.loc[table["mark"] == "best", "acc"]}
    grey = table[table["mark"] == "out"]
    assert {SMOOTHED[0], "elr"} == set(grey.index.unique("method"))
    assert "Grey" in page.caption


def test_a_dot_is_a_seed_and_an_interval_that_of_their_mean(analysis, drawn):
    page = drawn["seeds"]
    axes = panels(page)["symmetric 20%"]
    dots = axes.collections[0].get_offsets()
    place = list(analysis.looks).index("cross_entropy")
    own = accuracies(analysis, "cross_entropy", "symmetric 20%")
    row = np.abs(dots[:, 1] - place) < 0.4
    assert sorted(dots[row, 0]) == pytest.approx(sorted(own))
    low, high = scipy.stats.ttest_1samp(own, 0).confidence_interval(0.95)
    ends = [line[:, 0].tolist() for line in axes.collections[1].get_segments()]
    assert any(each == pytest.approx([low, high]) for each in ends)


def test_seeds_that_failed_are_counted_and_those_within_chance_lie_beyond_the_axis(analysis, drawn):
    page = drawn["seeds"]
    words = {name: [t.get_text() for t in axes.texts] for name, axes in panels(page).items()}
    assert words["symmetric 40%"] == ["4/5", "\N{BLACK LEFT-POINTING SMALL TRIANGLE} 10.2"]
    assert words["clean"] == ["\N{BLACK LEFT-POINTING SMALL TRIANGLE} 10.2"]
    assert min(panels(page)["clean"].get_xlim()) > 50
    assert len(panels(page)["clean"].collections[0].get_offsets()) == 5 * (len(METHODS) - 1)
    assert "4/5" in page.caption
    assert "beyond the axis" in page.caption
    alone = analysis.run.results[analysis.run.results["method"] != SMOOTHED[0]]
    assert not seeds.points(Analysis(replace(analysis.run, results=alone)))["beyond"].any()


LOSING = {
    **dict.fromkeys(("seeds", "overfitting", "temperature", "forest"), survivors.COUNTS),
    **dict.fromkeys(("overview", "delta", "delta_ece", "pareto", "accuracy"), survivors.OPEN),
    "hyper_parameter": " some seeds failed,",
    "wins": " In ranks, a run that failed is last.",
}
"""What the caption of a figure says where a method lost a seed."""


def test_every_figure_of_means_says_where_a_method_lost_seeds_and_none_else(analysis):
    asked = Question("cross_entropy", ("elr",))
    gone = analysis.run.results["method"] == SMOOTHED[1]
    gone &= (analysis.run.results["seed"] == 4) & (analysis.run.results["setting"] == "clean")
    some = analysis.run.results.assign(status=np.where(gone, "diverged", "done"))
    for results, told in ((some, True), (some.assign(status="done"), False)):
        other = Analysis(replace(analysis.run, results=results, question=asked))
        with layout.paper_style(VENUE):
            shown = dict(pages(other, VENUE, LOSING))
        for kind, sentence in LOSING.items():
            assert (sentence.strip() in shown[kind].caption) == told, kind
            assert (", fewer where runs failed" in shown[kind].caption) == told
            if {"done", "planned"} <= set(shown[kind].data):
                few = shown[kind].data[survivors.lost(shown[kind].data)]
                assert (SMOOTHED[1] in set(few["method"])) == told, kind
        if told:
            check_signs(shown, list(other.looks))


def check_signs(shown, order):
    forest = shown["forest"].figure.axes[-1]
    place = [method for method in order if method != "cross_entropy"].index(SMOOTHED[1])
    (count,) = [text for text in forest.texts if "/" in text.get_text()]
    assert (count.get_text().strip(), count.get_position()[1]) == ("4/5", place)
    (circles,) = [line for line in shown["delta"].figure.axes[0].lines if line.get_marker() == "o"]
    assert list(zip(*circles.get_data(), strict=True)) == [(1, place)]
    (circles,) = shown["overview"].figure.axes[0].lines
    assert [y + 0.46 for y in circles.get_ydata()] == pytest.approx([order.index(SMOOTHED[1])] * 2)
    marks = [x.get_markerfacecolor() for x in shown["pareto"].figure.axes[0].lines]
    assert marks.count("white") == 1
    for kind in ("overfitting", "temperature", "seeds"):
        assert "4/5" in [text.get_text() for text in panels(shown[kind])["clean"].texts]


def test_a_seed_that_was_not_tried_is_none_that_was_lost(analysis):
    rows = analysis.run.results
    late = (rows["method"] == "elr") & (rows["seed"] == 3) & (rows["setting"] == "clean")
    other = Analysis(replace(analysis.run, results=rows[~late]))
    alone, beside = other.planned(), other.planned("elr")
    assert alone["cross_entropy"].tolist() == [5] * 5
    for method, planned in (("elr", alone), ("cross_entropy", beside)):
        assert planned[method].to_dict() == dict.fromkeys(analysis.run.settings, 5) | {
            "clean": 4,
            OVERALL: 4,
        }


def test_no_axis_of_seeds_goes_on_beyond_what_is_possible(analysis):
    right = replace(analysis.run, results=analysis.run.results.assign(acc=1.0))
    with layout.paper_style(VENUE):
        (page,) = seeds.pages(Analysis(right), VENUE)
    assert {axes.get_xlim()[1] for axes in panels(page).values()} == {101}


def test_a_median_stands_where_the_interval_of_the_mean_is_impossible(analysis):
    run = analysis.run
    uneven = np.where(run.results["seed"] == 0, 0.5, 0.999)
    high = run.results["acc"].where(run.results["method"] != "elr", uneven)
    table = seeds.points(Analysis(replace(run, results=run.results.assign(acc=high))))
    own = table[(table["method"] == "elr") & (table["setting"] == "clean")]
    assert own["low"].isna().all()
    assert own["median"].iloc[0] == pytest.approx(np.median(own["acc"]))
    assert table.loc[table["method"] == "cross_entropy", "low"].notna().all()


def test_the_best_epoch_stands_beside_the_last_with_the_loss_between(analysis, drawn):
    page = drawn["overfitting"]
    rows = page.data.set_index(["method", "setting"])
    means = {}
    for name in ("last", "val", "oracle"):
        at = analysis.run.at(name)
        own = at[(at["method"] == "cross_entropy") & (at["setting"] == "symmetric 40%")]
        means[name] = 100 * own["acc"].mean()
        assert rows.loc[("cross_entropy", "symmetric 40%"), name] == pytest.approx(means[name])
    axes = panels(page)["symmetric 40%"]
    place = list(analysis.looks).index("cross_entropy")
    for collection, name in zip(axes.collections[1:], ("oracle", "last", "val"), strict=True):
        (x,) = [x for x, y in collection.get_offsets() if y == place]
        assert x == pytest.approx(means[name])
    loss = means["oracle"] - means["last"]
    assert loss >= 2
    assert f"{loss:.1f}" in [text.get_text() for text in axes.texts]
    assert "not attainable" in page.caption


def test_fits_at_a_bound_are_left_out_and_counted_and_each_floor_is_its_own(analysis, drawn):
    page = drawn["temperature"]
    rows = page.data.set_index(["method", "setting", "state"])
    own = analysis.run.last.set_index(["method", "setting"]).sort_index()
    elr, whole = (own.loc[key] for key in (("elr", "clean"), ("cross_entropy", "clean")))
    kept = elr[elr["seed"] != 0]
    assert rows.loc[("elr", "clean", "clean"), "ece"] == pytest.approx(50 * kept["ece"].mean())
    assert rows.loc[("elr", "clean", "clean"), "done"] == 4
    assert rows.loc[("elr", "clean", "trained"), "done"] == 5
    for state, factor in (("trained", 100), ("noisy", 200), ("clean", 50)):
        shown = rows.loc[("cross_entropy", "clean", state)]
        assert shown["ece"] == pytest.approx(factor * whole["ece"].mean())
        assert shown["floor"] == pytest.approx(100 * whole["ece_floor"].mean())
    assert "Left out: 4 of 417 fits" in page.caption
    assert SMOOTHED[0] not in set(page.data["method"])
    assert "within chance" in page.caption
    axes = panels(page)["clean"]
    assert axes.get_xscale() == "log"
    trained = axes.lines[list(temperature.MARKS).index("trained")]
    assert sorted(trained.get_xdata()) == pytest.approx(
        sorted(rows.xs(("clean", "trained"), level=("setting", "state"))["ece"])
    )


def test_a_hyper_parameter_is_found_and_its_values_stand_on_the_axis(analysis, drawn):
    page = drawn["hyper_parameter"]
    (sweep,) = hyper_parameter.swept(analysis.run.last)
    assert sweep.name == "smoothing"
    assert sorted(sweep.numbers.values()) == [-0.4, 0.0, 0.1, 0.2, 0.4]
    first = page.figure.axes[0]
    assert first.get_xlabel() == "smoothing"
    lines = {line.get_color(): line for line in first.lines}
    assert len(lines) == len(NOISES)
    for line in lines.values():
        assert list(line.get_xdata()) == [0.0, 0.1, 0.2, 0.4]
    assert "smoothing = \N{MINUS SIGN}0.4, within chance in 4 of 4 settings" in page.caption
    legend = [text.get_text() for text in page.figure.legends[0].get_texts()]
    assert legend == ["clean", "asymmetric 39.8%", "symmetric 19.9%", "symmetric 39.8%"]
    own = accuracies(analysis, "label_smoothing", "symmetric 40%")
    row = page.data.query("metric == 'acc' and x == 0.1 and setting == 'symmetric 40%'")
    assert row["mean"].tolist() == pytest.approx([own.mean()])


@pytest.mark.parametrize(
    ("specs", "found"),
    [
        (("m(a=1, b='x')", "m(a=2, b='x')", "m(a=3, b='x')"), [("m", "a", 3)]),
        (("m(a=1, b='x')", "m(a=2, b='x')", "m(a=3, b='y')"), []),
        (("m(a=1)", "m(a=2)", "n(a=3)"), []),
        (("m(a=True)", "m(a=False)", "m(a=1)"), []),
        (("m(a=1, b=0)", "m(a=2, b=0)", "m(a=3, b=0)", "m(a=3, b=1)"), [("m", "a", 3)]),
    ],
)
def test_only_numbers_that_vary_alone_are_swept(specs, found):
    rows = pd.DataFrame({"method": specs, "method_spec": specs})
    sweeps = [(s.method, s.name, len(s.numbers)) for s in hyper_parameter.swept(rows)]
    assert sweeps == found


def test_no_kind_is_drawn_without_its_data(analysis):
    run = analysis.run
    blank = run.results.filter(regex="^ts_").columns
    bare = replace(run, results=run.results.assign(**dict.fromkeys(blank, np.nan)))
    one = replace(run, settings=("clean",), results=run.results[run.results["setting"] == "clean"])
    few = run.results[~run.results["method"].isin(SMOOTHED)]
    last = run.results[run.results["selection"] == "last"]
    same = pd.concat([last.assign(selection=name) for name in ("last", "val", "oracle")])
    for kind, case, why in (
        ("temperature", bare, "holds no images out"),
        ("overview", one, "a column of a table"),
        ("hyper_parameter", replace(run, results=few, methods=("cross_entropy",)), "3 values"),
        ("nll", replace(run, results=run.results.assign(x=np.nan)), "nobody knows one"),
        ("overfitting", replace(run, results=last), "best epoch"),
        ("overfitting", replace(run, results=same), "best at its last epoch"),
    ):
        ((_, reason),) = pages(Analysis(case), VENUE, [kind])
        assert why in reason


def test_names_cover_neither_each_other_nor_a_point_and_one_without_room_is_left_out():
    figure = layout.new_figure(3, 2)
    axes = figure.subplots()
    points = np.array([[x, y] for x in (0.4, 0.42, 0.44) for y in (0.5, 0.53, 0.56)])
    axes.plot(*points.T, "o", markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = dict(enumerate([*"abcdefgh", "a name that is far too long for a panel " * 3]))
    written = labels.write(axes, points, names, 8)
    assert written == list(range(8))
    texts = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in texts] == list("abcdefgh")
    boxes = [text.get_window_extent().padded(-0.1) for text in texts]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    inside = axes.transData.transform(points)
    assert not any(box.contains(*point) for box in boxes for point in inside)


def test_names_lie_beside_lines_and_one_that_is_far_is_joined_to_its_point():
    figure = layout.new_figure(3, 2)
    axes = figure.subplots()
    points = np.array([[0.5, 0.5], [0.5, 0.505], [0.5, 0.51], [0.2, 0.7]])
    axes.plot(*points.T, "o", markersize=4)
    axes.hlines([0.5, 0.7], 0.02, 0.95)
    axes.plot([0.1, 0.9], [0.2, 0.9])
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = dict(enumerate(["the first one", "second", "third", "another name"]))
    assert sorted(labels.write(axes, points, names, 8)) == [0, 1, 2, 3]
    texts = [text for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    drawn = [np.asarray(axes.lines[1].get_xydata()), *axes.collections[0].get_segments()]
    for line in drawn:
        steps = np.linspace(*axes.transData.transform(line), 500)
        assert not any(box.contains(*step) for box in boxes for step in steps)
    joined = {text.xy for text in axes.texts if text.arrow_patch}
    at = axes.transData.transform(points)
    for text, box in zip(texts, boxes, strict=True):
        gaps = [np.hypot(*(at[k] - np.clip(at[k], box.min, box.max))) for k in range(4)]
        nearest = gaps[list(map(tuple, points)).index(text.xy)] < min(gaps) + figure.dpi / 72
        assert nearest or text.xy in joined


def test_names_take_another_order_where_one_would_lie_on_a_line():
    figure = layout.new_figure(3, 1.2)
    axes = figure.subplots()
    points, lines = np.array([[0.17, 0.56], [0.26, 0.75], [0.49, 0.89]]), [0.25, 0.87, 0.74]
    axes.plot(*points.T, "o", markersize=4)
    axes.hlines(lines, 0, 1)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = dict(enumerate(["a name of some length", "second", "a third one that is long"]))
    assert labels.write(axes, points, names, 8) == [0, 1, 2]
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    heights = [axes.transData.transform((0, line))[1] for line in lines]
    assert not any(box.y0 <= height <= box.y1 for box in boxes for height in heights)


def test_methods_are_named_beside_their_points_and_families_in_the_legend(analysis):
    with layout.paper_style(VENUE):
        (page,) = pareto.pages(analysis, VENUE)
    words = {text.get_text() for text in page.figure.axes[0].texts}
    assert {analysis.looks[m].label for m in ("cross_entropy", "label_smoothing")} <= words
    legend = [text.get_text() for text in page.figure.legends[0].get_texts()]
    assert legend == ["baseline", "targets", "early"]
    line = "and the grey line through them" in page.caption
    fronts = page.data[["front_ece", "front_cost"]].sum()
    assert line == (fronts.max() > 1)


def test_no_mark_is_cut_where_calibration_errors_are_large_and_alike(analysis):
    run = analysis.run
    alike = replace(run, results=run.results.assign(ece=0.3 + 0.01 * run.results["acc"]))
    with layout.paper_style(VENUE):
        (page,) = pareto.pages(Analysis(alike), VENUE)
    assert page.figure.axes[0].get_xlim()[1] >= 1.03 * page.data["ece"].max()


def test_wins_are_counted_run_by_run_and_ranks_have_t_intervals_over_seeds(analysis, drawn):
    page, run = drawn["wins"], analysis.run
    table = page.data.set_index("method")
    runs = run.last.pivot_table("acc", ["setting", "seed"], "method")
    own, other = runs["elr"], runs["label_smoothing"]
    known = own.notna() & other.notna()
    assert known.sum() == 19
    won = (own > other)[known].mean() + (own == other)[known].mean() / 2
    assert table.loc["elr", "label_smoothing"] == pytest.approx(100 * won)
    ranks = runs.rank(axis=1, ascending=False, na_option="bottom").groupby("seed").mean()
    low, high = scipy.stats.ttest_1samp(ranks["cross_entropy"], 0).confidence_interval(0.95)
    shown = table.loc["cross_entropy"]
    assert shown["rank"] == pytest.approx(ranks["cross_entropy"].mean())
    assert (shown["low"], shown["high"]) == pytest.approx((low, high))
    left, right, _ = page.figure.axes
    order = [*analysis.looks]
    labels = [f"{analysis.looks[m].label}  {n}" for n, m in enumerate(order, start=1)]
    assert [text.get_text().replace("\n", " ") for text in left.get_yticklabels()] == labels
    image = np.ma.getdata(right.images[0].get_array())
    place = order.index("elr"), order.index("label_smoothing")
    assert image[place] == pytest.approx(100 * won)
    assert f"{100 * won:.0f}" in [text.get_text() for text in right.texts]

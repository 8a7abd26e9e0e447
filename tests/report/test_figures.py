"""Every figure: that it can be read whatever is drawn, and its numbers against another way."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from benchmarks.catalogue import catalogue
from benchmarks.errors import RefusedError
from benchmarks.question import Question
from benchmarks.report import Paper, document
from benchmarks.report.analysis import Analysis
from benchmarks.report.browser.embedded import curves as small_curves
from benchmarks.report.data import load
from benchmarks.report.drawing import KINDS, kinds
from benchmarks.report.figures import (
    DRAWERS,
    coverage,
    critical_difference,
    difference,
    forest,
    heat_map,
    layout,
    loss_histogram,
    memorisation,
    noise_rate,
    pages,
    pareto,
    performance_profile,
    ranked,
    reliability,
    transitions,
)
from benchmarks.report.figures.layout import Page
from benchmarks.report.figures.methods import select_methods
from benchmarks.report.looks import COLOURS, resolve
from benchmarks.report.phrases import signed
from benchmarks.report.venues import CAPTION, SMALLEST, VENUES
from benchmarks.schema import EPOCH_METRICS
from tests.report.folders import NOISES, SIX, Sweep, analysed, write

VENUE = VENUES["neurips"]
NAMES = ("clean", "asymmetric 20%", "asymmetric 40%", "symmetric 20%", "symmetric 40%")
BRIEF = Sweep(methods=SIX[:2], seeds=2, epochs=2)
MANY = (*SIX, *(f"plugin_{n}(strength={n / 10})" for n in range(24)))
KNOWN = tuple(catalogue())[:30]
NINE = ("clean", *(f"{k}(rate={r / 10})" for k in ("symmetric", "asymmetric") for r in range(1, 5)))
LONG = (
    *("clean", "cifar10n", "matrix(file='cats_as_dogs.csv')"),
    *(f"{k}(rate={r / 10})" for k in ("part_dependent", "symmetric") for r in range(1, 5)),
)
VARIANTS = ("label_smoothing(smoothing=0.4)", "meta_weight_net(normalised=True)")
SPECS = ("cross_entropy", "label_smoothing", "label_smoothing(smoothing=0.4, schedule='cosine')")
CASES = {
    "three methods, nine settings": replace(BRIEF, methods=SIX[:3], noises=NINE, seeds=3),
    "one of everything": Sweep(SIX[:1], NOISES[1:2], seeds=1, epochs=1, classes=2),
    "thirty methods of the catalogue, long names": replace(
        BRIEF, methods=(*KNOWN[:28], *VARIANTS), noises=LONG, epochs=3
    ),
    "thirty methods, most of a plugin": replace(BRIEF, methods=MANY, noises=NOISES[1:2], seeds=3),
    "long specs, two datasets, incomplete": Sweep(
        SPECS, NOISES[:2], seeds=2, epochs=1, datasets=("digits", "fashion_mnist"), planned=99
    ),
    "a hundred classes, one seed": Sweep(
        SIX, NOISES[3:], seeds=1, epochs=2, datasets=("cifar100",), classes=100
    ),
    "clean only": replace(BRIEF, noises=("clean",)),
    "nothing finished": replace(BRIEF, methods=SIX[:3], noises=NOISES[:3], status="diverged"),
}


SLOW = "thirty methods, most of a plugin"
"""Whose looks `make soak` tries: the methods of the catalogue are as many."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(c, marks=[pytest.mark.soak] * (c == SLOW)) for c in CASES],
)
def drawn(request, tmp_path_factory):
    run = load(write(tmp_path_factory.mktemp("figures"), CASES[request.param]))
    with layout.paper_style(VENUE):
        named = dict(pages(Analysis(run), VENUE))
        drawn = {name: page for name, page in named.items() if isinstance(page, Page)}
        for page in drawn.values():
            layout.freeze_layout(page.figure)
            page.figure.draw_without_rendering()  # labels find their place when drawn
    return run, drawn, {name: why for name, why in named.items() if isinstance(why, str)}


def artists(figure):
    """Every text of a figure: around its panels, in them, and in its legends."""
    yield from (figure._suptitle, figure._supxlabel, figure._supylabel)
    yield from (text for legend in figure.legends for text in legend.get_texts())
    for axes in figure.axes:
        yield from axes.texts
        if axes.axison:
            yield from (axes.title, axes.xaxis.label, axes.yaxis.label)
            for axis in (axes.xaxis, axes.yaxis):
                for tick in axis._update_ticks():
                    yield from (tick.label1, tick.label2)


def texts(figure):
    """Words and boxes ``(x0, y0, x1, y1)`` in pixels of what is shown, rotated or not."""
    shown = [a for a in artists(figure) if a is not None and a.get_visible() and a.get_text()]
    boxes = [a.get_window_extent() for a in shown]
    return [a.get_text() for a in shown], np.array([[b.x0, b.y0, b.x1, b.y1] for b in boxes])


def clashes(figure):
    """Pairs of words of which one covers the other, or that have no gap between them."""
    words, boxes = texts(figure)
    low, high = boxes[:, :2], boxes[:, 2:]
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    # Side by side letters need a gap; above each other, they have one within their boxes.
    found = np.argwhere(np.triu((shared > [-1, 0.5]).all(-1), 1))
    return [(words[i], words[j]) for i, j in found]


def test_no_text_shows_the_source_of_a_formula(drawn):
    for name, page in drawn[1].items():
        assert not [text for text in texts(page.figure)[0] if "$" in text], name


def test_no_text_is_clipped_or_covers_another(drawn):
    for name, page in drawn[1].items():
        words, boxes = texts(page.figure)
        outside = (boxes[:, :2] < -0.5).any(1) | (boxes[:, 2:] > page.figure.bbox.size + 0.5).any(1)
        assert not outside.any(), (name, np.array(words)[outside])
        assert not clashes(page.figure), name


def test_ticks_and_numbers_of_narrow_panels_have_room(run):
    """Accuracies for which a tick in the middle has a decimal, and two digits before it."""
    rows = run.results.assign(acc=0.99 * run.results["acc"].rank(pct=True) ** 0.03)
    with layout.paper_style(VENUE):
        for name, page in pages(Analysis(replace(run, results=rows)), VENUE, ["overfitting"]):
            layout.freeze_layout(page.figure)
            page.figure.draw_without_rendering()
            assert not clashes(page.figure), name


def test_legends_lie_within_the_figure_and_panels_are_large_enough_to_read(drawn):
    for name, page in drawn[1].items():
        for legend in page.figure.legends:
            box = legend.get_window_extent()
            assert min(box.x0, box.y0) > -0.5, name
            assert box.x1 < page.figure.bbox.width + 0.5, name
        for axes in page.figure.axes:
            box = axes.get_window_extent()
            if axes.get_label() != "<colorbar>":
                assert box.width > 0.55 * page.figure.dpi, name
                assert box.height > 0.16 * page.figure.dpi, name


NAMED = ("accuracy", "nll", "ece", "memorisation", "profile")


def test_lines_are_named_once_in_the_legend_best_mean_accuracy_first(drawn):
    run, figures, _ = drawn
    looks = Analysis(run).looks
    means = run.last.groupby("method")["acc"].mean().sort_values(ascending=False)
    assert len(set(run.settings)) > 1 or list(looks)[: len(means)] == list(means.index)
    for name, page in figures.items():
        kind = name.partition("_")[0]
        if kind in NAMED:
            shown = select_methods(Analysis(run)).shown
            legend = [text.get_text() for text in page.figure.legends[0].get_texts()]
            assert legend[: len(shown)] == [look.label for look in shown.values()]


def test_every_method_has_a_row_or_a_name_in_the_figures_that_compare_all(drawn):
    run, figures, _ = drawn
    for name in {"forest", "ranks", "delta", "coverage"} & set(figures):
        words = " ".join(texts(figures[name].figure)[0]).replace("\n", " ")
        for look in list(resolve(run.methods, run.privileges).values())[1:]:
            assert look.label in words, name


def test_an_incomplete_run_is_noted_on_every_figure(drawn):
    run, figures, _ = drawn
    for page in figures.values():
        title = page.figure._suptitle
        words = title.get_text() if title else ""
        assert run.note in words
        assert ("incomplete: 24 of 99 cells" in words) == (run.planned == 99)


def test_what_is_not_drawn_says_why_in_a_sentence(drawn):
    run, figures, absent = drawn
    assert all(why[0].isupper() and why.endswith((".", ")")) for why in absent.values())
    assert not set(figures) & set(absent)
    if run.last.empty:
        assert list(figures) == ["coverage"]


def test_every_kind_has_a_drawer_of_its_metric():
    assert set(DRAWERS) == set(KINDS)
    keywords = {kind: getattr(drawer, "keywords", {}) for kind, drawer in DRAWERS.items()}
    assert {kind: own.get("metric") for kind, own in keywords.items()} == KINDS


@pytest.mark.parametrize("kind", ["memorisation", "nll", "overview"])
def test_areas_of_a_picture_have_the_colours_that_were_drawn(run, kind, tmp_path):
    with layout.paper_style(VENUE):
        (page, *_) = (page for _, page in pages(Analysis(run), VENUE, [kind]))
        layout.save(page, tmp_path / kind)
        layout.freeze_layout(page.figure)
        page.figure.savefig(tmp_path / "true.png")
    drawn, true = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"), dtype=int)
        for name in (kind, "true")
    )
    colours, place, pixels = np.unique(
        true.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    assert len(colours) > 256
    away = abs(drawn - true).max(-1).reshape(-1)
    common = (pixels > 2e-4 * pixels.sum())[place.reshape(-1)]
    assert away[common].max() == 0
    assert away.max() < 40
    assert (away > 8).mean() < 0.02


def test_a_picture_is_as_wide_as_its_rows_of_pixels(tmp_path):
    """A width that falls a rounding error short of 982 pixels."""
    with layout.paper_style(VENUE):
        figure = layout.new_figure(4.909999999999999, 1)
        figure.subplots()
        layout.save(Page(figure, pd.DataFrame(), ""), tmp_path / "a")
        figure.savefig(tmp_path / "true.png")
    drawn, true = (Image.open(tmp_path / f"{name}.png").convert("RGB") for name in ("a", "true"))
    assert drawn.size == true.size == (982, 200)
    assert abs(np.asarray(drawn, dtype=int) - np.asarray(true, dtype=int)).max() < 40


def test_text_blocks_are_those_of_the_style_files():
    sizes = {name: (page.width, page.column, page.height) for name, page in VENUES.items()}
    assert sizes == {
        "neurips": (5.5, 5.5, 9.0),
        "iclr": (5.5, 5.5, 9.0),
        "icml": (6.75, 3.25, 9.0),
        "tmlr": (6.5, 6.5, 9.0),
        "jmlr": (6.0, 6.0, 8.5),
    }


@pytest.mark.parametrize("page", [VENUES["jmlr"], VENUES["icml"].of_columns(1)])
def test_every_figure_fits_its_page_in_type_that_can_be_read(page, run):
    """The lowest text block, and the narrowest column in the smallest type."""
    with layout.paper_style(page):
        drawn = {n: p for n, p in pages(Analysis(run), page) if isinstance(p, Page)}
    assert max(drawing.figure.get_figwidth() for drawing in drawn.values()) == page.width
    for name, drawing in drawn.items():
        assert drawing.figure.get_figheight() <= page.height - CAPTION + 1e-9, name
        sizes = [t.get_fontsize() for t in drawing.figure.findobj(Text) if t.get_text()]
        assert min(sizes) >= SMALLEST, name


def test_a_figure_of_fifty_methods_is_split_over_pages_that_fit(tmp_path):
    sweep = Sweep(tuple(catalogue())[:50], NOISES[1:3], seeds=1, epochs=1)
    kinds = ["forest", "delta", "reliability", "losses"]
    page = VENUES["jmlr"]
    with layout.paper_style(page):
        named = dict(pages(analysed(tmp_path, sweep), page, kinds))
    assert {"forest_2", "delta_2"} <= set(named)
    for name, drawing in named.items():
        assert drawing.figure.get_figheight() <= page.tallest + 1e-9, name
    both = pd.concat([named["delta"].data, named["delta_2"].data])
    assert both["method"].nunique() == 49
    meshes = [named[name].figure.axes[0].collections[0] for name in ("delta", "delta_2")]
    assert meshes[0].norm.vmax == meshes[1].norm.vmax
    assert "(continued)" in named["delta_2"].caption


def test_a_paper_shows_only_what_is_chosen_and_refuses_what_is_not_there(tmp_path):
    analysis = analysed(tmp_path, BRIEF)
    paper = Paper(methods=("label_smoothing",), noises=("symmetric",), metrics=("brier",))
    part = document.chosen(analysis, paper, tmp_path)
    with layout.paper_style(VENUE):
        named = {n: p for n, p in pages(part, VENUE, kinds(paper.metrics)) if isinstance(p, Page)}
    assert {"brier", "delta_brier", "forest"} <= set(named)
    assert not {"accuracy", "ece", "delta"} & set(named)
    for name in ("brier", "delta_brier", "reliability"):
        assert set(named[name].data["method"]) == {"label_smoothing"}
    assert set(named["delta_brier"].data["setting"]) == {"symmetric 20%", "symmetric 40%"}
    for wrong in (Paper(methods=("label_smothing",)), Paper(noises=("symetric",))):
        with pytest.raises(RefusedError, match=r"has the .* \(did you mean '(label_sm|symm)"):
            document.chosen(analysis, wrong, tmp_path)


def pages_of(figure, run, *about):
    with layout.paper_style(VENUE):
        return figure.pages(Analysis(run), VENUE, *about)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(write(tmp_path_factory.mktemp("points"), Sweep(epochs=2)))


def test_bands_are_t_intervals_over_seeds(run):
    data = noise_rate.points(run, "acc")
    here = "kind == 'symmetric' and rate == 40 and method == 'elr'"
    (row,) = data.query(here).to_dict("records")
    assert row["x"] == pytest.approx(0.995 * 40)  # what was realised
    test = scipy.stats.ttest_1samp(accuracies(run, "elr", "symmetric 40%"), 0)
    assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval(0.95)))


def test_clean_labels_are_rate_zero_of_every_kind_of_noise(run):
    data = noise_rate.points(run, "nll")
    zero = data[data["x"] == 0].set_index(["kind", "method"])["mean"]
    assert zero["symmetric"].equals(zero["asymmetric"])
    assert "clean" not in set(data["kind"])


def test_a_floor_is_that_of_its_method_and_the_band_holds_those_in_colour(run):
    draws = np.random.default_rng(0).uniform(0, 0.01, len(run.results))
    own = run.results["method"].map(SIX.index) * 0.02 + draws
    run = replace(run, results=run.results.assign(ece_floor=own))
    data = noise_rate.points(run, "ece").set_index(["kind", "rate", "method"])["floor"]
    ends = []
    for method in SIX:
        chosen = (run.last["method"] == method) & (run.last["setting"] == "symmetric 40%")
        ends.append(100 * run.last.loc[chosen, "ece_floor"].mean())
        assert data["symmetric", 40, method] == pytest.approx(ends[-1])
    with layout.paper_style(VENUE):
        (page,) = noise_rate.pages(Analysis(run), VENUE, "ece")
    axes = next(axes for axes in page.figure.axes if axes.get_title() == "symmetric")
    band = axes.collections[-1].get_paths()[0].vertices
    assert sorted({y for x, y in band if x == pytest.approx(0.995 * 40)}) == pytest.approx(
        [min(ends), max(ends)]
    )


def test_where_an_interval_is_impossible_stand_the_median_and_every_seed(tmp_path):
    far = replace(
        BRIEF, seeds=5, alter=lambda row: row | {"acc": [0.2, 0.9, 0.91, 0.92, 0.93][row["seed"]]}
    )
    wide = load(write(tmp_path, far))
    data = noise_rate.points(wide, "acc")
    assert data["skewed"].all()
    assert (data["low"].min(), data["centre"].min(), data["high"].max()) == (20, 91, 93)
    (page,) = pages_of(noise_rate, wide, "acc")
    drawn = {y for axes in page.figure.axes for c in axes.collections for _, y in c.get_offsets()}
    assert {20, 90, 91, 92, 93} <= {round(float(y), 6) for y in drawn}
    assert not page.figure.findobj(PolyCollection)  # a band would join what is no interval
    whiskers = [path for c in page.figure.findobj(LineCollection) for path in c.get_segments()]
    assert {tuple(path[:, 1].round(6)) for path in whiskers} >= {(20, 93)}
    assert "the median is drawn in place of the mean" in page.caption
    low, _ = page.figure.axes[0].get_ylim()
    assert low > 20  # one seed does not rule the axis
    assert "The axis is cut" in page.caption


def test_no_line_is_drawn_where_nothing_was_measured(run):
    one = replace(run, results=run.results[run.results["setting"] != "asymmetric 20%"])
    (page,) = pages_of(noise_rate, one, "acc")
    panels = {axes.get_title(): axes for axes in page.figure.axes}
    ends = [len(line.get_xdata()) for line in panels["symmetric"].lines]
    assert ends == [3] * len(SIX)
    assert all(line.get_linestyle() == "None" for line in panels["asymmetric"].lines)
    assert "Bands and whiskers: 95% t intervals" in page.caption
    loose = panels["asymmetric"]  # what stands beside a rate has no number of its own
    assert [text.get_text() for text in loose.get_xticklabels()] == ["0", "39.8"]
    assert loose.get_xticks().tolist() == [0, 1]
    beside = {round(float(x) % 1, 6) for line in loose.lines for x in line.get_xdata()}
    assert all(min(x, 1 - x) <= 0.3 for x in beside)


def test_a_mean_over_the_seeds_that_finished_is_marked_and_said(run):
    lost = (run.results["method"] == "gce") & (run.results["seed"] == 0) & run.results["noisy"]
    some = replace(run, results=run.results.assign(status=np.where(lost, "diverged", "done")))
    data = noise_rate.points(some, "acc")
    assert set(data.loc[data["lost"], "method"]) == {"gce"}
    for results, told in ((some, True), (run, False)):
        (page,) = pages_of(noise_rate, results, "acc")
        assert ("Open markers: means over the seeds that finished." in page.caption) == told


def test_reliability_pools_the_bins_of_the_seeds_and_averages_their_ece(run):
    table = reliability.pooled(run.bins)
    here = table[(table["method"] == "gce") & (table["panel"] == "symmetric 20%")]
    raw = run.bins[(run.bins["method"] == "gce") & (run.bins["setting"] == "symmetric 20%")]
    errors = []
    for _, cell in raw.groupby("seed"):
        size = cell["count"].sum()
        filled = cell[cell["count"] > 0]
        steps = zip(filled["count"], filled["accuracy"], filled["confidence"], strict=True)
        errors.append(sum(n / size * abs(a - c) for n, a, c in steps))
    assert here["ece"].to_numpy() == pytest.approx(np.mean(errors))
    assert here["count"].sum() == raw["count"].sum()
    top = here[here["bin"] == 14].iloc[0]
    last = raw[raw["bin"] == 14]
    right, count = last["count"] * last["accuracy"], last["count"]
    assert top["accuracy"] == pytest.approx(right.sum() / count.sum(), abs=1e-7)
    off = right - right.sum() / count.sum() * count
    error = np.sqrt(5 / 4 * (off**2).sum()) / count.sum()
    half = scipy.stats.t.ppf(0.975, 4) * error  # of seeds, whatever images they share
    assert top["seeds_high"] - top["accuracy"] == pytest.approx(half, rel=1e-5)
    assert here["share"].sum() == pytest.approx(1)


def test_more_than_four_settings_leave_the_clean_one_out_of_the_curves(tmp_path):
    run = load(write(tmp_path, replace(BRIEF, methods=SIX[:1], seeds=1)))
    pages = pages_of(memorisation, run)
    titles = [axes.get_title() for axes in pages[0].figure.axes if axes.get_title()]
    assert titles == ["asymmetric 20%", "asymmetric 40%", "symmetric 20%", "symmetric 40%"]


def test_the_axis_of_a_risk_that_is_never_above_0_has_a_height():
    grid = Figure().subplots(1, 1, squeeze=False)
    ranked._limit(grid, pd.DataFrame({"centre": [0.0], "high": [math.nan]}), {})
    assert grid[0, 0].get_ylim() == (0, 1)


def test_curves_have_no_point_where_nothing_was_evaluated_and_say_so(tmp_path):
    folder = write(tmp_path, replace(BRIEF, methods=SIX[:1], epochs=6))
    whole = memorisation.points(load(folder))
    assert "not evaluated" not in pages_of(memorisation, load(folder))[0].caption
    curves = pd.read_csv(folder / "curves.csv")
    curves.loc[curves["epoch"] % 2 == 1, ["val_acc", *EPOCH_METRICS]] = math.nan
    curves.to_csv(folder / "curves.csv", index=False, float_format="%.9g")
    run = load(folder)
    drawn = whole[whole["x"] % 2 == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(memorisation.points(run).reset_index(drop=True), drawn)
    caption = pages_of(memorisation, run)[0].caption
    assert caption.count(" Epochs that were not evaluated have no point.") == 1
    own = [rows["acc"] for _, rows in curves.dropna(subset=["acc"]).groupby("cell_id")]
    small = [[round(1000 * value) for value in values] for values in own]
    assert sorted(curve[0] for curve in small_curves(run)) == sorted(small)


def test_a_choice_of_methods_and_noises_changes_no_claim_and_no_look(run):
    whole = Analysis(replace(run, question=Question("cross_entropy", SIX[1:])))
    part = whole.restricted({"elr", "gce"}, {"symmetric 20%", "symmetric 40%"})
    assert list(part.looks) == [method for method in whole.looks if method in {"elr", "gce"}]
    assert all(part.looks[method] == whole.looks[method] for method in part.looks)
    keys, numbers = ["method", "setting"], ["p_adjusted", "outcome", "difference", "tests"]
    own = part.compared("cross_entropy", "acc").set_index(keys)[numbers]
    pd.testing.assert_frame_equal(
        own, whole.compared("cross_entropy", "acc").set_index(keys).loc[own.index, numbers]
    )
    assert len(own) == 4
    gains = [
        accuracies(run, "elr", s) - accuracies(run, "cross_entropy", s) for s in part.run.settings
    ]
    overall = part.overall("cross_entropy", "acc").set_index("method")
    assert overall.loc["elr", "difference"] == pytest.approx(np.mean(gains) / 100)
    assert set(pages_of(forest, run)[0].data["setting"]) == {"all", *run.settings}


def test_every_caption_says_data_model_recipe_and_seeds_once(drawn):
    run, figures, _ = drawn
    seeds = run.cells.groupby(["method", "setting"])["seed"].nunique().max()
    for name, page in figures.items():
        tail = page.caption.rpartition(" On ")[2]
        assert "training and 2,000 test images" in tail, name
        assert ", mlp, short, n = " in tail, name
        assert f"{seeds} seed" in tail, name
        assert page.caption.count(" On ") == 1, name


def test_drawing_leaves_no_global_setting_behind(run):
    import matplotlib as mpl  # noqa: PLC0415
    import matplotlib.pyplot as plt  # noqa: PLC0415

    before = dict(mpl.rcParams)
    pages_of(noise_rate, run, "acc")
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_a_huge_nll_gets_a_logarithmic_axis_that_the_caption_names(tmp_path):
    def alter(row):
        return row | {"nll": 300.0 if row["method"] == "elr" else 0.5}

    for change, scale in ((lambda row: row | {"nll": 0.5}, "linear"), (alter, "log")):
        run = load(write(tmp_path / scale, Sweep(methods=SIX, alter=change)))
        page = noise_rate.pages(Analysis(run), VENUE, "nll")[0]
        assert {axes.get_yscale() for axes in page.figure.axes} == {scale}
        assert ("logarithmic" in page.caption) == (scale == "log")


def accuracies(run, method, setting):
    rows = run.last[(run.last["method"] == method) & (run.last["setting"] == setting)]
    return 100 * rows.sort_values("seed")["acc"].to_numpy()


def test_the_heat_map_shows_paired_differences_and_hatches_where_none_is_detected(run):
    run = replace(run, question=Question("cross_entropy", SIX[1:]))
    data = difference.points(Analysis(run), "cross_entropy", "acc").set_index(["method", "setting"])
    p = {}
    for method in SIX[1:]:
        for setting in run.settings:
            own, other = (accuracies(run, m, setting) for m in (method, "cross_entropy"))
            assert data.loc[(method, setting), "difference"] == pytest.approx((own - other).mean())
            p[method, setting] = scipy.stats.ttest_rel(own, other).pvalue
    ordered = sorted(p, key=p.get)
    factors = np.maximum.accumulate([(len(p) - k) * p[key] for k, key in enumerate(ordered)])
    told = {key for key, q in zip(ordered, factors, strict=True) if q < 0.05}
    assert set(data.index[data["outcome"].isin(["better", "worse"])]) == told
    assert 0 < len(told) < len(p)
    (page,) = pages_of(difference, run, "acc")
    axes = page.figure.axes[0]
    order = [method for method in Analysis(run).looks if method != "cross_entropy"]
    hatched = {(order[box.get_y()], run.settings[box.get_x()]) for box in axes.patches}
    assert hatched == set(p) - told
    words = dict(zip(product(order, run.settings), axes.texts, strict=True))
    for key, text in words.items():
        shown = float(text.get_text().replace("\N{MINUS SIGN}", "-"))
        assert shown == pytest.approx(data.loc[key, "difference"], abs=0.051)


def test_numbers_in_narrow_entries_of_a_heat_map_have_no_plus():
    for count, shown in ((4, {"+1.0", "\N{MINUS SIGN}2.0"}), (16, {"1.0", "\N{MINUS SIGN}2.0"})):
        places = pd.MultiIndex.from_product([["a"], map(str, range(count))])
        number = np.where(np.arange(count) % 2, 1.0, -2.0)
        text = [signed("acc", value / 100) for value in number]
        entries = pd.DataFrame({"value": number, "text": text, "hatched": False}, places)
        with layout.paper_style(VENUE):
            figure = heat_map.draw(VENUE, {"a": "A"}, {}, entries, "0.7")
        assert {note.get_text() for note in figure.axes[0].texts} == shown


def test_the_colours_of_the_heat_map_are_centred_and_blue_where_a_method_is_better(run):
    with layout.paper_style(VENUE):
        for metric, sign in (("acc", 1), ("ece", -1)):
            page = difference.pages(Analysis(run), VENUE, metric)[0]
            mesh = page.figure.axes[0].collections[0]
            assert mesh.norm.vmin == -mesh.norm.vmax
            first = page.data.iloc[0]
            red, _, blue, _ = mesh.cmap(mesh.norm(first["difference"]))
            assert (blue > red) == (sign * first["difference"] > 0)


def test_the_forest_has_the_t_interval_of_the_means_within_each_seed(run):
    pooled, each = forest.points(Analysis(run), "cross_entropy")
    row = pooled[(pooled["method"] == "gce") & (pooled["metric"] == "acc")].iloc[0]
    gains = [accuracies(run, "gce", s) - accuracies(run, "cross_entropy", s) for s in run.settings]
    low, high = scipy.stats.ttest_1samp(np.mean(gains, axis=0), 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    dots = each[(each["method"] == "gce") & (each["metric"] == "acc")]["mean"]
    assert sorted(dots) == pytest.approx(sorted(np.mean(gains, axis=1)))


def test_the_forest_of_one_setting_has_no_dots_beside_its_means(run):
    one = run.settings[:1]
    kept = run.results[run.results["setting"].isin(one)]
    (both,) = pages_of(forest, run)
    (alone,) = pages_of(forest, replace(run, results=kept, settings=one))
    for drawing, expected in ((both, len(run.settings)), (alone, 0)):
        dots = drawing.figure.axes[0].collections[0]
        assert len(dots.get_offsets()) == expected * (len(SIX) - 1)
        texts = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
        assert ("one setting" in texts) == bool(expected)


def test_a_method_without_a_seed_in_all_settings_has_its_dots_below_the_others(run):
    lost = (run.results["method"] == "elr") & run.results["noisy"]
    results = run.results[~lost | (run.results["x"] > 0.3)]
    asked = Question("cross_entropy", ("gce",))  # in all settings
    (page,) = pages_of(forest, replace(run, results=results, question=asked))
    labels = [label.get_text() for label in page.figure.axes[0].get_yticklabels()]
    assert labels[-1] == "ELR"
    pooled = page.data[page.data["setting"] == "all"]
    assert "elr" not in set(pooled["method"])


def test_a_marker_of_the_forest_is_filled_only_where_a_difference_is_detected(run):
    rows = run.results.set_index(["setting", "seed", "selection"])
    hard = rows.loc[rows["method"] == "cross_entropy", "acc"].reindex(rows.index)
    small = rows["method"] == "label_smoothing"  # detected, and within what matters
    wobble = 1e-4 * np.cos(5 * rows.index.get_level_values("seed").to_numpy())
    rows["acc"] = rows["acc"].mask(small, hard + 0.002 + wobble)
    run = replace(run, results=rows.reset_index())
    (drawing,) = pages_of(forest, run)
    pooled = drawing.data[(drawing.data["setting"] == "all") & (drawing.data["metric"] == "acc")]
    tests = Analysis(run).overall("cross_entropy", "acc").set_index("method")["p_adjusted"]
    told = {method for method in pooled["method"] if tests[method] < 0.05}
    assert "label_smoothing" in told
    assert "0.5 points of Accuracy and 0.5 points of ECE" in drawing.caption
    looks = resolve(run.methods, run.privileges)
    large = [line for line in drawing.figure.axes[0].lines if line.get_markersize() == 4.5]
    filled = {line.get_markerfacecolor() for line in large} - {"white"}
    assert filled == {looks[method].colour for method in told}
    assert 0 < len(told) < len(SIX)


def with_passes(run, **passes):
    """The run with so many passes per image and epoch, of one network where none is named."""
    cells = run.cells.set_index("cell_id").loc[run.costs["cell_id"]]
    each = cells["method"].map(passes).fillna(1).to_numpy() * 6 * cells["n_train"].to_numpy()
    return replace(run, costs=run.costs.assign(forward_passes=each, backward_passes=each))


def test_the_front_has_only_what_is_shown_to_beat_every_other_method(run):
    analysis = Analysis(with_passes(run, co_teaching=2, elr=1.005))
    data = pareto.points(analysis)
    means = [accuracies(run, "elr", s).mean() for s in run.settings]
    assert data.loc["elr", "acc"] == pytest.approx(np.mean(means))
    assert data.loc["co_teaching", "cost"] == 2 * data.loc["gce", "cost"]
    for method, row in data.iterrows():
        others = [other for other in data.index if other != method]
        told = {
            m: analysis.overall(method, m).set_index("method")["outcome"] for m in ("acc", "ece")
        }
        ahead = [any(told[m][other] == "worse" for m in ("acc", "ece")) for other in others]
        assert row["front_ece"] == all(ahead)
        cheaper = [row["cost"] < 0.99 * data.loc[other, "cost"] for other in others]
        better = [told["acc"][other] == "worse" for other in others]
        assert row["front_cost"] == all(np.array(cheaper) | np.array(better))
    assert data.index[data["front_cost"]].tolist() == ["elr"]
    (drawing,) = pages_of(pareto, analysis.run)
    lines = [len(data) + (data[name].sum() > 1) for name in ("front_ece", "front_cost")]
    assert [len(axes.get_lines()) for axes in drawing.figure.axes] == lines
    top, best = drawing.figure.axes[0].get_ylim()[1], data["acc"] + data["acc_half"]
    assert top > best.max() + 0.1 * (best.max() - data["acc"].min())
    assert max(drawing.figure.axes[0].get_yticks()) <= 100


def test_a_lead_that_no_test_resolves_makes_no_front(run):
    rows = run.results.assign(acc=0.8 + 0.01 * np.sin(np.arange(len(run.results))), ece=0.1)
    (drawing,) = pages_of(pareto, replace(run, results=rows))
    assert not drawing.data[["front_ece", "front_cost"]].any(axis=None)
    assert "No front is resolved. Costs are not known." in drawing.caption
    assert len(drawing.figure.axes) == 1


@pytest.mark.parametrize("passes", [0.1, np.nextafter(0.1, 0), np.nextafter(0.1, 0.2)])
def test_a_cost_that_all_methods_have_is_told_and_not_drawn(run, passes):
    (drawing,) = pages_of(pareto, with_passes(run, **dict.fromkeys(run.methods, passes)))
    assert len(drawing.figure.axes) == 1
    assert "All cost the same." in drawing.caption


def test_a_method_within_chance_does_not_set_the_scale_of_accuracy(run):
    rows = run.results.copy()
    rows.loc[rows["method"] == "gce", "acc"] = 0.1
    analysis = Analysis(replace(run, results=rows, classes={"digits": 10}))
    (drawing,) = pages_of(pareto, analysis.run)
    assert "gce" not in set(drawing.data["method"])
    assert f"Left out: {analysis.looks['gce'].label}, within chance." in drawing.caption
    assert drawing.figure.axes[0].get_ylim()[0] > 20


def test_the_profile_counts_the_runs_within_a_distance_of_the_best(run):
    data = performance_profile.points(Analysis(run))
    row = data[data["method"] == "reweighting"].iloc[30]
    best = run.last.groupby(["setting", "seed"])["acc"].max()
    own = run.last[run.last["method"] == "reweighting"].set_index(["setting", "seed"])["acc"]
    gaps = 100 * (best - own)
    assert row["share"] == pytest.approx(100 * (gaps <= row["gap"]).mean())
    assert data.groupby("method")["share"].apply(lambda s: s.is_monotonic_increasing).all()


def test_below_eight_settings_there_is_a_sentence_in_place_of_ranks(run):
    with pytest.raises(layout.AbsentError, match=r"at least 8 settings .* p = 0\.0625"):
        critical_difference.pages(Analysis(run), VENUE)


def test_a_bar_of_the_diagram_has_a_dot_for_each_method_of_its_clique_and_none_else(tmp_path):
    wide = load(write(tmp_path, Sweep(noises=NINE, seeds=2, epochs=2)))
    (page,) = pages_of(critical_difference, wide)
    ranks, axes = Analysis(wide).ranks, page.figure.axes[0]
    rank = {m: round(r, 1) for m, r in zip(ranks.methods, ranks.mean_ranks, strict=True)}
    bars = [line for line in axes.lines if line.get_color() == "0.25"]
    assert sorted(sorted(line.get_xdata()) for line in bars) == sorted(
        sorted(rank[method] for method in clique) for clique in ranks.cliques
    )
    labels = resolve(wide.methods, wide.privileges)
    words = {text.get_text() for text in axes.texts}
    for method, mean in zip(ranks.methods, ranks.mean_ranks, strict=True):
        name, number = labels[method].label, f"{mean:.1f}"
        assert words & {f"{name} {number}", f"{number} {name}"}
    table = page.data.set_index("method")
    for number, clique in enumerate(ranks.cliques):
        inside = {m for m, text in table["cliques"].items() if str(number) in text.split()}
        assert inside == set(clique)


def test_no_interval_above_a_panel_leaves_the_possible_values(run):
    first = run.bins["seed"].eq(0)
    sure = run.bins.assign(confidence=run.bins["accuracy"] + 0.4 * first)  # one seed is far off
    scores = run.detection.assign(auroc=np.where(run.detection["seed"].eq(0), 0.9, 1.0))
    for figure, table, ends in (
        (reliability, {"bins": sure}, "8.0% [0.0, 30.2]"),
        (loss_histogram, {"detection": scores}, "98.0% [92.4, 100.0]"),
    ):
        page = pages_of(figure, replace(run, **table))[0]
        words = {text.get_text() for axes in page.figure.axes for text in axes.texts}
        assert words - {"no run"} == {ends}
        assert "leaves the possible values is shown by its ends" in page.caption
        assert "possible values" not in pages_of(figure, run)[0].caption


def test_losses_are_shares_of_each_kind_below_a_loss_beside_the_auroc(run):
    data = loss_histogram.points(run)
    here, raw, scores = (
        table[(table["method"] == "elr") & (table["setting"] == "symmetric 40%")]
        for table in (data, run.losses, run.detection)
    )
    assert here[["right", "wrong"]].iloc[-1].tolist() == pytest.approx([100, 100])
    below = raw[raw["low"] < 1]
    share = 100 * below["wrong"].sum() / raw["wrong"].sum()
    assert here.loc[here["low"] < 1, "wrong"].iloc[-1] == pytest.approx(share)
    assert here["auroc"].to_numpy() == pytest.approx(scores["auroc"].mean())
    (page,) = pages_of(loss_histogram, run)
    words = [text.get_text() for axes in page.figure.axes for text in axes.texts]
    assert sum(f"AUROC {100 * scores['auroc'].mean():.1f} " in text for text in words) == 1


def test_folders_of_an_earlier_version_have_no_histograms_and_say_why(tmp_path):
    old = write(tmp_path / "old", Sweep(SIX[:2], NOISES[:2], seeds=1, epochs=1))
    for name in ("losses.csv", "transitions.csv", "costs.csv"):
        (old / name).unlink()
    clean = write(tmp_path / "clean", Sweep(SIX[:2], NOISES[:1], seeds=1, epochs=1))
    for folder, module, why in (
        (old, loss_histogram, r"The folder has no losses\.csv"),
        (old, transitions, r"The folder has no transitions\.csv"),
        (clean, loss_histogram, "No training label is wrong"),
        (clean, transitions, "No method of this run estimates the noise"),
    ):
        with pytest.raises(layout.AbsentError, match=why):
            module.pages(Analysis(load(folder)), VENUE)


def test_matrices_are_drawn_as_they_were_estimated(run):
    (drawing,) = pages_of(transitions, run)
    settings = [s for s in Analysis(run).core_settings if s != "clean"]
    across = len(settings)
    for place, setting in enumerate(settings):
        row = run.transitions[run.transitions["setting"] == setting].sort_values("label")
        realised, estimated = (
            np.array([[float(v) for v in text.split()] for text in row[name]])
            for name in ("realised", "estimated")
        )
        before, error = (drawing.figure.axes[place + k] for k in (0, across))
        assert np.asarray(before.images[0].get_array()) == pytest.approx(realised)
        assert np.asarray(error.images[0].get_array()) == pytest.approx(estimated - realised)
        told = np.mean([sum(abs(v) for v in line) for line in estimated - realised])
        assert error.get_title() == f"L1 {told:.3f}"


def test_figures_of_many_panels_show_the_same_settings_of_every_kind_of_noise(tmp_path):
    noises = ("clean", *(f"{k}(rate={r / 10})" for k in ("symmetric", "pdn") for r in range(1, 5)))
    wide = analysed(tmp_path, Sweep((*SIX[:3], "elr"), noises, seeds=1, epochs=2))
    kinds = ("part-dependent", "symmetric")
    core = ("clean", *(f"{kind} {rate}%" for kind in kinds for rate in (10, 40)))
    assert wide.core_settings == core
    with layout.paper_style(VENUE):
        named = dict(pages(wide, VENUE, ["reliability", "losses", "memorisation", "transitions"]))
    for name, page in named.items():
        assert set(page.data["setting"]) == {*core} - (
            {"clean"} if name != "reliability" else set()
        )
        assert "Shown: " in page.caption, name


def only(run, *settings):
    """The run as if it had no other settings."""
    rows = run.results[run.results["setting"].isin(settings)]
    estimates = run.transitions[run.transitions["setting"].isin(settings)]
    return replace(run, results=rows, transitions=estimates, settings=settings)


@pytest.mark.parametrize(
    ("figure", "about", "settings", "why"),
    [
        (coverage, (), NAMES, "Every planned cell finished"),
        (difference, ("acc",), NAMES[1:2], "a column of a table"),
        (performance_profile, (), NAMES[:2], "at least 3 settings"),
        (transitions, (), NAMES[:1], "Every label is right"),
    ],
)
def test_a_figure_that_would_say_nothing_is_not_drawn(run, figure, about, settings, why):
    with pytest.raises(layout.AbsentError, match=why):
        pages_of(figure, only(run, *settings), *about)


def test_coverage_counts_what_is_planned_done_and_failed(run):
    cells = run.results["cell_id"].unique()
    status = dict.fromkeys(cells[:3], "failed")
    results = run.results.assign(status=run.results["cell_id"].map(status).fillna("done"))
    more = run.cells.iloc[[0]].assign(cell_id="f" * 12, method="sop", setting="new noise")
    partial = replace(run, results=results, plan=more[run.plan.columns])
    table = coverage.points(partial).set_index(["method", "setting"])
    assert table["planned"].sum() == len(cells) + 1
    assert table["failed"].sum() == 3
    assert table.loc[("sop", "new noise"), ["planned", "done", "missing"]].tolist() == [1, 0, 1]
    assert table["done"].sum() == len(cells) - 3


def test_of_many_methods_the_references_and_the_best_of_each_family_are_in_colour(tmp_path):
    names = tuple(catalogue())[:30]
    many = load(write(tmp_path, Sweep(names, NOISES[2:3], seeds=2, epochs=2)))
    selection = select_methods(Analysis(many))
    means = many.last.groupby("method")["acc"].mean()
    best = {}
    for method in names:
        colour = COLOURS[catalogue()[method].family]
        if colour not in best or means[method] > means[best[colour]]:
            best[colour] = method
    assert set(selection.shown) == {*best.values(), "cross_entropy", "label_smoothing"}
    assert set(selection.others) == set(names) - set(selection.shown)
    assert f"Shown: {len(selection.shown)} of 30 methods" in selection.note
    few = select_methods(analysed(tmp_path / "few", Sweep(names[:10], NOISES[2:3], 1, 1)))
    assert (len(few.shown), few.others, few.note) == (10, (), "")


def test_figures_stay_few_however_many_settings_there_are(tmp_path):
    noises = [f"symmetric(rate={r / 100})" for r in range(1, 41)]
    sweep = Sweep(SIX[:3], noises, seeds=1, epochs=1, datasets=("a", "b", "c"))
    wide = load(write(tmp_path, sweep))
    with layout.paper_style(VENUE):
        named = dict(pages(Analysis(wide), VENUE, ["delta", "losses"]))
    assert list(named) == ["delta", "delta_2", "losses", "losses_2"]
    assert all("Shown: " in named[kind].caption for kind in ("delta", "losses"))

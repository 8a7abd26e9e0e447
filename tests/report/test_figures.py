from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from benchmarks.catalogue import catalogue
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import layout, memorisation, noise_rate, pages, reliability
from benchmarks.report.figures.layout import Page
from benchmarks.report.figures.method_selection import select_methods
from benchmarks.report.looks import resolve
from benchmarks.report.venues import VENUES
from tests.report.folders import NOISES, SIX, Sweep, write

VENUE = VENUES["neurips"]
BRIEF = Sweep(methods=SIX[:2], seeds=2, epochs=2)
MANY = (*SIX, *(f"plugin_{n}(strength={n / 10})" for n in range(24)))
KNOWN = tuple(catalogue())[:30]
NINE = ("clean", *(f"{k}(rate={r / 10})" for k in ("symmetric", "asymmetric") for r in range(1, 5)))
SPECS = ("cross_entropy", "label_smoothing", "label_smoothing(smoothing=0.4, schedule='cosine')")
CASES = {
    "three methods, nine settings": replace(BRIEF, methods=SIX[:3], noises=NINE, seeds=3),
    "one of everything": Sweep(SIX[:1], NOISES[1:2], seeds=1, epochs=1, classes=2),
    "thirty methods of the catalogue": replace(BRIEF, methods=KNOWN, noises=NINE, epochs=3),
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


@pytest.fixture(scope="module", params=CASES)
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


def test_no_text_is_clipped_or_covers_another(drawn):
    for name, page in drawn[1].items():
        words, boxes = texts(page.figure)
        low, high = boxes[:, :2], boxes[:, 2:]
        outside = (low < -0.5).any(1) | (high > page.figure.bbox.size + 0.5).any(1)
        assert not outside.any(), (name, np.array(words)[outside])
        shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        clashes = np.argwhere(np.triu(shared.min(-1) > 0.5, 1))
        assert not len(clashes), (name, [(words[i], words[j]) for i, j in clashes])


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


NAMED = ("accuracy", "nll", "ece", "memorisation", "profile", "pareto")


def test_lines_are_named_once_in_the_legend_in_the_order_of_the_schema(drawn):
    run, found, _ = drawn
    looks = resolve(run.methods, run.privileges)
    for name, page in found.items():
        kind = name.partition("_")[0]
        if kind in NAMED:
            shown = looks if kind == "pareto" else select_methods(Analysis(run)).shown
            legend = [text.get_text() for text in page.figure.legends[0].get_texts()]
            assert legend[: len(shown)] == [look.label for look in shown.values()]


def test_every_method_has_a_row_or_a_name_in_the_figures_that_compare_all(drawn):
    run, found, _ = drawn
    for name in {"forest", "ranks", "delta", "coverage"} & set(found):
        words = " ".join(texts(found[name].figure)[0]).replace("\n", " ")
        for look in list(resolve(run.methods, run.privileges).values())[1:]:
            assert look.label in words, name


def test_an_incomplete_run_is_noted_on_every_figure(drawn):
    run, found, _ = drawn
    for page in found.values():
        title = page.figure._suptitle
        words = title.get_text() if title else ""
        assert run.note in words
        assert ("incomplete: 24 of 99 cells" in words) == (run.planned == 99)


def test_what_is_not_drawn_says_why_in_a_sentence(drawn):
    run, found, absent = drawn
    assert all(why[0].isupper() and why.endswith((".", ")")) for why in absent.values())
    assert not set(found) & set(absent)
    if run.last.empty:
        assert list(found) == ["coverage"]


@pytest.mark.parametrize("venue", VENUES)
def test_figures_have_the_natural_width_of_their_venue(venue, run):
    page = VENUES[venue]
    with layout.paper_style(page):
        for metric in ("acc", "ece"):
            assert (
                noise_rate.pages(Analysis(run), page, metric)[0].figure.get_figwidth() == page.width
            )
        one = noise_rate.pages(Analysis(run_of_one_noise(run)), page, "acc")[0]
    assert one.figure.get_figwidth() == page.column
    assert (page.width, page.column) == {
        "neurips": (5.5, 5.5),
        "iclr": (5.5, 5.5),
        "icml": (6.75, 3.25),
        "tmlr": (6.5, 6.5),
        "jmlr": (6.0, 6.0),
    }[venue]


def run_of_one_noise(run):
    return replace(run, results=run.results[run.results["noise_kind"] != "asymmetric"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(write(tmp_path_factory.mktemp("points"), Sweep(epochs=2)))


def test_bands_are_t_intervals_over_seeds(run):
    data = noise_rate.points(run, "acc")
    row = data[(data["kind"] == "symmetric") & (data["x"] == 40) & (data["method"] == "elr")].iloc[
        0
    ]
    rows = run.last[(run.last["method"] == "elr") & (run.last["setting"] == "symmetric 40%")]
    low, high = scipy.stats.ttest_1samp(100 * rows["acc"], 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_clean_labels_are_rate_zero_of_every_kind_of_noise(run):
    data = noise_rate.points(run, "nll")
    zero = data[data["x"] == 0].set_index(["kind", "method"])["mean"]
    assert zero["symmetric"].equals(zero["asymmetric"])
    assert "clean" not in set(data["kind"])


def test_the_floor_is_the_mean_over_methods_and_seeds(run):
    data = noise_rate.points(run, "ece")
    clean = run.last[run.last["setting"] == "clean"]
    floors = data.loc[data["x"] == 0, "floor"]
    assert floors.to_numpy() == pytest.approx(100 * clean["ece_floor"].mean())


def test_bands_stay_within_what_is_possible(tmp_path):
    wide = load(write(tmp_path, replace(BRIEF, alter=lambda row: row | {"acc": row["seed"]})))
    data = noise_rate.points(wide, "acc")
    assert (data["low"].min(), data["high"].max()) == (0, 100)


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
    right = round((last["count"] * last["accuracy"]).sum())
    assert top["accuracy"] == pytest.approx(right / last["count"].sum(), abs=1e-7)
    wilson = scipy.stats.binomtest(right, int(last["count"].sum())).proportion_ci(method="wilson")
    assert (top["wilson_low"], top["wilson_high"]) == pytest.approx(tuple(wilson), abs=1e-6)


def test_more_than_four_settings_leave_the_clean_one_out_of_the_curves(tmp_path):
    run = load(write(tmp_path, replace(BRIEF, methods=SIX[:1], seeds=1)))
    with layout.paper_style(VENUE):
        pages = memorisation.pages(Analysis(run), VENUE)
    titles = [axes.get_title() for axes in pages[0].figure.axes if axes.get_title()]
    assert titles == ["asymmetric 20%", "asymmetric 40%", "symmetric 20%", "symmetric 40%"]


def test_drawing_leaves_no_global_setting_behind(run):
    import matplotlib as mpl  # noqa: PLC0415
    import matplotlib.pyplot as plt  # noqa: PLC0415

    before = dict(mpl.rcParams)
    with layout.paper_style(VENUE):
        noise_rate.pages(Analysis(run), VENUE, "acc")
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


def test_no_whisker_of_many_methods_at_one_rate_is_cut_off(tmp_path):
    def spread(row):
        return row | {"acc": row["acc"] - 0.1 * row["seed"] * (row["method"] == "cross_entropy")}

    sweep = Sweep(methods=KNOWN[:14], noises=NOISES[1:2], seeds=3, epochs=1, alter=spread)
    with layout.paper_style(VENUE):
        (drawing,) = noise_rate.pages(Analysis(load(write(tmp_path, sweep))), VENUE, "acc")
    (axes,) = drawing.figure.axes
    low, high = axes.get_ylim()
    ends = [y for bar in axes.containers for y in bar.lines[2][0].get_segments()[0][:, 1]]
    assert len(ends) > 4
    assert low <= min(ends) < drawing.data["mean"].min() - 20
    assert max(ends) <= high

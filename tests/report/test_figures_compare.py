"""The numbers behind the figures that compare methods, each against another way to get them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import (
    coverage,
    critical_difference,
    difference,
    forest,
    layout,
    loss_histogram,
    pareto,
    performance_profile,
    transitions,
)
from benchmarks.report.figures import pages as all_pages
from benchmarks.report.figures.method_selection import select_methods
from benchmarks.report.looks import known_looks, resolve
from benchmarks.report.venues import VENUES
from benchmarks.schema import LOSS_BINS, LOSS_RANGE
from tests.report.folders import NOISES, SIX, Sweep, write

VENUE = VENUES["neurips"]
NINE = ("clean", *(f"{k}(rate={r / 10})" for k in ("symmetric", "asymmetric") for r in range(1, 5)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(write(tmp_path_factory.mktemp("compare"), Sweep(epochs=2)))


def accuracies(run, method, setting):
    rows = run.last[(run.last["method"] == method) & (run.last["setting"] == setting)]
    return 100 * rows.sort_values("seed")["acc"].to_numpy()


def test_the_heat_map_shows_paired_differences_and_hatches_what_holm_does_not_reject(run):
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
    assert set(data.index[difference.significant(data)]) == told
    assert 0 < len(told) < len(p)
    with layout.paper_style(VENUE):
        (page,) = difference.pages(Analysis(run), VENUE, "acc")
    axes = page.figure.axes[0]
    hatched = {(run.methods[1:][box.get_y()], run.settings[box.get_x()]) for box in axes.patches}
    assert hatched == set(p) - told
    words = dict(zip(product(run.methods[1:], run.settings), axes.texts, strict=True))
    for key, text in words.items():
        shown = float(text.get_text().replace("\N{MINUS SIGN}", "-"))
        assert shown == pytest.approx(data.loc[key, "difference"], abs=0.051)


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
    with layout.paper_style(VENUE):
        (both,) = forest.pages(Analysis(run), VENUE)
        (alone,) = forest.pages(Analysis(replace(run, results=kept, settings=one)), VENUE)
    for drawing, expected in ((both, len(run.settings)), (alone, 0)):
        dots = drawing.figure.axes[0].collections[0]
        assert len(dots.get_offsets()) == expected * (len(SIX) - 1)
        texts = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
        assert ("one setting" in texts) == bool(expected)


def test_a_marker_of_the_forest_is_filled_only_beyond_what_matters(run):
    with layout.paper_style(VENUE):
        (drawing,) = forest.pages(Analysis(run), VENUE)
    pooled = drawing.data[(drawing.data["setting"] == "all") & (drawing.data["metric"] == "acc")]
    told = {r["method"] for _, r in pooled.iterrows() if r["low"] > 0.5 or r["high"] < -0.5}
    looks = resolve(run.methods, run.privileges)
    large = [line for line in drawing.figure.axes[0].lines if line.get_markersize() == 4.5]
    filled = {line.get_markerfacecolor() for line in large} - {"white"}
    assert filled == {looks[method].colour for method in told}
    assert 0 < len(told) < len(SIX)


def test_the_front_is_what_nothing_beats_in_both(run):
    random = np.random.default_rng(0)
    cost, gain = random.integers(0, 6, (2, 40)).astype(float)
    beaten = [
        any(
            c <= cost[i] and g >= gain[i] and (c < cost[i] or g > gain[i])
            for c, g in zip(cost, gain, strict=True)
        )
        for i in range(40)
    ]
    assert pareto.front(pd.Series(cost), pd.Series(gain)).tolist() == [not b for b in beaten]
    data = pareto.points(Analysis(run))
    assert data.loc["elr", "acc"] == pytest.approx(
        np.mean([accuracies(run, "elr", s).mean() for s in run.settings])
    )
    assert data["seconds"].idxmax() == "co_teaching"  # two networks
    assert data.loc["co_teaching", "passes"] == 2 * data.loc["gce", "passes"]


def test_several_devices_are_said_not_to_compare(run):
    costs = run.costs.assign(device=["a", "b"] * (len(run.costs) // 2))
    with layout.paper_style(VENUE):
        (one,) = pareto.pages(Analysis(run), VENUE)
        (two,) = pareto.pages(Analysis(replace(run, costs=costs)), VENUE)
        (none,) = pareto.pages(Analysis(replace(run, costs=run.costs.iloc[:0])), VENUE)
    assert "on cpu x" in one.caption
    assert "do not compare" in two.caption
    assert "Times are not known" in none.caption
    assert [len(d.figure.axes) for d in (one, two, none)] == [2, 2, 1]


@pytest.mark.parametrize("seconds", [0.1, np.nextafter(0.1, 0), np.nextafter(0.1, 0.2)])
def test_methods_that_all_cost_the_same_stand_above_each_other(run, seconds):
    costs = run.costs.assign(train_seconds=seconds)  # some become no bounds of a log axis
    with layout.paper_style(VENUE):
        (drawing,) = pareto.pages(Analysis(replace(run, costs=costs)), VENUE)
    low, high = drawing.figure.axes[-1].get_xlim()
    assert low < 0.1 < high


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
    with layout.paper_style(VENUE):
        (page,) = critical_difference.pages(Analysis(wide), VENUE)
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


def test_histograms_are_shares_of_each_kind_beside_the_auroc_of_the_score(run):
    data = loss_histogram.points(run)
    sums = data.groupby(["setting", "method"])[["right", "wrong"]].sum()
    assert sums.to_numpy() == pytest.approx(100)
    scores = run.detection[
        (run.detection["method"] == "elr") & (run.detection["setting"] == "symmetric 40%")
    ]
    here = data[(data["method"] == "elr") & (data["setting"] == "symmetric 40%")]
    assert here["auroc"].to_numpy() == pytest.approx(scores["auroc"].mean())


def test_a_mixture_finds_two_normal_distributions_and_where_they_are_equally_likely():
    draws = np.random.default_rng(0)
    losses = np.exp(np.concatenate([draws.normal(-3, 1, 4000), draws.normal(0.5, 0.6, 2000)]))
    images = np.histogram(losses, np.geomspace(*LOSS_RANGE, LOSS_BINS + 1))[0]
    bins = pd.Series(range(LOSS_BINS))
    fit = loss_histogram.mixture(bins, pd.Series(images))
    for side, weight, mean, sd in (("low", 2 / 3, -3, 1), ("high", 1 / 3, 0.5, 0.6)):
        assert fit[f"weight_{side}"] == pytest.approx(weight, abs=0.02)
        assert np.log(fit[f"median_{side}"]) == pytest.approx(mean, abs=0.05)
        assert fit[f"spread_{side}"] == pytest.approx(sd, rel=0.1)
    low, high = (
        fit[f"weight_{side}"]
        * scipy.stats.norm.pdf(
            np.log(fit["cut"]), np.log(fit[f"median_{side}"]), fit[f"spread_{side}"]
        )
        for side in ("low", "high")
    )
    assert low == pytest.approx(high, rel=0.02)
    beyond = pd.Series(images).where((bins > 0) & (bins < LOSS_BINS - 1), 9000)
    assert loss_histogram.mixture(bins, beyond) == fit
    assert loss_histogram.mixture(bins[:1], beyond[:1]) == {}
    one = loss_histogram.mixture(bins[5:6], pd.Series([100], index=[5]))
    assert np.isnan(one["cut"])


def test_the_figure_draws_the_mixture_that_stands_in_its_numbers(tmp_path):
    sweep = Sweep(methods=SIX[:2], noises=("symmetric(rate=0.4)",), seeds=2, epochs=1)
    with layout.paper_style(VENUE):
        (page,) = loss_histogram.pages(Analysis(load(write(tmp_path, sweep))), VENUE)
    assert len(page.figure.axes) == 2
    for axes, (_, rows) in zip(
        page.figure.axes, page.data.groupby("method", sort=False), strict=True
    ):
        fit = rows.iloc[0]
        low, high, cut = axes.lines
        for line, side in ((low, "low"), (high, "high")):
            peak = np.log(line.get_xdata()[np.argmax(line.get_ydata())])
            assert peak == pytest.approx(np.log(fit[f"median_{side}"]), abs=0.4)
            assert sum(line.get_ydata()) == pytest.approx(100)
        assert set(cut.get_xdata()) == {fit["cut"]}
        assert f"cut {fit['cut']:.2g}" in axes.texts[-1].get_text()


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
    with layout.paper_style(VENUE):
        drawing = transitions.pages(Analysis(run), VENUE)[0]
    row = run.transitions[run.transitions["setting"] == drawing.data["setting"].iloc[0]]
    estimated = [[float(v) for v in text.split()] for text in row.sort_values("label")["estimated"]]
    shown = drawing.figure.axes[1].images[0].get_array()
    assert np.asarray(shown) == pytest.approx(np.array(estimated))
    error = np.asarray(drawing.figure.axes[2].images[0].get_array())
    told = drawing.figure.axes[2].get_xlabel()
    assert told == f"L1 {np.mean([sum(abs(v) for v in line) for line in error]):.3f}"


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
    names = tuple(known_looks())[:30]
    many = load(write(tmp_path, Sweep(names, NOISES[2:3], seeds=2, epochs=2)))
    players = select_methods(Analysis(many))
    means = many.last.groupby("method")["acc"].mean()
    best = {}
    for method in names:
        colour = known_looks()[method].colour
        if colour not in best or means[method] > means[best[colour]]:
            best[colour] = method
    assert set(players.shown) == {*best.values(), "cross_entropy", "label_smoothing"}
    assert set(players.others) == set(names) - set(players.shown)
    assert "grey: the others" in players.note
    few = select_methods(
        Analysis(load(write(tmp_path / "few", Sweep(names[:10], NOISES[2:3], 1, 1))))
    )
    assert (len(few.shown), few.others, few.note) == (10, (), "")


def test_figures_stay_few_however_many_settings_there_are(tmp_path):
    noises = [f"symmetric(rate={r / 100})" for r in range(1, 41)]
    sweep = Sweep(SIX[:3], noises, seeds=1, epochs=1, datasets=("a", "b", "c"))
    wide = load(write(tmp_path, sweep))
    with layout.paper_style(VENUE):
        named = dict(all_pages(Analysis(wide), VENUE, ["delta", "losses"]))
    assert list(named) == ["delta", "delta_2", "losses", "losses_2"]
    assert all("Shown: " in page.caption for page in named.values())

"""What is claimed: one number for each comparison, and none that another method can move."""

from dataclasses import replace
from itertools import combinations

import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from benchmarks.question import MARGINS, Question
from benchmarks.report import claims, macros, render, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load, noise_label
from benchmarks.report.figures import difference, forest, layout, noise_rate, pages
from benchmarks.report.phrases import signed
from benchmarks.report.venues import VENUES
from benchmarks.report.verdict import verdict
from benchmarks.schema import PAIRS, POOLED_KEYS
from tests.report import typeset
from tests.report.folders import SIX, Sweep, analysed, rate_of, stream, write

ASKED = Question("cross_entropy", ("label_smoothing", "reweighting"))
NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)")


def near(row):
    """Bring all methods so close that some tests find a difference and some do not."""
    acc, ece = stream(row["noise"], row["method"], row["seed"]).normal(0, 0.006, 2)
    gain = 0.01 * SIX.index(row["method"])
    return row | {"acc": 0.8 + gain + acc, "ece": 0.2 - gain + ece}


BASE = Sweep(SIX[:4], NOISES, seeds=4, epochs=1, question=ASKED, alter=near)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("claims"), BASE)


def is_asked(one, two):
    return ASKED.reference in {one, two} and bool({one, two} & set(ASKED.candidates))


@pytest.mark.parametrize("metric", ["acc", "ece"])
def test_the_question_is_one_family_and_the_rest_of_a_setting_another(analysis, metric):
    last = analysis.run.last
    table = last.pivot_table(metric, "seed", ["setting", "method"], sort=False)
    families = {}
    for setting in analysis.run.settings:
        for one, two in combinations(BASE.methods, 2):
            p = scipy.stats.ttest_rel(table[setting][one], table[setting][two]).pvalue
            family = "asked" if is_asked(one, two) else setting
            families.setdefault(family, {})[setting, one, two] = p
    assert len(families["asked"]) == len(ASKED.candidates) * len(NOISES)
    for name, raw in families.items():
        confirmatory = name == "asked"
        method = "holm" if confirmatory else "fdr_bh"
        adjusted = multipletests(list(raw.values()), method=method)[1]
        for (setting, one, two), p in zip(raw, adjusted, strict=True):
            for own, other in ((one, two), (two, one)):
                rows = analysis.compared(other, metric)
                rows = rows[(rows["method"] == own) & (rows["setting"] == setting)]
                (row,) = rows.to_dict("records")
                assert row["p_adjusted"] == pytest.approx(p)
                assert row["family"] == ("confirmatory" if confirmatory else "exploratory")
                assert row["tests"] == len(raw)
                gap = (table[setting][own] - table[setting][other]).mean()
                assert row["difference"] == pytest.approx(gap)
                assert (row["outcome"] in {"better", "worse"}) == (p < 0.05)
                if p < 0.05:
                    better = (gap > 0) == (metric == "acc")
                    assert row["outcome"] == ("better" if better else "worse")


def test_a_comparison_has_the_same_number_wherever_it_is_told(analysis):
    table = analysis.all_differences
    rows = table[(table["metric"] == "acc") & (table["reference"] == "cross_entropy")]
    outcomes = set(rows["outcome"])
    assert {"open", "better"} <= outcomes
    text = render.document(verdict(analysis))
    found = typeset.numbers(macros.latex(analysis, "s", []))
    drawn = difference.points(analysis, "cross_entropy", "acc").set_index(["method", "setting"])
    for row in rows.to_dict("records"):
        entry = drawn.loc[row["method"], row["setting"]]
        assert (entry["p_adjusted"], entry["outcome"]) == (row["p_adjusted"], row["outcome"])
        key = f"{row['method']} - cross_entropy", macros.key(row["setting"])
        shown = "<0.001" if row["p_adjusted"] < 0.001 else f"{row['p_adjusted']:.3f}"
        part = "p" if row["method"] in ASKED.candidates else "q"
        assert found[f"acc {part}", *key].removeprefix(r"\ensuremath{").rstrip("}") == shown
        assert found[f"acc {'pq'.replace(part, '')}", *key] == "--"
        if row["method"] in ASKED.candidates:
            assert f"{signed('acc', row['high'])}] {row['outcome']}" in text
    marks = {setting: analysis.marks("acc", setting) for setting in analysis.run.settings}
    for setting, marked in marks.items():
        best = next(method for method, mark in marked.items() if mark == "best")
        for row in analysis.compared(best, "acc").to_dict("records"):
            if row["setting"] == setting:
                told = {"equivalent": "equivalent", "open": "open"}.get(row["outcome"])
                assert marked.get(row["method"]) == told


def with_pairs(folder, **changes):
    """The sweep with a table of pairs, whose rows for ``nll`` are of other seeds."""
    run = load(write(folder, BASE))
    table = run.last.pivot_table(["acc", "nll"], "seed", ["noise", "method"], sort=False)
    rows = []
    for noise in NOISES:
        keys = run.last[run.last["noise"] == noise].iloc[0][list(POOLED_KEYS)].to_dict()
        for metric in ("acc", "nll"):
            own, other = (table[metric][noise][m] for m in ("gce", "cross_entropy"))
            variance = (own - other).var() / 4
            about = {"metric": metric, "seeds": 4 if metric == "acc" else 5, "images": 100}
            about |= {"groups": 100, "difference": (own - other).mean(), "var_seeds": variance}
            about |= {"var_images": 3 * variance, "var_rest": variance, "var_both": 3 * variance}
            rows.append(keys | {"method": "gce", "reference": "cross_entropy"} | about | changes)
    pd.DataFrame(rows, columns=list(PAIRS)).to_csv(folder / "pairs.csv", index=False)
    return Analysis(load(folder)), table


@pytest.mark.parametrize(
    ("changes", "df", "over"),
    [
        ({}, 1 / (0.25 / 3 + 0.75 / 99), "seeds and images"),
        ({"groups": None, "var_images": None, "var_rest": None}, 3, "overlapping splits"),
    ],
)
def test_where_images_are_known_a_claim_is_over_seeds_and_images(tmp_path, changes, df, over):
    analysis, table = with_pairs(tmp_path, **changes)
    for own, other in (("gce", "cross_entropy"), ("cross_entropy", "gce")):
        rows = analysis.compared(other, "acc")
        for row in rows[rows["method"] == own].to_dict("records"):
            gaps = table["acc"][
                next(n for n in NOISES if noise_label(n, rate_of(n)) == row["setting"])
            ]
            gaps = gaps[own] - gaps[other]
            error = (3 * gaps.var() / 4) ** 0.5
            law = scipy.stats.t(df, gaps.mean(), error)
            assert (row["low"], row["high"]) == pytest.approx(law.interval(0.95))
            assert row["p"] == pytest.approx(2 * scipy.stats.t(df).sf(abs(gaps.mean()) / error))
            assert row["p_seeds"] == pytest.approx(scipy.stats.ttest_1samp(gaps, 0).pvalue)
            assert row["over"] == over
    others = pd.concat(
        [analysis.compared("label_smoothing", "acc"), analysis.compared("gce", "nll")]
    )
    assert set(others["over"]) == {"seeds"}
    assert (others["p"] == others["p_seeds"]).all()


@pytest.mark.parametrize(
    "damage",
    [{"groups": 1}, {"var_images": -1.0}, {"var_both": -1.0}, {"var_seeds": 0, "var_images": 0}],
)
def test_a_row_of_pairs_that_cannot_be_is_not_used(tmp_path, damage):
    rows = with_pairs(tmp_path, **damage)[0].compared("cross_entropy", "acc")
    assert set(rows["over"]) == {"seeds"}
    assert (rows["p"] == rows["p_seeds"]).all()


def told(analysis, methods):
    """All numbers that no further method may move: those of the question, floors, intervals."""
    every = analysis.all_differences
    own = every[every["method"].isin(methods) & every["reference"].isin(methods)]
    asked = own[own["family"] == claims.CONFIRMATORY].reset_index(drop=True)
    intervals = [*("method", "reference", "metric", "setting", "n", "difference", "low", "high")]
    ranking = [f"{m}{part}" for m in ("acc", "nll", "ece") for part in ("", "_half")]
    yield asked
    yield own[[*intervals, "p", "detectable"]].reset_index(drop=True)
    yield analysis.ranking.loc[list(methods), [*ranking, "seeds", "settings"]]
    yield pd.Series({key: f for key, f in analysis.floors.items() if key[0] in methods}).to_frame()
    for metric in MARGINS:
        means = analysis.setting_means(metric)
        yield means[means["method"].isin(methods)].reset_index(drop=True)
    drawn = noise_rate.points(analysis.run, "ece")
    yield drawn[drawn["method"].isin(methods)].reset_index(drop=True)
    pooled, _ = forest.points(analysis, ASKED.reference)
    yield pooled.loc[pooled["method"].isin(methods), ["method", "mean", "low", "high"]].reset_index(
        drop=True
    )
    yield analysis.interquartile_means.loc[list(methods)]
    others = [method for method in methods if method != ASKED.reference]
    yield analysis.improvements(ASKED.reference).loc[others]
    yield pd.DataFrame({"verdict": [render.document(verdict(analysis))]})


def failing(row):
    lost = row["method"] == "elr" and row["noise"] != "clean" and row["seed"] > 0
    return near(row) | ({"status": "diverged", "acc": None, "ece": None} if lost else {})


def test_a_candidate_that_fails_makes_no_claim_of_another_easier(tmp_path):
    def alter(row):
        lost = row["method"] == "reweighting"
        return near(row) | ({"status": "diverged", "acc": None} if lost else {})

    alone = analysed(tmp_path, replace(BASE, alter=alter)).differences(ASKED.reference, "acc")
    asked = alone[alone["family"] == claims.CONFIRMATORY]
    assert set(asked["tests"]) == {len(ASKED.candidates) * len(NOISES)}
    raw = [*asked["p"], *[1.0] * len(NOISES)]
    holm = multipletests(raw, method="holm")[1][: len(NOISES)]
    assert asked["p_adjusted"].to_numpy() == pytest.approx(holm)


@pytest.mark.parametrize("case", ["another", "failing", "in fewer settings"])
def test_a_further_method_moves_no_confirmatory_number_no_floor_and_no_interval(
    analysis, tmp_path, case
):
    def alter(row):
        # Floors of its own, which a mean over methods would take in.
        own = {"ece_floor": 0.3} if row["method"] in SIX[4:] else {}
        return (failing if case == "failing" else near)(row) | own

    folder = write(tmp_path, replace(BASE, methods=SIX, alter=alter))
    if case == "in fewer settings":
        results = pd.read_csv(folder / "results.csv", keep_default_na=False)
        absent = (results["method"] == "elr") & (results["noise"] != "clean")
        results[~absent].to_csv(folder / "results.csv", index=False)
    larger = Analysis(load(folder))
    assert len(larger.run.methods) == len(SIX)
    for before, after in zip(told(analysis, BASE.methods), told(larger, BASE.methods), strict=True):
        assert len(before) > 0
        pd.testing.assert_frame_equal(before, after)


def test_no_other_metric_and_no_figure_moves_a_number(tmp_path):
    analysis = analysed(tmp_path, BASE)
    before = [table.copy() for table in told(analysis, BASE.methods)]
    again = Analysis(analysis.run)
    again.compared(ASKED.reference, "fit_clean")
    with layout.paper_style(VENUES["neurips"]):
        list(pages(again, VENUES["neurips"], ["ece", "delta", "forest"]))
    tables.ranking(again)
    for one, two in zip(before, told(again, BASE.methods), strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_the_margin_of_the_question_decides_what_is_equivalent(tmp_path):
    outcomes = []
    for name, margin in (("wide", {"acc": 0.2}), ("narrow", {"acc": 1e-6})):
        question = replace_margin(margin)
        analysis = analysed(tmp_path / name, replace(BASE, question=question))
        rows = analysis.differences(ASKED.reference, "acc")
        outcomes.append(rows.loc[rows["p_adjusted"] > 0.05, "outcome"])
    assert set(outcomes[0]) == {"equivalent"}
    assert set(outcomes[1]) == {"open"}


def replace_margin(margin):
    return Question(ASKED.reference, ASKED.candidates, margin)


def test_a_method_with_the_results_of_another_is_judged_as_that_one(tmp_path):
    """Hard labels under another name: the tests of one are corrected by Holm, of the other too."""
    twin = "label_smoothing(smoothing=0.0)"

    def alter(row):
        own = "cross_entropy" if row["method"] == twin else row["method"]
        draws = stream("twin", own, row["noise"], row["seed"])
        gain = {"gce": 0.02, "elr": 0.012}.get(own, 0.0)
        return row | {"acc": 0.8 + gain + 0.006 * draws.normal()}

    methods = ("cross_entropy", twin, "gce", "elr")
    asked = Question("cross_entropy", ("gce", "elr"))
    sweep = replace(BASE, methods=methods, question=asked, alter=alter)
    analysis = analysed(tmp_path, sweep)
    told = {m: analysis.compared(m, "acc").set_index(["setting", "method"]) for m in methods[:2]}
    names = ["difference", "low", "high", "p_adjusted", "p_equivalent", "family", "outcome"]
    for method in ("gce", "elr"):
        one, two = (each.xs(method, level="method")[names] for each in told.values())
        pd.testing.assert_frame_equal(one, two)
        assert set(one["family"]) == {claims.CONFIRMATORY}
    for setting in analysis.run.settings:
        marks = analysis.marks("acc", setting)
        assert marks.get(methods[0]) == marks.get(twin)
    pair = told["cross_entropy"].xs(twin, level="method")
    assert set(pair["family"]) == {claims.EXPLORATORY}

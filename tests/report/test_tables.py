"""Tables, checklist and macros of a report against scipy and statsmodels, and what is refused."""

import gzip
import re
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from benchmarks.errors import RefusedError
from benchmarks.question import MARGINS, Question
from benchmarks.report import build, document, latex, macros, render, stats, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.checklist import checklist
from benchmarks.report.data import load
from benchmarks.report.figures import wins
from benchmarks.report.phrases import DEPENDENT
from benchmarks.report.venues import VENUES
from benchmarks.schema import COSTS, LATER_METRICS
from tests.report.folders import SIX, Sweep, analysed, stream, write

SMALL = Sweep(methods=SIX[:3], noises=("clean", "symmetric(rate=0.4)"), seeds=4, epochs=1)
MANY = Sweep(
    methods=SIX[:4],
    noises=("clean", *(f"symmetric(rate=0.{k})" for k in range(1, 5))),
    datasets=("digits", "mnist"),
    epochs=1,
)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("tables"), Sweep(epochs=1))


def by_seed(run, method, metric):
    rows = run.last[run.last["method"] == method].dropna(subset=[metric])
    return rows.groupby("seed")[metric].mean().to_numpy()


@pytest.mark.parametrize("metric", ["acc", "nll", "ece", "mem_frac"])
def test_the_ranking_averages_settings_within_a_seed_then_seeds(full, metric):
    numbers = tables.ranking(full).numbers
    assert numbers["acc"].is_monotonic_decreasing
    for method in SIX:
        values = by_seed(full.run, method, metric)
        low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
        row = numbers.loc[method]
        assert row[metric] == pytest.approx(values.mean())
        assert row[f"{metric}_half"] == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("metric", ["acc", "nll", "ece"])
def test_marks_say_what_is_equivalent_to_the_best_and_what_is_not_resolved(tmp_path, metric):
    def alter(row):
        own = stream(row["noise"], row["method"], row["seed"]).normal(0, (0.002, 0.004, 0.001))
        apart = {"gce": 0.003, "elr": 0.012, "co_teaching": 0.2}.get(row["method"], 0)
        acc, nll, ece = own + np.array([-1, 1, 1]) * apart + 0.5
        return row | {"acc": acc, "nll": nll, "ece": ece}

    analysis = analysed(tmp_path, Sweep(epochs=1, alter=alter))
    values = {method: by_seed(analysis.run, method, metric) for method in SIX}
    best = (max if metric == "acc" else min)(SIX, key=lambda m: values[m].mean())
    pairs = list(combinations(SIX, 2))
    margin = MARGINS[metric]
    p = [scipy.stats.ttest_rel(values[a], values[b]).pvalue for a, b in pairs]
    same = [ttost_paired(values[a], values[b], -margin, margin)[0] for a, b in pairs]
    told = {}
    for (a, b), differs, equal in zip(pairs, fdr(p), fdr(same), strict=True):
        if best in {a, b}:
            other = b if a == best else a
            told[other] = "equivalent" if equal else "" if differs else "open"
    assert {"equivalent", ""} <= set(told.values())
    assert analysis.marks(metric) == {best: "best"} | {m: mark for m, mark in told.items() if mark}


def fdr(p):
    return multipletests(p, alpha=0.05, method="fdr_bh")[0]


def test_what_lost_runs_or_is_within_chance_is_never_marked(tmp_path):
    """Neither a method that predicts one class, nor one whose interval reaches chance."""
    fates = dict(zip(SIX, ("", "", "lost", "constant", "wide", ""), strict=True))

    def alter(row):
        fate, seed = fates[row["method"]], row["seed"]
        acc = {"constant": 0.103, "wide": (0.1, 0.9, 0.9)[seed]}.get(fate, 0.8 + 0.01 * seed)
        lost = fate == "lost" and seed == 1 and row["noise"] != "clean"
        flattering = {"ece": 0.001 * (1 + seed)} if fate else {"ece": 0.2 + 0.01 * seed}
        gone = {"status": "diverged", "acc": None, "ece": None}
        return row | flattering | {"acc": acc} | (gone if lost else {})

    asked = Question(SIX[0], SIX[1:2])
    analysis = analysed(tmp_path, replace(SMALL, methods=SIX, seeds=3, alter=alter, question=asked))
    for metric, setting in product(("acc", "ece"), (None, *analysis.run.settings)):
        out = {m for m, mark in analysis.marks(metric, setting).items() if mark == "out"}
        wanted = {"constant", "wide"} | ({"lost"} if setting != "clean" else set())
        assert {fates[method] for method in out} == wanted
        best = {m for m, mark in analysis.marks(metric, setting).items() if mark == "best"}
        assert best
        assert not {fates[method] for method in best} & wanted
    table = tables.ranking(analysis)
    code = latex.table("x", table, latex.context_of(analysis, VENUES["neurips"]))
    assert r"\textcolor{gray}{" in code
    assert "% needs \\usepackage{xcolor}" in code
    assert '<span class="out">' in render.html(table)
    assert "<sub>" in render.markdown(table)
    assert "x lost runs, or within chance" in render.legend(table, analysis.run.words)


def test_the_families_of_the_methods_are_explained(tmp_path):
    text = document._protocol(analysed(tmp_path, SMALL))
    shown = "baseline: the usual training that the others are compared with; targets: labels soft"
    assert f"Families of methods, as figures colour them: {shown}" in text
    assert "early: early learning kept" not in text


def test_ranks_are_within_a_seed_share_ties_and_put_the_unfinished_last(tmp_path):
    table = {"clean": [[9, 8, 7], [9, 9, 7]], "symmetric(rate=0.4)": [[5, 6, 0], [5, 8, 4]]}

    def alter(row):
        place = SIX.index(row["method"])
        acc = table[row["noise"]][row["seed"]][place]
        return row | {"acc": acc / 10, "status": "done" if acc else "failed"}

    analysis = analysed(tmp_path, replace(SMALL, seeds=2, alter=alter))
    assert analysis.seed_ranks.to_numpy().tolist() == [[1.5, 1.5, 3.0], [1.75, 1.25, 3.0]]
    ranks = dict(zip(SIX, (1.625, 1.375, 3.0), strict=False))
    assert analysis.ranking["rank"].to_dict() == ranks
    assert wins.points(analysis).set_index("method")["rank"].to_dict() == ranks


def test_failing_where_it_is_hard_wins_a_method_nothing(tmp_path):
    def alter(row):
        fails = row["method"] == "reweighting" and row["noise"] != "clean" and row["seed"] == 0
        return row | ({"status": "diverged", "acc": None} if fails else {})

    analysis = analysed(tmp_path, replace(SMALL, alter=alter))
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
    mean = wide(full, "elr", "symmetric 40%").mean()
    assert table.text.loc["ELR", "symmetric 40%"].startswith(f"{100 * mean:.1f} ± ")
    assert list(table.text.columns) == list(full.run.settings)


def test_an_ece_stands_beside_the_floor_of_its_method_in_its_setting(tmp_path):
    def alter(row):
        floor = 0.01 * (1 + SIX.index(row["method"])) * (2 if row["noise_rate"] else 1)
        return row | {"ece_floor": floor + 0.002 * row["seed"]}

    table = tables.by_setting(analysed(tmp_path, replace(SMALL, alter=alter)), "ece")
    for label, floors in (("Label smoothing", "2.3 4.3"), ("Importance reweighting", "3.3 6.3")):
        shown = [entry.split(" / ")[1] for entry in table.text.loc[label]]
        assert shown == floors.split()
    assert any("the floor" in note for note in table.notes)


def test_detection_averages_noisy_settings_only(full):
    table = tables.detection(full)
    assert len(table.text) == len(SIX)
    row = table.numbers[table.numbers["method"] == "elr"].iloc[0]
    values = full.run.detection[full.run.detection["method"] == "elr"].dropna(subset=["auroc"])
    assert row["auroc"] == pytest.approx(values.groupby("seed")["auroc"].mean().mean())
    assert row["chance"] == pytest.approx(0.3)
    assert row["missed"] == pytest.approx(1 - row["auroc"])
    assert table.text["Missed"].str.contains("±").all()


def test_markdown_has_whole_rows_and_the_terminals_columns_line_up(full):
    table = tables.ranking(full)
    lines = render.markdown(table).split("\n\n")[0].splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "**" in lines[2]
    lines = render.plain(table).splitlines()
    assert len(lines) == 1 + len(SIX)
    assert len({line.index("/") for line in lines[1:]}) == 1


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("many"), MANY)


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


def test_pairs_with_different_labels_are_refused_over_all_methods_too(tmp_path):
    def alter(row):
        other = row["method"] == "reweighting" and row["seed"] == 2
        return row | ({"noise_sha256": "another"} if other else {})

    analysis = analysed(tmp_path, replace(SMALL, alter=alter))
    with pytest.raises(RefusedError, match=r"different labels at digits, .*seed 2"):
        analysis.differences("cross_entropy", "acc")


def test_few_settings_get_a_sentence_in_place_of_tests(small):
    assert tables.probabilities(small) is None
    text = tables.over_settings(small)
    assert text.startswith("No test over settings, and no critical-difference diagram")
    assert "there are 2." in text
    assert "p = 0.5" in text


def test_many_settings_get_ranks_probabilities_and_a_value_for_each_dataset(many):
    assert "Friedman's test that all methods rank alike, p" in tables.over_settings(many)
    table = tables.probabilities(many)
    assert DEPENDENT in tables.over_settings(many)
    assert DEPENDENT in table.notes[-1]
    rows = table.numbers
    assert (rows["n"] == 10).all()
    assert np.allclose(rows[["better", "same", "worse"]].sum(axis=1), 1)
    gce = rows[(rows["method"] == "gce") & (rows["reference"] == "cross_entropy")]
    means = many.scores("ece")
    gaps = (means["gce"] - means["cross_entropy"]).to_numpy()
    ours = gce[gce["metric"] == "ece"].iloc[0]
    expected = stats.signed_rank(-gaps, 0.005)  # a smaller error is better
    assert ours["better"] == pytest.approx(expected.above, abs=0.02)
    by_dataset = tables.datasets(many)
    assert list(by_dataset.text.columns) == ["digits", "mnist", "Over datasets"]
    assert tables.datasets(many).numbers["settings"].tolist() == [5] * 6


def test_the_aggregate_is_of_scipy_and_plain_counts(small):
    numbers = tables.aggregate(small).numbers
    every = {m: np.array([wide(small, m, s) for s in small.run.settings]) for m in SIX[:3]}
    for method, values in every.items():
        iqm = scipy.stats.trim_mean(values, 0.25).mean()
        assert numbers.loc[method, "iqm"] == pytest.approx(iqm)
    won = np.mean(every["reweighting"] > every["cross_entropy"])
    assert numbers.loc["reweighting", "better_than_cross_entropy"] == pytest.approx(won)
    near = np.max(list(every.values()), axis=0) - every["label_smoothing"] <= 0.01
    assert numbers.loc["label_smoothing", "near"] == pytest.approx(np.mean(near))


def test_neighbours_in_the_ranking_are_told_how_many_seeds_find_one_point(tmp_path):
    gain = {"cross_entropy": 0.0, "label_smoothing": 0.01, "reweighting": 0.1}

    def alter(row):
        wobble = 0.02 * np.sin(row["seed"] * (2 + len(row["method"])) + len(row["noise"]))
        return row | {"acc": 0.6 + gain[row["method"]] + wobble}

    run = analysed(tmp_path / "near", replace(SMALL, seeds=5, alter=alter))
    table = tables.neighbours(run)
    row = table.numbers.iloc[1]
    means = {m: np.mean([wide(run, m, s) for s in run.run.settings], axis=0) for m in SIX[:2]}
    d = means["label_smoothing"] - means["cross_entropy"]
    theirs = TTestPower().solve_power(0.01 / d.std(ddof=1), None, 0.05, 0.8)
    assert row["seeds"] == int(np.ceil(theirs))
    assert table.text["Seeds for 1 point"].iloc[1] == f"{row['seeds']:.0f}"
    gain["label_smoothing"] = 0.05  # the difference seen is another, and the seeds are the same
    far = tables.neighbours(analysed(tmp_path / "far", replace(SMALL, seeds=5, alter=alter)))
    assert far.numbers["difference"].iloc[1] > 3 * row["difference"]
    assert far.numbers["seeds"].iloc[1] == row["seeds"]
    one = analysed(tmp_path / "one", replace(SMALL, seeds=1))
    assert tables.neighbours(one) is None


def answers(run):
    return {item.statement: item for item in checklist(run)}


def test_the_checklist_answers_from_the_data(small):
    items = answers(small)
    assert len(items) == 20
    assert items["Every planned cell finished"].holds is True
    assert items["Every method saw the same noisy labels"].holds is True
    assert items["At least 5 seeds behind every mean"].holds is False
    assert items["Settings come from more than one dataset"].holds is False
    assert items["Every method took the same compute"].holds is None
    assert items["One commit of this code, nothing uncommitted"].holds is None


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
        ("No method was given clean or outside knowledge", {"privileges": "T"}, "gce"),
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
    for folder, change, holds in (("before", sweep.alter, True), ("after", alter, False)):
        analysis = analysed(tmp_path / folder, replace(sweep, alter=change))
        assert answers(analysis)[statement].holds is holds


def with_costs(folder, forward, backward):
    cells = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id")
    factor = np.where(cells["method"] == "reweighting", 2, 1) * cells["n_train"]
    costs = pd.DataFrame(columns=list(COSTS))
    costs["cell_id"], costs["status"] = cells["cell_id"], "done"
    costs["forward_passes"], costs["backward_passes"] = forward * factor, backward * factor
    costs["state_mb"] = 0.25 * factor / cells["n_train"]
    costs["commit"] = "abc-dirty"
    costs.to_csv(folder / "costs.csv", index=False)
    return folder


def test_compute_stands_beside_the_ranking(tmp_path):
    run = Analysis(load(with_costs(write(tmp_path, SMALL), 1, 1)))
    table = tables.ranking(run)
    costs = dict(zip(table.numbers.index, table.text["Cost"], strict=True))
    assert costs == {"cross_entropy": "1", "label_smoothing": "1", "reweighting": "2"}
    assert any(note.startswith("Cost: passes of images") for note in table.notes)
    states = dict(zip(table.numbers.index, table.text["State MB"], strict=True))
    assert states == {"cross_entropy": "0.25", "label_smoothing": "0.25", "reweighting": "0.5"}
    assert any(note.startswith("State: what a cell keeps") for note in table.notes)
    costly = Analysis(load(with_costs(write(tmp_path / "costly", SMALL), 2, 1)))
    assert costly.costs["cost"].tolist() == pytest.approx([4 / 3, 4 / 3, 8 / 3])
    items = answers(run)
    assert items["Every method took the same compute"].holds is False
    assert "Importance reweighting 2 times" in items["Every method took the same compute"].evidence
    assert items["One commit of this code, nothing uncommitted"].holds is False


def test_every_table_of_an_unfinished_sweep_says_so_first(tmp_path):
    run = analysed(tmp_path, replace(SMALL, planned=99))
    notes = {name: table.notes[0] for name, table in document._tables(run).items()}
    assert len(notes) == 7
    assert set(notes.values()) == {"Incomplete: 24 of 99 cells."}


def test_a_setting_that_lost_seeds_says_how_many_are_left(tmp_path):
    def alter(row):
        lost = row["method"] == "reweighting" and row["seed"] < 1 + 3 * (row["noise"] == "clean")
        return row | ({"status": "diverged", "nll": None} if lost else {})

    table = tables.by_setting(analysed(tmp_path, replace(SMALL, alter=alter)), "nll")
    cells = table.text.loc["Importance reweighting"]
    assert cells["clean"] == "-- [0/4]"
    assert cells["symmetric 40%"].endswith(" [3/4]")
    assert "NLL in nats" in table.notes[0]
    assert "over n = 4 seeds" in table.notes[0]


def test_one_seed_tells_nothing_from_the_best(tmp_path):
    analysis = analysed(tmp_path, replace(SMALL, seeds=1))
    assert sorted(analysis.marks("acc").values()) == ["best", "open", "open"]


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
    analysis = analysed(tmp_path, replace(SMALL, **changes))
    shown = document._tables(analysis)
    text = render.document([*document._statistics(analysis, shown), document._checks(analysis)])
    assert "nan" not in re.sub("[a-z]nan|nan[a-z]", "", text)
    assert "nan" not in macros.latex(analysis, "s", shown.values())
    for table in shown.values():
        assert table.text.shape == table.marks.shape


def test_an_epoch_that_noisy_labels_chose_is_no_choice_on_test(tmp_path):
    def alter(row):
        stops = {SIX[2]: "val", SIX[3]: "label_wave"}
        stopped = row["selection"] in {"last", stops.get(row["method"])}
        epochs = {SIX[2]: 1, SIX[3]: 2} if stopped else {}
        return row | {"epoch": epochs.get(row["method"], row["epoch"])}

    selections = ("last", "val", "label_wave", "oracle")
    sweep = replace(SMALL, methods=SIX[:4], epochs=4, selections=selections, alter=alter)
    analysis = analysed(tmp_path, sweep)
    statement = "The headline is the last epoch, not the best on test"
    item, n = answers(analysis)[statement], sweep.seeds * len(sweep.noises)
    assert item.holds is True
    assert item.evidence.startswith(
        f"{2 * n} cells of {4 * n} at their last epoch, "
        f"{n} where noisy validation labels stopped them and {n} where Label Wave stopped them"
    )
    protocol = document._protocol(analysis)
    assert "the last epoch (4; 1 to 2 where a method stops itself); test labels" in protocol

    first = {"last": 1}
    early = replace(sweep, alter=lambda row: row | {"epoch": first.get(row["selection"], 4)})
    item = answers(analysed(tmp_path / "early", early))[statement]
    assert item.holds is False
    assert "before it, for no known reason" in item.evidence


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            *("curves", lambda t: t.rename(columns={"nll": "loss"})),
            "curves.csv does not have .* lacks nll and has the unknown loss",
        ),
        ("results", lambda t: t.assign(acc="high"), "has text in its column of numbers acc"),
        ("results", lambda t: t.assign(acc=2), r"row 0: acc must be a number in \[0, 1\], got 2"),
        ("curves", lambda t: t.assign(seed=1.5), "seed must be a whole number from 0, got 1.5"),
        ("results", lambda t: t.assign(n_train=-1), "n_train must be a whole number from 1, got"),
        ("results", lambda t: t.assign(ece="inf"), "has an infinite number in its column ece"),
        (
            "results",
            lambda t: pd.concat([t, t.head(1)]),
            "two rows for cross_entropy, clean",
        ),
        ("results", lambda t: t.head(0), "no cell has ended yet"),
    ],
)
def test_a_table_that_is_not_whole_is_refused_by_name(tmp_path, name, change, message):
    path = write(tmp_path, SMALL) / f"{name}.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(RefusedError, match=message):
        load(tmp_path)


def test_foreign_columns_are_told_in_one_line_whatever_they_are_called(tmp_path):
    path = write(tmp_path, SMALL) / "results.csv"
    odd = ["a\nb", "c\r\nd", "e\tf", "g" * 900]
    pd.read_csv(path).assign(**dict.fromkeys(odd, 0)).to_csv(path, index=False)
    with pytest.raises(RefusedError, match="it has the unknown a b, c d, e f, ggg") as caught:
        load(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < len(str(path)) + 300


def test_a_missing_table_and_a_plan_that_is_none_are_refused(tmp_path):
    (write(tmp_path, SMALL) / "plan.json").write_text("[1, 2]")
    with pytest.raises(RefusedError, match=r"plan\.json is damaged"):
        load(tmp_path)
    for name in ("bins.csv", "results.csv"):
        (tmp_path / name).unlink()
        with pytest.raises(RefusedError, match=f"{name} is missing"):
            build(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"no archive", gzip.compress(b"cell_id,dataset\n" * 99, mtime=0)[:-20]],
    ids=["foreign", "truncated"],
)
def test_a_damaged_archive_of_a_table_is_refused(tmp_path, data):
    folder = write(tmp_path, SMALL)
    (folder / "curves.csv").unlink()
    (folder / "curves.csv.gz").write_bytes(data)
    with pytest.raises(RefusedError, match=r"curves\.csv\.gz cannot be read"):
        load(folder)


def test_a_table_that_is_parted_by_semicolons_is_told_in_one_line(tmp_path):
    folder = write(tmp_path, SMALL)
    text = (folder / "results.csv").read_text().splitlines()
    (folder / "results.csv").write_text("\n".join([text[0].replace(",", ";"), "a", "b,c", ""]))
    with pytest.raises(RefusedError, match=r"results\.csv cannot be read: .*") as refused:
        load(folder)
    assert "\n" not in str(refused.value)


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

"""The first screen: what a report is about, what it says in plain words, and the guide."""

from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.question import Question
from benchmarks.report import guide, latex, provenance, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.checklist import checklist
from benchmarks.report.data import load
from benchmarks.report.opening import first_screen
from benchmarks.report.venues import VENUES
from tests.report.folders import SIX, Sweep, stamp, write

RATES = tuple(f"symmetric(rate={rate})" for rate in (0.1, 0.2, 0.3, 0.4))
NOISES = ("clean", *RATES, "asymmetric(rate=0.4)")
GAINS = {"gce": 0.10, "elr": 0.2, "co_teaching": 0.3, "reweighting": 0.4}
ASKED = Question("cross_entropy", ("label_smoothing",))


def alter(row):
    """ELR is best up to 20%, GCE at 30%, reweighting loses a run, co-teaching is told the rate."""
    gain = GAINS.get(row["method"], 0.0)
    if row["method"] == "gce" and row["noise"] == RATES[2]:
        gain = 0.25
    if row["method"] == "label_smoothing":
        gain = 0.05 if row["noise"] != "clean" else 0.0
    if row["noise"] == "clean":
        gain /= 10
    acc = 0.5 + gain + 1e-3 * ((7 * row["seed"] + len(row["method"])) % 5)
    lost = row["method"] == "reweighting" and row["noise"] == RATES[0] and row["seed"] == 0
    collapsed = row["method"] == "reweighting" and row["noise"] != RATES[0]
    change = {"acc": 0.1 if collapsed else acc, "ece": acc / 10, "mem_frac": 0.5 - gain}
    return row | change | ({"status": "failed"} if lost else {})


SWEEP = Sweep(SIX, NOISES, epochs=2, seeds=3, question=ASKED, planned=108, alter=alter)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    folder = stamp(write(tmp_path_factory.mktemp("opening"), SWEEP))
    costs = pd.read_csv(folder / "costs.csv")
    cells = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id").set_index("cell_id")
    times = cells["method"].map({"elr": 1.0, "gce": 3.0}).fillna(1.5) * cells["n_train"] * 2
    costs["forward_passes"] = costs["backward_passes"] = costs["cell_id"].map(times)
    costs.to_csv(folder / "costs.csv", index=False)
    return Analysis(load(folder))


def test_the_guide_joins_rates_and_never_takes_what_failed_collapsed_or_was_told(analysis):
    picks = guide.choices(analysis)
    first = {pick.setting: pick.method for pick in picks}
    assert first.pop("symmetric 30%") == "gce"
    assert set(first.values()) == {"elr"}
    table = guide.table(analysis, picks)
    assert table.text.index.tolist() == [
        *("clean", "asymmetric 40%", "symmetric 10 to 20%", "symmetric 30%", "symmetric 40%")
    ]
    row = table.text.loc["symmetric 10 to 20%"]
    assert row["First choice"] == "ELR"
    assert row["Accuracy %"] == "70.2 / 70.2"
    assert row["Cost"] == "1"
    assert table.text["Cost"]["symmetric 30%"] == "3"
    assert row["Better by clean knowledge"] == "Co-teaching\N{DOUBLE DAGGER}"
    assert row["Hard labels %"] == "50.2 / 50.2"
    assert any("given clean knowledge (Co-teaching: rate)" in note for note in table.notes)
    assert any("lost runs or are within chance: Importance reweighting" in n for n in table.notes)
    assert table.numbers["difference"].between(0.01, 0.3).all()  # over hard labels


def test_what_is_not_resolved_is_named_with_the_rates_where_it_is_not(tmp_path):
    def near(row):
        gap = {"gce": 0.001, "elr": 0.0}.get(row["method"], 0.1)
        if row["method"] == "gce" and row["noise"] == RATES[1]:
            gap = 0.2
        size = {0.0: 0.0, 0.001: 0.02}.get(gap, 0.002)
        wobble = size * ((3 * row["seed"] + len(row["method"])) % 4 - 1.5)
        return row | {"acc": 0.9 - gap + wobble}

    sweep = Sweep((SIX[0], "gce", "elr"), RATES[:2], epochs=1, seeds=4, alter=near)
    analysis = Analysis(load(write(tmp_path, sweep)))
    (row,) = guide.table(analysis, guide.choices(analysis)).text.to_dict("records")
    assert row["First choice"] == "ELR"
    assert row["Not resolved from it"] == "GCE (10%)"


def test_a_told_method_is_better_only_where_that_is_shown_and_cheap_ones_have_their_noise(tmp_path):
    def near(row):
        first, second = row["noise"] == RATES[0], row["noise"] == RATES[3]
        gain = {"reweighting": 0.1, "co_teaching": 0.2 if first else 0.11}.get(row["method"], 0.0)
        gain += 0.05 * (row["method"] == ("gce" if first else "elr"))
        size = 0.001 if row["method"] != "co_teaching" else 0.03 if second else -0.002
        wobble = size * ((3 * row["seed"] + len(row["method"])) % 4 - 1.5)
        return row | {"acc": 0.6 + gain + wobble}

    sweep = Sweep((SIX[0], *SIX[2:]), (RATES[0], RATES[3]), epochs=1, seeds=4, alter=near)
    folder = write(tmp_path, sweep)
    costs = pd.read_csv(folder / "costs.csv")
    cells = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id").set_index("cell_id")
    times = cells["method"].map({"reweighting": 2.0}).fillna(1.0) * cells["n_train"]
    costs["forward_passes"] = costs["backward_passes"] = costs["cell_id"].map(times)
    costs.to_csv(folder / "costs.csv", index=False)
    first = first_screen(Analysis(load(folder)))
    (row,), told = first.guide.text.to_dict("records"), "Co-teaching\N{DOUBLE DAGGER}"
    assert row["Better by clean knowledge"] == f"{told} (10%)"
    assert row["Not resolved from it"].startswith(f"{told} (40%)")
    assert first.summary[1] == (
        "Where that costs more than hard labels, the best at no more cost is GCE for symmetric 10% "
        "(65.0%) and ELR for symmetric 40% (65.0%)."
    )


def test_a_told_method_is_the_first_choice_only_where_nothing_else_is(tmp_path):
    sweep = replace(SWEEP, methods=("co_teaching",), noises=RATES[:1], question=None, planned=None)
    analysis = Analysis(load(write(tmp_path, sweep)))
    first = first_screen(analysis)
    assert first.guide.text["First choice"].tolist() == ["Co-teaching\N{DOUBLE DAGGER}"]
    assert "is Co-teaching\N{DOUBLE DAGGER} (given clean knowledge):" in first.summary[0]


def test_the_first_screen_says_what_was_trained_on_what_and_answers(analysis):
    first = first_screen(analysis)
    assert first.title == "s: Label smoothing against hard labels on digits"
    for words in (
        "Question: Does Label smoothing differ from hard labels?",
        "Data: digits, 1,000 images to train on and 2,000 to test on.",
        "Model: mlp. Recipe: short (2 epochs).",
        "Noise: clean, asymmetric 40%, symmetric 10, 20, 30 and 40%.",
        "Seeds: 3 (0 to 2).",
        "Trained: 2026-01-01 to 2026-01-03, commit 0123456789ab",
    ):
        assert words in first.about
    assert len(first.summary) == 5
    noisy, cheap, clean, answer, calibration = first.summary
    assert noisy == (
        "With wrong labels the first choice depends on the noise: ELR (asymmetric 40%, symmetric "
        "10 to 20%, symmetric 40%); GCE (symmetric 30%). Its accuracy is 70.2 to 75.2%, that of "
        "hard labels 50.2%."
    )
    assert cheap == (
        "Where that costs more than hard labels, the best at no more cost is ELR for symmetric 30% "
        "(70.2%)."
    )
    assert clean == (
        "Without wrong labels the first choice is ELR, 52.2%; hard labels and GCE are not shown to "
        "be worse."
    )
    assert answer == (
        "Label smoothing against hard labels: more accurate in 5 of 6 settings (by 5.0 points) and "
        "no difference detected in 1; it ranks 4 of 6 by mean accuracy and memorises 45.8% of the "
        "wrong labels, hard labels 50.0%."
    )
    assert calibration == (
        "Its calibration error (ECE): higher in 5 of 6 settings (by 0.5 points) and equivalent "
        "in 1."
    )


def test_features_are_called_by_their_images_and_their_network(tmp_path):
    data = ("embedded", "embedded(dataset='svhn')", "digits")
    sweep = replace(SWEEP, methods=SIX[:2], datasets=data, noises=RATES[:1], planned=None, seeds=1)
    run = load(write(tmp_path, sweep))
    net = "backbone='random_conv(patches=8, side=6)')"
    spelled = {
        name: f"embedded(dataset={d!r}, {net}"
        for name, d in zip(data[:2], ("a", "svhn"), strict=True)
    }
    first = first_screen(Analysis(replace(run, spelled=spelled)))
    assert first.title.endswith(
        "on digits, features of a by random_conv, features of svhn by random_conv"
    )
    assert "Data: digits, 1,000 images to train on and 2,000 to test on" in first.about
    assert "features of a by random_conv, 1,000 images" in first.about
    analysis = Analysis(replace(run, spelled=spelled))
    called = "digits, features of a by random_conv and features of svhn by random_conv"
    asked = {item.statement: item.evidence for item in checklist(analysis)}
    assert asked["Settings come from more than one dataset"] == called
    assert "features of a by random_conv, 2000 images" in asked["Every test image was evaluated"]
    table = tables.datasets(analysis)
    assert list(table.text)[:-1] == list(analysis.run.images.values())
    assert {*table.numbers["dataset"]} == {*data}
    assert "features of a by random_conv: not recorded" in str(provenance.section(analysis.run))
    two = replace(run, spelled=spelled).restricted(run.methods, run.settings[1:])
    assert "svhn by random_conv" in latex.context_of(Analysis(two), VENUES["neurips"]).about
    alike = dict.fromkeys(data[:2], f"embedded(dataset='a', {net}")
    assert replace(run, spelled=alike).images == {name: name for name in data}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"status": "failed"}, "No method finished with more than chance, so there is nothing"),
        ({"seeds": 1, "noises": RATES[:1]}, "Label smoothing against hard labels: not enough"),
    ],
)
def test_where_nothing_can_be_recommended_or_judged_one_sentence_says_so(tmp_path, changes, line):
    sweep = replace(SWEEP, methods=SIX[:2], planned=None, alter=lambda row: row, **changes)
    first = first_screen(Analysis(load(write(tmp_path, sweep))))
    assert any(each.startswith(line) for each in first.summary)
    assert (first.guide is None) == ("status" in changes)


def test_hard_labels_are_not_set_beside_themselves_nor_asked_what_others_are(
    tmp_path,
):
    asked = Question("cross_entropy", ("label_smoothing",))
    sweep = replace(
        SWEEP, methods=("cross_entropy", "gce"), noises=RATES[:1], planned=None, question=asked
    )
    sweep = replace(sweep, alter=lambda row: row | {"acc": 0.9 - 0.1 * (row["method"] == "gce")})
    first = first_screen(Analysis(load(write(tmp_path, sweep))))
    assert "No question was asked of these methods before the run." in first.about
    assert first.summary[0] == (
        "With wrong labels the first choice is hard labels: its accuracy is 90.0%."
    )

"""A noise from a file states no rate: it stands at the share of labels that came out wrong."""

import re

import pandas as pd
import pytest

from benchmarks.report import build, document
from benchmarks.report.data import load
from benchmarks.report.figures import noise_rate
from tests.report.folders import Sweep, write

FILE = "labels(file='my rate=0.3, v2/labels.npy')"  # a name that looks like a rate
REALISED = {"digits": 0.37, "mnist": 0.21}


def alter(row):
    if row["noise"] == FILE:
        row |= {"noise_rate_realised": REALISED[row["dataset"]] + 0.01 * (row["seed"] - 1)}
    return row


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("nameless")
    noises = ("clean", "symmetric(rate=0.2)", FILE)
    sweep = Sweep(
        ("cross_entropy", "elr"), noises, seeds=3, epochs=2, datasets=tuple(REALISED), alter=alter
    )
    write(made, sweep)
    for path in set(made.glob("*.csv")) - {made / "costs.csv"}:
        table = pd.read_csv(path)
        table.loc[table["noise"] == FILE, "noise_rate"] = None
        table.to_csv(path, index=False)
    return made


def test_its_name_is_its_spec_and_its_place_the_realised_rate_of_the_dataset(folder):
    run = load(folder)
    rows = run.last[run.last["noise"] == FILE]
    assert set(rows["kind"]) == set(rows["panel"]) == {FILE}
    assert set(rows["setting"]) == {f"{name}, {FILE}" for name in REALISED}
    for dataset, realised in REALISED.items():
        assert rows.loc[rows["dataset"] == dataset, "x"].tolist() == pytest.approx([realised] * 6)


def test_a_figure_shows_it_where_it_stands(folder):
    points = noise_rate.points(load(folder), "acc")
    seen = points[points["kind"] == FILE].groupby("arena")["x"].unique()
    for dataset, realised in REALISED.items():
        assert list(seen[dataset]) == pytest.approx([0, 100 * realised])


def test_its_report_says_which_rate_is_meant(folder, monkeypatch):
    monkeypatch.setattr(document, "kinds", lambda _metrics: ["accuracy"])
    built = build(folder)
    text = (built.folder / "report.md").read_text(encoding="utf-8")
    assert FILE in text
    assert "against the share of wrong training labels" in text
    assert not re.search(r"\bnan\b", text)

"""A run on two tables of pictures: of one all clean labels are known, of the other none."""

import csv
import re

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from PIL import Image

from tests.system.test_audit_path import done, printed
from tests.system.test_unknown_truth import CLAIMS

KNOWN, MINE = (
    "table(file='known.csv', test=0.4, size=8)",
    "table(file='mine.csv', test=0.4, size=8)",
)
NAMES = ["zero", "one", "two"]


def draw(folder, name, places, given, true=None):
    """Pictures of digits, and a table of their labels."""
    digits = sklearn.datasets.load_digits()
    with (folder / f"{name}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", *(["clean_label"] if true is not None else [])])
        for number, place in enumerate(places):
            path = f"{name}-{number}.png"
            Image.fromarray((digits.images[place] * 15).astype(np.uint8)).save(folder / path)
            labels = [given[number]] if true is None else [given[number], true[number]]
            table.writerow([path, *(NAMES[label] for label in labels)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0)
    target = sklearn.datasets.load_digits().target
    places = np.flatnonzero(target < 3)[:240].reshape(2, 120)
    true = target[places]
    given = np.where(rng.random(true.shape) < 0.2, (true + 1) % 3, true)
    draw(path, "known", places[0], given[0], true[0])
    draw(path, "mine", places[1], given[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        said = done(
            *("--datasets", KNOWN, MINE, "--noises", "given", "--seeds", "0", "1"),
            *("--methods", "cross_entropy", "gce", "--recipes", "small(epochs=4)"),
            *("--workers", "1", "--out", "out"),
        )
    (path / "said.txt").write_text(said)
    return path


def test_numbers_of_true_labels_are_there_for_the_table_that_has_them_alone(folder):
    rows = pd.read_csv(folder / "out" / "results.csv").groupby("dataset")
    truth, rate = rows["truth"].unique(), rows["noise_rate_realised"]
    assert {name: list(own) for name, own in truth.items()} == {KNOWN: ["known"], MINE: ["unknown"]}
    assert (rate.count() > 0).to_dict() == {KNOWN: True, MINE: False}
    assert (rows["mem_frac"].count() > 0).to_dict() == {KNOWN: True, MINE: False}
    for table, there in (("detection", KNOWN), ("losses", KNOWN), ("estimates", MINE)):
        own = pd.read_csv(folder / "out" / f"{table}.csv")
        own = own.dropna(subset="auroc") if table == "detection" else own
        assert set(own["dataset"]) == {there}


def test_a_report_on_both_says_accuracy_and_given_labels_each_where_it_is(folder):
    report = folder / "out" / "report"
    text = (report / "report.md").read_text()
    first = text.partition("## Your labels")[2].partition("\n## ")[0]
    assert f"Nobody has told which labels of {MINE} are right" in first
    assert f"Of {KNOWN} clean test labels are known" in first
    for words in printed(first)[::2]:  # which list suspects, and train
        assert "mine.csv" in str(words)
        assert "known.csv" not in str(words)
    rest = text.partition("\n## Guide\n")[2]  # what follows on the labels that nobody knows
    assert "with the given test labels" not in rest
    assert "Agreement in percent with the test labels at the last epoch" in text
    images = re.findall(r"!\[(\w+)\]\(\S+\)\n\n(.*)", text)
    of_both = {"overview", "seeds", "reliability", "risk_coverage"}
    for stem, caption in images:
        claimed = CLAIMS.findall(caption)
        assert not (claimed and stem in of_both), caption
        if claimed:
            assert KNOWN in caption
            assert MINE not in caption
    captions = dict(images)
    assert "of each true class" in captions["classes"]
    assert "of each given class" in captions["classes_2"]
    drawn = {*captions}
    assert {"memorisation", "temperature", "classes", "classes_2", *of_both} <= drawn
    for path in report.glob("figures/*.svg"):
        if path.stem.partition("_")[0] in of_both:
            assert not CLAIMS.findall(path.read_text()), path.name


def test_suspects_of_both_are_ranked_and_judged_where_the_truth_is_known(folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = done("suspects", "out", "--methods", "gce").splitlines()
    assert "AUROC" in next(line for line in lines if line.startswith(KNOWN))
    assert "nobody knows" in next(line for line in lines if line.startswith(MINE))
    done("suspects", "out", "--methods", "gce", "--reveal")
    table = pd.read_csv("out/suspects/suspects.csv", dtype=str)
    told = table.groupby("dataset")["true"].count()
    assert told.gt(0).to_dict() == {KNOWN: True, MINE: False}
    done("report", "out", "--force")
    text = (folder / "out" / "report" / "report.md").read_text()
    first = text.partition("Look at these labels first")[2].partition("How to go on")[0]
    own = table[table["dataset"] == MINE][["rank", "index", "given_name", "predicted_name"]]
    assert [f"| {' | '.join(row)} |" in first for row in own.to_numpy()[:10]] == [True] * 10
    assert "![suspects]" not in first  # the first contact sheet is of the other table

"""Labels that nobody has checked: what a run claims of them, estimates, and says to look at."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from benchmarks.datasets import DATASETS
from benchmarks.report import own_labels
from benchmarks.report.analysis import Analysis
from benchmarks.report.checklist import checklist
from benchmarks.report.data import load
from benchmarks.store import Parts
from tests.system.runs import run
from tests.system.test_audit_path import done, printed

CLAIMS = re.compile(r"accura|clean (test|validation)? ?labels|memoris|mislabelled", re.IGNORECASE)
ALLOWED = (
    *("nothing here is an accuracy", "the order by agreement is that by accuracy"),
    *("Accuracy %, estimated", "accuracy is an estimate", "accuracy estimated from it"),
    "memorisation is not drawn",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on digits of which every fifth label is wrong, and nobody says which."""
    path, rng = tmp_path_factory.mktemp("unknown"), np.random.default_rng(0)
    digits = sklearn.datasets.load_digits()
    true = digits.target[:1000]
    wrong = rng.random(len(true)) < 0.2
    given = np.where(wrong, (true + rng.integers(1, 10, len(true))) % 10, true)
    image = (digits.images[:1000] * 15).astype(np.uint8)
    np.savez(path / "accuracy.npz", image=image, label=given, classes=list("abcdefghij"))
    np.save(path / "true.npy", true)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        said = done(
            *("--datasets", "arrays(file='accuracy.npz', test=0.4)", "--noises", "given"),
            *("--methods", "cross_entropy", "gce", "--recipes", "small(epochs=16)"),
            *("--seeds", "0", "1", "--out", "out"),
        )
    (path / "said.txt").write_text(said)
    return path


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_estimates_cover_the_wrong_labels_and_the_accuracy_that_nobody_told():
    own = DATASETS.build("arrays(file='accuracy.npz', test=0.4)").labelled()
    true = np.load("true.npy")
    wrong = true != own.given
    table = pd.read_csv("out/estimates.csv")
    share = table[table["quantity"] == "wrong"].set_index("labels")
    assert share.loc["test", "low"] < wrong[own.is_test].mean() < share.loc["test", "high"]
    held = share.loc["held out"]
    assert held["low"] < wrong[~own.is_test].mean() < held["high"]
    parts = Parts(Path("out"))
    right, agreed = {}, {}
    for record in parts.records(parts.meta):
        answer = record.arrays["logits"][0].argmax(-1)
        method = record.meta.keys.method
        right.setdefault(method, []).append((answer == true[own.is_test]).mean())
        agreed.setdefault(method, []).append((answer == own.given[own.is_test]).mean())
    for row in table[table["quantity"] == "acc"].itertuples():
        assert row.low < np.mean(right[row.method]) < row.high
        assert np.mean(agreed[row.method]) < row.low


def test_nothing_that_is_shown_claims_what_was_not_measured(folder):
    report = folder / "out" / "report"
    page = re.sub(r'"data:image[^"]*"', "", (report / "report.html").read_text())
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    page = page.partition('id="data"')[0]
    shown = [*(path.read_text() for path in report.glob("*.md")), page, *_of_the_board(report)]
    shown.insert(0, (report / "report.md").read_text())
    shown += [(folder / "said.txt").read_text(), done("compare", "out", "out")]
    for path in report.rglob("*.csv"):  # "accuracy" is a column of bins.csv, under its name there
        header = path.read_text().partition("\n")[0]
        shown.append(header.replace("accuracy", "") if path.stem == "reliability" else header)
    tables = [path for path in sorted(report.glob("*.tex")) if path.stem != "values"]
    shown += [path.read_text() for path in (*tables, *sorted(report.glob("figures/*.svg")))]
    for text in shown:
        own = text.partition("own method, in a copy")[0]
        for words in (*ALLOWED, "accuracy.npz"):
            own = own.replace(words, "")
        assert not CLAIMS.findall(own)
    assert "arrays(file='accuracy.npz'" in shown[0]  # a name is no claim
    assert "| Method | Agreement % |" in shown[0]
    names = {path.stem for path in (report / "figures").glob("*.png")}
    assert not names & {"memorisation", "transitions", "losses", "temperature"}
    assert {"suspects", "seeds", "confusion"} <= names


def test_agreement_by_class_is_drawn_of_the_given_test_labels():
    drawn = pd.read_csv("out/report/figures/classes.csv").set_index(["method", "label"])
    own = DATASETS.build("arrays(file='accuracy.npz', test=0.4)").labelled()
    given, parts, found = own.given[own.is_test], Parts(Path("out")), {}
    for record in parts.records(parts.meta):
        agrees = record.arrays["logits"][0].argmax(-1) == given
        for label in range(10):
            place = (record.meta.keys.method, label)
            found.setdefault(place, []).append(100 * agrees[given == label].mean())
    assert len(drawn) == len(found) == 20
    for place, row in drawn.iterrows():
        assert row["centre"] == pytest.approx(np.mean(found[place]))


def _of_the_board(report):
    """Yield what the page writes by its scripts, but for what it says of methods."""
    page = (report / "report.html").read_text()
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    used = [data["groups"][place] for place in {metric["group"] for metric in data["metrics"]}]
    assert used
    yield from data["words"].values()
    for entry in (*used, *data["metrics"], *data["selections"]):
        yield from (entry[key] for key in ("name", "label", "meaning") if key in entry)


def test_no_empty_table_stands_where_nothing_is_estimated():
    run = load(Path("out"))
    matrix = run.estimates[run.estimates["quantity"] == "transition"]
    assert len(matrix)
    assert own_labels.estimates(Analysis(replace(run, estimates=matrix))) == []


def test_noise_on_top_of_unknown_labels_has_no_realised_rate_to_check(folder):
    run = load(folder / "out")
    run = replace(run, results=run.results.assign(noise_rate=0.2, noise="symmetric(rate=0.2)"))
    items = {item.statement: item for item in checklist(Analysis(run))}
    rate = items["The realised noise rate is the nominal one"]
    assert rate.holds is None
    assert rate.evidence == "nobody knows which labels were wrong before"


def test_the_first_page_says_what_to_look_at_and_its_commands_run(folder):
    text = (folder / "out" / "report" / "report.md").read_text()
    first = text.partition("## Your labels")[2].partition("\n## ")[0]
    suspects, relabel, train = printed(first)
    done(*suspects)
    table = pd.read_csv("out/suspects/suspects.csv")
    true = np.load("true.npy")[table["index"]]
    assert (table["given"] != true)[:50].mean() > 0.6
    table["corrected"] = true
    table.to_csv(relabel[2], index=False)
    assert "labels corrected" in done(*relabel)
    assert run(*train, "--no-report")[0] == 0
    after = pd.read_csv("out-relabelled/results.csv")
    assert set(after["truth"]) == {"unknown"}
    assert after["mem_frac"].isna().all()
    said = done("compare", "out", "out-relabelled", "--pair", "method")
    assert "nan%" not in said
    assert "Agreement" in said


def test_there_is_nothing_to_reveal_of_labels_that_nobody_knows(folder):
    code, _, error = run("suspects", "out", "--reveal")
    assert code == 2
    assert "nothing to reveal" in error
    said = done("suspects", "out", "--methods", "gce")
    assert "nobody knows which labels are right" in said
    assert "clean labels" not in said
    page = (folder / "out" / "suspects" / "index.md").read_text()
    assert "Not known is which are right" in page
    assert "known to be wrong" not in page
    spec = "arrays(file='accuracy.npz', test=0.4)"
    said = done("data", "noise", spec, "given", "--out", "exported")
    assert "0 of 600 given labels changed; there is nothing to reveal" in said
    assert '"rate_realised": null' in (folder / "exported" / "noise-0.json").read_text()

"""`regress`: two folders judged, from the bytes of their tables to the exit code."""

import gzip
import json
import shutil
import subprocess
from dataclasses import replace
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pandas as pd
import pytest

from benchmarks.outputs import manifest_path
from benchmarks.regress.baseline import DRAWN, VERB, opened
from benchmarks.regress.judgement import Judgement
from benchmarks.report.data import outcomes
from benchmarks.schema import KEYS
from benchmarks.sweep import Suite
from tests.report import folders
from tests.system.runs import ROOT, run

SWEEP = folders.Sweep(
    ("cross_entropy", "elr", "gce"), folders.NOISES[:3], 10, epochs=2, selections=("last",)
)
CHANCE = {"acc": 0.0003, "nll": 0.001, "ece": 0.0003, "ts_fwd_ece": 0.0003}
FIRST, RESERVE = range(5), range(5, 10)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run of ten seeds, with its plan."""
    folder = folders.write(tmp_path_factory.mktemp("runs") / "run", SWEEP)
    rows = pd.read_csv(folder / "results.csv").assign(ts_fwd_ece=0.03)
    rows.to_csv(folder / "results.csv", index=False)
    folders.plan(folder, rows.to_dict("records"), replace(SWEEP, planned=len(rows)))
    return folder


@pytest.fixture(scope="module")
def base(original):
    """The baseline that it became: five seeds, and five in reserve."""
    code, out, err = accepted(original, original.with_name("baseline"))
    assert code == 0, err
    assert "90 cells, seeds 0, 1, 2, 3, 4, reserve 5, 6, 7, 8, 9" in out
    return original.with_name("baseline")


def accepted(folder, baseline, reserve=RESERVE):
    words = ["--baseline", baseline, "--reason", "the first"]
    return run("regress", "accept", folder, *words, *(["--reserve", *reserve] if reserve else []))


@pytest.fixture
def made(original, tmp_path):
    """Make a run like the original, but for chance and what a function changes in its rows."""

    def make(change=lambda rows: rows, seeds=FIRST):
        rows = pd.read_csv(original / "results.csv", keep_default_na=False, na_values=[""])
        random = np.random.default_rng(7)
        for name, sd in CHANCE.items():
            rows[name] += random.normal(0, sd, len(rows))
        rows = change(rows[rows["seed"].isin(seeds)].copy())
        folder = tmp_path / "out"
        folder.mkdir()
        rows.to_csv(folder / "results.csv", index=False)
        shutil.copy(original / "detection.csv", folder)
        return folder

    return make


def judged(folder, base, *more):
    """The exit code and the judgement of a folder."""
    code, out, err = run("regress", folder, "--baseline", base, "--json", folder / "j.json", *more)
    assert not err
    judgement = msgspec.json.decode((folder / "j.json").read_bytes(), type=Judgement)
    assert out.startswith(judgement.verdict)
    return code, judgement


def of(rows, method, noise=None, seeds=None):
    """Which rows are of these."""
    chosen = rows["method"] == method
    chosen &= rows["noise"] == noise if noise else True
    return chosen & rows["seed"].isin(seeds) if seeds else chosen


def setting(column, value, *where):
    """Change a column of some rows: to a value, or by what a function makes of it."""

    def change(rows):
        chosen = of(rows, *where)
        assert chosen.any()
        own = rows.loc[chosen, column]
        rows.loc[chosen, column] = value(own) if callable(value) else value
        return rows

    return change


def losing(amount, *where):
    return setting("acc", lambda values: values - amount, *where)


def without(*where):
    return lambda rows: rows[~of(rows, *where)]


def test_the_same_bytes_pass_at_once_packed_or_not(base, tmp_path):
    shutil.copytree(base, tmp_path / "out")
    packed = tmp_path / "out" / "results.csv"
    packed.with_suffix(".csv.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    code, judgement = judged(tmp_path / "out", base)
    assert (code, judgement.verdict, judgement.how) == (0, "PASS", "same bytes")
    assert len(judgement.cells) == 9


CLEAN = ("gce", "clean")
CASES = {
    "nothing": (losing(0, "elr"), FIRST, "PASS", None),
    "a method a little": (losing(0.0015, "elr"), FIRST, "CHANGED", "elr, all settings: accuracy"),
    "a method better": (losing(-0.03, "elr"), FIRST, "CHANGED", "elr, all settings: accuracy"),
    "a method": (losing(0.03, "elr"), FIRST, "FAIL", "elr, all settings: accuracy 3.0"),
    "a cell": (losing(0.02, *CLEAN), range(10), "FAIL", "gce, clean: accuracy 2.0"),
    "a cell by chance": (losing(0.009, *CLEAN, range(3)), range(10), "PASS", None),
    "no reserve": (losing(0.0055, *CLEAN), FIRST, "INCONCLUSIVE", "gce, clean: accuracy 0.5"),
    "missing": (without("gce", "clean"), FIRST, "FAIL", "gce, clean: missing, and the baseline"),
    "missing once": (without(*CLEAN, [3]), FIRST, "FAIL", "gce, clean, seed 3: missing"),
    "diverged": (
        setting("status", "diverged", *CLEAN, [2]), FIRST, "FAIL", "gce, clean, seed 2: diverged"
    ),
    "labels": (
        setting("noise_sha256", "0" * 64, *CLEAN, [1, 4]), FIRST, "FAIL",
        "gce, clean, seed 1, 4: trained on other labels at the same seed",
    ),
    "test images": (
        setting("n_test", 1999, *CLEAN), FIRST, "FAIL",
        "gce, clean, seed 0, 1, 2, 3, 4: tested on another number of images",
    ),
    "a metric is gone": (
        setting("ts_fwd_ece", np.nan, *CLEAN), FIRST, "FAIL",
        "gce, clean: it has no ECE after temperature scaling any more",
    ),
    "NLL": (
        setting("nll", lambda v: 1.1 * v, "elr"), FIRST, "FAIL", "elr, all settings: NLL 10.0"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "seeds", "verdict", "first"), CASES.values(), ids=CASES)
def test_the_verdict_is_right_and_the_culprit_comes_first(
    base, made, change, seeds, verdict, first
):
    code, judgement = judged(made(change, seeds), base)
    told = judgement.sentences(judgement.verdict)
    assert judgement.verdict == verdict, told
    assert code == (4 if verdict == "FAIL" else 0)
    assert judgement.how == "paired"
    if first:
        assert told[0].startswith(first)


def test_what_was_trained_on_other_labels_is_no_pair_in_any_test(base, made):
    other = setting("noise_sha256", "0" * 64, *CLEAN, [1, 4])
    _, judgement = judged(made(lambda rows: losing(0.3, *CLEAN, [1, 4])(other(rows))), base)
    own = next(
        f for f in judgement.findings if (f.method, f.setting) == CLEAN and f.metric == "acc"
    )
    assert own.n == 3
    assert abs(own.change) < 0.001


def test_what_a_change_is_from_and_to_are_means_of_the_seeds_that_have_both(base, made):
    _, judgement = judged(made(setting("ece", np.nan, *CLEAN, [3])), base)
    told = [f for f in judgement.findings if f.metric == "ece" and f.method == CLEAN[0]]
    assert {f.n for f in told} == {4, 5}
    for one in told:
        assert one.new - one.base == pytest.approx(one.change, abs=1e-12)


def test_a_new_cell_is_named_and_fails_nothing(base, made):
    def more(rows):
        return pd.concat([rows, rows[of(rows, *CLEAN)].assign(method="mae", cell_id="new")])

    code, judgement = judged(made(more), base)
    assert code == 0
    assert [fault.sentence() for fault in judgement.faults] == [
        "mae, clean: new: the baseline does not have it"
    ]


def test_seeds_that_the_baseline_lacks_are_compared_unpaired_and_it_says_so(base, made):
    def others(rows):
        rows["noise_sha256"] = rows["seed"].map("{:064}".format)
        return rows.assign(seed=rows["seed"] + 100)

    code, judgement = judged(made(others, range(6)), base)
    assert (code, judgement.how) == (0, "unpaired")
    assert any("unpaired" in note for note in judgement.notes)
    assert not judgement.faults
    assert {one.n for one in judgement.findings} == {6}


def test_what_was_not_shown_ends_with_a_code_only_if_it_is_strict(base, made):
    folder = made(losing(0.0055, *CLEAN))
    assert judged(folder, base)[0] == 0
    code, judgement = judged(folder, base, "--strict")
    assert code == 6
    assert any("seeds 5, 6, 7, 8, 9, the reserve" in note for note in judgement.notes)


def test_other_versions_are_told_beside_the_verdict(base, made, tmp_path):
    folder, other = made(), shutil.copytree(base, tmp_path / "other")
    manifest_path(other, VERB).unlink()
    for place, torch, packages in (
        (folder, "2.11.0", "numpy 2.4.6, scipy 1.17.1"),
        (other, "2.14.1", "numpy 2.4.1, scipy 1.17.1"),
    ):
        costs = pd.read_csv(base / "costs.csv").assign(torch=torch, packages=packages)
        costs.to_csv(place / "costs.csv", index=False)
    _, judgement = judged(folder, other)
    assert judgement.verdict == "PASS"
    told = "The run was made with numpy 2.4.6, torch 2.11.0, and the baseline with numpy"
    assert any(note.startswith(told) for note in judgement.notes)
    _, judgement = judged(folder, base)
    assert not any("made with" in note for note in judgement.notes)


def test_other_definitions_of_the_metrics_are_refused(base, made):
    code, _, err = run(
        "regress", made(lambda rows: rows.assign(metric_spec="v0")), "--baseline", base
    )
    assert code == 2
    assert "has metrics v0" in err


def test_machines_and_github_are_told(base, made, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    folder = made(losing(0.03, "elr"))
    files = {name: tmp_path / f"r.{name}" for name in ("json", "markdown", "junit")}
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    code, out, err = run("regress", folder, "--baseline", base, *words)
    assert (code, err) == (4, "")
    culprit = "elr, all settings: accuracy 3.0"
    assert f"::error title=regress FAIL::{culprit}" in out
    assert "90%25 interval" in out
    page = files["markdown"].read_text()
    assert summary.read_text() == "before\n" + page
    assert page.startswith("## FAIL: ")
    assert f"- **FAIL** {culprit}" in page
    told = json.loads(files["json"].read_text())
    assert (told["schema"], told["verdict"], told["findings"][0]["method"]) == (1, "FAIL", "elr")
    suite = ET.fromstring(files["junit"].read_text())[0]  # noqa: S314  our own
    names = {(case.get("name"), case.get("classname")) for case in suite}
    assert len(names) == len(suite) == 12  # 9 cells, and 3 methods over all settings
    failed = [case for case in suite if case.find("failure") is not None]
    assert int(suite.get("failures")) == len(failed)
    assert ("elr", "all settings") in {(c.get("name"), c.get("classname")) for c in failed}


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *identity, *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_a_baseline_is_read_as_it_was_at_a_revision(original, base, tmp_path, monkeypatch):
    place = tmp_path / "results" / "baseline"
    shutil.copytree(base, place / "s")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "-f", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    shutil.rmtree(place)
    monkeypatch.chdir(tmp_path)
    for reference in ("HEAD:results/baseline/s", "HEAD"):  # `s` is the suite of the run
        code, out, err = run("regress", original, "--baseline", reference)
        assert (code, err) == (0, ""), reference
        assert "PASS" in out
    for reference, reason in (("HEAD:nowhere", "no results.csv"), ("gone", "no git revision")):
        code, _, err = run("regress", original, "--baseline", reference)
        assert code == 5
        assert reason in err


def test_a_baseline_says_of_what_and_why_it_is(base):
    manifest = json.loads((base / "baseline.json").read_text())
    assert manifest["reason"] == "the first"
    assert (manifest["seeds"], manifest["reserve"]) == ([*FIRST], [*RESERVE])
    assert (manifest["metric_spec"], manifest["cells"]) == ("v1", 90)
    assert manifest["hardware"] == ["cpu x"]
    assert len(manifest["hashes"]["noise_sha256"]) == 30
    assert manifest["metrics"]["acc"]["method"] == [0.002, 0.005]


def test_a_baseline_changes_by_accepting_alone(original, base, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    (copy / "results.csv").write_text((copy / "results.csv").read_text().replace("0.9", "0.8"))
    for command in (["regress", original, "--baseline", copy], None):
        code, _, err = run(*command) if command else accepted(original, copy)
        assert code == 2
        assert f"{copy / 'results.csv'}" in err
    shutil.copy(base / "results.csv", copy)
    assert accepted(original, copy, reserve=())[0] == 0
    assert json.loads((copy / "baseline.json").read_text())["reserve"] == []


@pytest.mark.parametrize(
    ("change", "reserve", "reason"),
    [
        (without(*CLEAN, [3]), RESERVE, "1 of its 90 cells are missing or failed"),
        (setting("status", "failed", *CLEAN, [3]), RESERVE, "1 of its 90 cells are missing"),
        (losing(0, "elr"), [11], "has no seed 11"),
        (losing(0, "elr"), range(10), "has no other seeds"),
    ],
)
def test_what_is_no_baseline_is_refused(original, made, tmp_path, change, reserve, reason):
    folder = made(change, range(10))
    for path in original.iterdir():
        if path.name not in {"results.csv", "detection.csv"}:
            shutil.copy(path, folder)
    code, _, err = accepted(folder, tmp_path / "new", reserve)
    assert code == 2
    assert reason in err
    assert not (tmp_path / "new").exists()


def test_the_committed_baseline_is_of_its_suite_and_its_reserve():
    folder = ROOT / "results" / "baseline" / "regress"
    with opened(str(folder), folder) as baseline:
        cells = baseline.draws(outcomes(folder))
    suite = Suite.read("regress").override({"seed": [*FIRST, *RESERVE]})
    wanted = {tuple(cell.keys().values())[1:] for cell in suite.cells("float32")}
    assert set(cells[list(KEYS[1:])].itertuples(index=False, name=None)) == wanted
    assert set(cells["status"]) == {"done"}
    assert baseline.reserve == tuple(RESERVE)
    assert all((cells[column].str.len() == 64).all() for column in DRAWN)


def test_a_run_is_in_a_history_once(original, base, tmp_path):
    folders.stamp(shutil.copytree(original, tmp_path / "run"))
    path = tmp_path / "history.csv"
    words = ("regress", tmp_path / "run", "--baseline", base, "--history", path)
    assert f"history  {path}: 15 lines added" in run(*words)[1]  # 3 methods, 5 metrics
    first = path.read_bytes()
    assert f"history  {path}: 0 lines added" in run(*words)[1]
    assert path.read_bytes() == first
    rows = pd.read_csv(path)
    cells = pd.read_csv(original / "results.csv")
    own = rows[(rows["method"] == "elr") & (rows["metric"] == "acc")].iloc[0]
    expected = cells[(cells["method"] == "elr") & cells["seed"].isin(FIRST)]["acc"].mean()
    assert own["value"] == pytest.approx(expected)
    assert (own["settings"], own["seeds"], own["branch"]) == (3, 5, "s elr acc")
    assert own["time"] == "2026-01-09T10:20:30+00:00"
    costs = pd.read_csv(tmp_path / "run" / "costs.csv").assign(commit="fedcba987654")
    costs.to_csv(tmp_path / "run" / "costs.csv", index=False)
    run(*words)
    assert path.read_bytes().startswith(first)
    assert len(pd.read_csv(path)) == 2 * len(rows)
    path.write_text("mine\n1\n")
    code, _, err = run(*words)
    assert (code, "is no history" in err) == (2, True)
    assert path.read_text() == "mine\n1\n"

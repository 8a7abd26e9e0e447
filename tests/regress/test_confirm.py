"""What the tests of a cell flag is trained at the reserve seeds of the baseline, and judged."""

import errno
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from benchmarks.outputs import WritingError, manifest_path
from benchmarks.regress.baseline import VERB
from benchmarks.store import Parts
from tests.system.runs import rows, run

SWEEP = ["--methods", "cross_entropy", "elr", "gce", "--recipes", "small(epochs=2)"]
SWEEP += ["--noises", "symmetric(rate=0.4)"]
FIRST, RESERVE = (0, 1, 2), (3, 4, 5)
WORSE, CHANCE = "cross_entropy", "gce"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the first seeds, and a baseline of all by which two of its cells are flagged."""
    folder = tmp_path_factory.mktemp("runs")
    new, base = folder / "new", folder / "base"
    seeds = ("--seeds", *FIRST, *RESERVE)
    code, _, err = run(*SWEEP, *seeds, "--no-report", "--workers", 1, "--out", new)
    assert code == 0, err
    words = ("--baseline", base, "--reason", "the first", "--reserve", *RESERVE)
    assert run("regress", "accept", new, *words)[0] == 0
    manifest_path(base, VERB).unlink()
    table = pd.read_csv(base / "results.csv", keep_default_na=False, na_values=[""])
    cells = [tuple(cell) for cell in table[["method", "seed"]].to_numpy().tolist()]
    better = [name == WORSE or (name == CHANCE and seed in FIRST) for name, seed in cells]
    table["acc"] += 0.1 * np.array(better) + 1e-5 * table["seed"]
    table.to_csv(base / "results.csv", index=False)
    code, _, err = run("drop", new, "--seeds", *RESERVE)
    assert code == 0, err
    return new, base


@pytest.fixture
def judge(trained, tmp_path):
    """Judge a copy of the run, and return the code, the judgement and what was told."""
    new, base = tmp_path / "new", trained[1]
    shutil.copytree(trained[0], new)

    def to(*more):
        told = tmp_path / "told.json"
        code, _, err = run("regress", new, "--baseline", base, "--json", told, *more)
        return code, json.loads(told.read_text()), err

    to.folder = new
    return to


def verdicts(judgement):
    return {f["method"]: f["verdict"] for f in judgement["findings"] if f["flagged"]}


def test_exactly_what_is_flagged_is_trained_on_the_reserve_beside_the_run_and_decides(judge):
    before = (judge.folder / "results.csv").read_bytes()
    page = judge.folder.with_name("page.md")
    code, judgement, err = judge("--workers", 1, "--markdown", page)
    assert (code, judgement["verdict"]) == (4, "FAIL"), err
    assert (verdicts(judgement), judgement["faults"]) == ({WORSE: "FAIL", CHANCE: "PASS"}, [])
    culprit = judgement["findings"][0]
    assert (culprit["method"], culprit["reserve"]) == (WORSE, 3)
    assert culprit["again"] == pytest.approx(0.1, abs=1e-3)
    again = judge.folder / "confirm"
    keys = {(r["method"], int(r["seed"])) for r in rows(again)}
    assert keys == {(name, seed) for name in (WORSE, CHANCE) for seed in RESERVE}
    assert (judge.folder / "results.csv").read_bytes() == before
    assert "6 cells, 0 done, 6 to train" in err
    lines = [line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [line[-1] for line in lines[:2]] == ["on the reserve |", "0.1 |"]

    next((again / "parts").iterdir()).unlink()
    left = 6 - len(Parts(again).done())
    _, second, err = judge("--workers", 1)
    assert f"{left} to train" in err
    assert second == judgement


def other_code(patch, _folder):
    patch("benchmarks.launch.reserve.commit", lambda: "0123456789ab-dirty")


def other_images(patch, _folder):
    patch("benchmarks.planning.plan.data_of", lambda *_: "other")


def no_images(patch, _folder):
    patch("benchmarks.datasets.digits.Digits.is_there", lambda *_: False)


def no_plan(_patch, folder):
    (folder / "plan.json").unlink()


def a_file_of_the_users(_patch, folder):
    (folder / "confirm").mkdir()
    (folder / "confirm" / "mine.txt").touch()


def a_full_disk(patch, folder):
    def refuse(_session):
        raise WritingError(errno.ENOSPC, "No space left on device", str(folder / "confirm"))

    patch("benchmarks.launch.reserve.train", refuse)


HINDERED = {
    other_code: "and this is 0123456789ab-dirty",
    other_images: "what it is made of has changed since",
    no_images: "digits not in",
    no_plan: "it has no plan.json",
    a_full_disk: "confirm: No space left on device",
    a_file_of_the_users: "such as 'mine.txt'",
}


@pytest.mark.parametrize("hinder", HINDERED, ids=lambda hinder: hinder.__name__)
def test_without_training_what_is_flagged_is_inconclusive_and_it_says_why(
    judge, monkeypatch, hinder
):
    hinder(monkeypatch.setattr, judge.folder)
    code, judgement, _ = judge()
    assert (code, judgement["verdict"]) == (0, "INCONCLUSIVE"), judgement["faults"]
    assert HINDERED[hinder] in judgement["notes"][-2]
    assert not list(judge.folder.glob("confirm/parts"))


def test_confirming_can_be_left_out(judge):
    code, judgement, err = judge("--no-confirm", "--strict")
    assert (code, judgement["verdict"], err) == (6, "INCONCLUSIVE", "")
    assert set(verdicts(judgement).values()) == {"INCONCLUSIVE"}
    assert "(--no-confirm)" in judgement["notes"][-2]
    assert not (judge.folder / "confirm").exists()

"""Results folders of versions 2 and 3, made by the code of then, under every verb of today."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.report.pairing import pair_same
from tests.system.runs import run

SPECIMENS = Path(__file__).parent / "specimens"


@pytest.fixture(params=[2, 3])
def folder(request, tmp_path):
    return shutil.copytree(SPECIMENS / f"version-{request.param}", tmp_path / "old")


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_status_compare_and_report_read_it_and_change_nothing(folder, tmp_path):
    before = files(folder)
    code, out, err = run("status", folder)
    assert (code, "2 done" in out) == (0, True), (out, err)
    other = next(each for each in SPECIMENS.glob("version-*") if each.name[-1] != folder.name)
    code, out, err = run("compare", folder, other)
    assert (code, "2 pairs of finished cells" in out) == (0, True), (out, err)
    code, out, err = run("report", folder, "--out", tmp_path / "drawn")
    assert code == 0, (out, err)
    assert files(folder) == before


@pytest.mark.parametrize("verb", ["run", "plan", "collect"])
def test_it_is_not_continued_and_one_sentence_says_what_to_do(folder, verb):
    plugin = shutil.copy(SPECIMENS / "ten.txt", folder.parent / "ten.py")
    before = files(folder)
    options = ("--plugin", plugin) if verb != "collect" else ()
    code, _, err = run(verb, folder, *options)
    assert code == 2
    assert "which are shown and compared but not added to" in err
    assert "run into another folder, or use the version that wrote it" in err
    assert len(err.strip().splitlines()) == 1
    assert files(folder) == before


def test_its_labels_are_audited(folder):
    plugin = shutil.copy(SPECIMENS / "ten.txt", folder.parent / "ten.py")
    code, out, err = run("suspects", folder, "--plugin", plugin)
    assert code == 0, (out, err)
    assert len(pd.read_csv(folder / "suspects" / "suspects.csv")) > 0


def test_cells_of_a_label_file_are_pairs_wherever_it_lay_and_whatever_its_name():
    shared = {"dataset": "d", "model": "m", "recipe": "r", "method": "e", "setting": "s"}
    noises = ("labels(file='/a/x-{seed}.npy')", "labels(file='y.npy')", "clean")
    a = pd.DataFrame({**shared, "noise": noises, "seed": 0, "cell_id": ["c1", "c2", "c3"]})
    noises = ("labels(file='x-{seed}.npy')", "labels(file='z.npy')", "symmetric(rate=0.4)")
    b = pd.DataFrame({**shared, "noise": noises, "seed": 0, "cell_id": ["c9", "c2", "c4"]})
    pairs = pair_same(a, b).dropna(subset=["cell_id_a", "cell_id_b"])
    assert list(zip(pairs["cell_id_a"], pairs["cell_id_b"], strict=True)) == [
        ("c1", "c9"),
        ("c2", "c2"),
    ]

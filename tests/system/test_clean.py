"""What ``clean`` takes out of a results folder, and what it must leave."""

import io
import json
import os
import shutil
import time

import numpy as np
import pytest

from benchmarks.engine import checkpoint
from benchmarks.store import Parts, locked
from tests.store.test_status import gone, training
from tests.system.runs import run

assert gone  # a fixture

DAY = 86_400


@pytest.fixture
def out(undisturbed, tmp_path):
    return shutil.copytree(undisturbed, tmp_path / "out")


def put(path, content=b"12345", age=DAY):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def begun(out, *cells):
    """A checkpoint, as far as it says of which cells it is."""
    meta = {"version": checkpoint.VERSION, "cells": cells, "width": 1, "flags": []}
    block = io.BytesIO()
    np.savez(block, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))
    return put(checkpoint.path_of(out, cells), block.getvalue())


@pytest.fixture
def littered(out, gone):
    """What is not needed in a folder, and what is."""
    first, second = sorted(Parts(out).meta)[:2]
    assert run("collect", out)[0] == 0
    Parts(out).remove([first])
    (out / "results.csv").unlink()
    (out / ".lock").unlink(missing_ok=True)
    (out / "report" / ".report-new-1").mkdir(parents=True)
    put(out / "report" / ".report-new-1" / "a.svg")
    os.utime(out / "report" / ".report-new-1", (time.time() - DAY,) * 2)
    litter = [
        begun(out, second),
        begun(out, first, second),
        put(out / "checkpoints" / "0123456789abcdef.npz", b"no archive"),
        put(out / "parts" / "0123456789abcdef.damaged"),
        training(out, ([1], 0.5), process=gone, began=time.time(), told=time.time()),
        put(out / ".results.csv.7.tmp"),
        put(out / "parts" / ".0123.npz.7.tmp"),
        out / "report" / ".report-new-1",
        put(out / ".lock", b""),
    ]
    put(out / ".plan.json.8.tmp", age=0)  # being written
    for name in ("notes.txt", "checkpoints/mine.txt", "report/report.md", "running/a.txt"):
        put(out / name)
    begun(out, first)
    return litter


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_not_needed_goes_and_all_else_stays(out, littered):
    before = files(out)
    code, dry, err = run("clean", out, "--dry-run")
    assert (code, err) == (0, "")
    assert files(out) == before
    assert {line.partition(" (")[0] for line in dry.splitlines()[:-1]} == {*map(str, littered)}
    total = sum(len(before[path]) for path in littered if path in before) + 5  # of the report
    assert f"9 files and folders would be removed, {total:,} bytes" in dry
    code, said, _ = run("clean", out)
    assert (code, said) == (0, dry.replace("would be removed", "removed"))
    gone_ = {path for path in before if path in littered or ".report-new-1" in str(path)}
    assert files(out) == {path: own for path, own in before.items() if path not in gone_}
    assert run("clean", out) == (0, f"{out}: nothing to remove\n", "")


def test_a_damaged_part_stays_while_the_tables_have_rows_of_its_cells(out):
    part = min((out / "parts").iterdir())
    aside = part.rename(part.with_suffix(".damaged"))
    code, said, _ = run("clean", out)
    assert (code, aside.exists(), str(aside) in said) == (0, True, False)


@pytest.mark.usefixtures("littered")
def test_a_folder_that_is_written_to_is_left_alone(out):
    with locked(out):
        before = files(out)
        code, _, err = run("clean", out)
    assert (code, "another run is writing to" in err) == (2, True)
    alive = training(out, ([1], 0.5), host="node", process=7, began=time.time(), told=time.time())
    for options in ([], ["--dry-run"]):
        code, _, err = run("clean", out, *options)
        assert (code, f"a run on node (process 7) trains cells of {out}" in err) == (2, True)
    alive.unlink()
    assert files(out) == before


def test_the_folders_within_are_cleaned_too(out):
    inner = shutil.copytree(out, out / "confirm")
    litter = put(inner / ".costs.csv.9.tmp")
    code, said, _ = run("clean", out)
    assert (code, litter.exists(), str(litter) in said) == (0, False, True)


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_folder_of_the_users_is_refused(tmp_path, options):
    mine = put(tmp_path / "mine" / ".a.tmp")
    code, _, err = run("clean", mine.parent, *options)
    assert (code, err.count("\n"), "it has no plan.json" in err) == (2, 1, True)
    assert mine.exists()
    assert not (mine.parent / ".lock").exists()

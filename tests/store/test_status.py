"""The state of a results folder, while it is trained, after a kill, and when all is done."""

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from benchmarks.store import CellSpecs, Driver, PlanFile, Record, Stamp, write_part, write_plan
from benchmarks.store.plan_file import PlannedCell
from benchmarks.store.status import Status, look
from benchmarks.store.status_text import describe, line
from benchmarks.store.trainers import PackInTraining, Telling, Trainer, Trainers, remove_gone
from tests.store.test_store import keys, record
from tests.system.runs import ROOT, run

NOW = 1_800_000_000.0
HERE = platform.node()


def planned(number, method="m", **about):
    recipe = "small(epochs=10)"
    own = keys(str(number), method=method, recipe=recipe, seed=number)
    specs = {name: own[name] for name in ("dataset", "noise", "method", "model", "recipe", "seed")}
    return PlannedCell(**own, specs=CellSpecs(**specs, precision="x"), **about)


def planning(folder, *cells, width=1, **about):
    drivers = {cell.specs.kind(): Driver("one_by_one", width, "float32") for cell in cells}
    write_plan(folder, PlanFile("s", "cpu", keep_all=True, drivers=drivers, cells=cells, **about))


def trained(folder, number, status="done", seconds=10.0, at=NOW - 5, method="m"):
    one = record(str(number), status, method=method, recipe="small(epochs=10)", seed=number)
    one.meta.costs = msgspec.structs.replace(
        one.meta.costs, train_seconds=0.75 * seconds, eval_seconds=0.25 * seconds
    )
    utc = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")
    one.meta.stamp = Stamp(host="there", finished_utc=utc)
    write_part(folder, [Record(one.meta, one.arrays)])


def training(folder, *packs, host=HERE, process=None, workers=2, began=NOW - 20, told=NOW):
    process = process or os.getpid()
    path = folder / "running" / f"{host}-{process}.json"
    path.parent.mkdir(exist_ok=True)
    packs = tuple(PackInTraining(tuple(map(str, ids)), epochs) for ids, epochs in packs)
    trainer = Trainer(host, process, workers, began, told, packs)
    path.write_bytes(msgspec.json.encode(trainer))
    os.utime(path, (told, told))
    return path


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.fixture(scope="module")
def gone():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def counts(folder):
    cells = msgspec.structs.asdict(look(folder)[0].cells)
    return {name: number for name, number in cells.items() if number}


def test_every_cell_is_in_one_state(tmp_path):
    planning(tmp_path, *(planned(n) for n in range(1, 8)), planned(8, requested=False))
    for number, status in ((1, "done"), (2, "diverged"), (3, "failed"), (4, "failed"), (8, "done")):
        trained(tmp_path, number, status)
    training(tmp_path, ([1, 4, 5], 2.5))  # 1 is finished: its pool has not said so yet
    (tmp_path / "slurm").mkdir()
    jobs = [{"job": "7_0", "cells": ["2", "4", "6"]}]
    (tmp_path / "slurm" / "queue.json").write_text(json.dumps({"jobs": jobs, "missing": 3}))
    state, _ = look(tmp_path)
    each = {"done": 1, "diverged": 1, "failed": 1, "running": 2, "queued": 1, "missing": 1}
    assert counts(tmp_path) == {"planned": 7, **each}
    assert (state.further.planned, state.further.done) == (1, 1)
    assert [(one.cell_id, one.epoch, one.epochs) for one in state.running] == [
        ("4", 2.5, 10),
        ("5", 2.5, 10),
    ]
    assert [(one.cell_id, one.status, one.reason, one.host) for one in state.errors] == [
        ("3", "failed", "it broke", "there"),
        ("2", "diverged", "it broke", "there"),
    ]
    (all_,) = state.coverage
    assert (all_.dataset, all_.noise, all_.method, all_.planned, all_.done) == ("x", "x", "m", 8, 2)
    text = describe(tmp_path)
    told = "7 cells: 1 done, 1 diverged, 1 failed, 2 running, 1 queued, 1 missing; 1 further cell"
    assert told in text
    assert "running: x m, 2 cells: epoch 2.5 of 10" in text


def test_the_rest_takes_what_finished_cells_took_at_the_pace_of_this_run(tmp_path):
    """By hand: cells take 10 s; 25 s of them and 10 s of a start in 2 x 20 + 10 s are a pace of
    0.7, by which 3 cells and a half, on two workers, take 35 / 2 / 0.7 s.
    """
    planning(tmp_path, *(planned(n) for n in range(1, 7)))
    for number in (1, 2):
        trained(tmp_path, number)
    training(tmp_path, ([3], 5.0))
    left = look(tmp_path)[0].left
    assert (left.work_seconds, left.seconds) == (35.0, 25.0)
    assert left.ends_utc == "2027-01-15T08:00:25+00:00"
    assert "about 25 s left" in line(look(tmp_path)[0])


def test_one_long_pack_at_the_end_is_waited_for(tmp_path):
    planning(tmp_path, *(planned(n) for n in range(1, 6)), width=4)
    trained(tmp_path, 1)
    training(tmp_path, ([2, 3, 4, 5], 0.0), workers=8, began=NOW)
    assert look(tmp_path)[0].left.seconds == 40.0  # of one pack: seven workers have none


def test_without_a_finished_cell_the_epochs_that_are_over_tell_the_pace(tmp_path):
    planning(tmp_path, planned(1), planned(2), planned(3, "other"))
    assert look(tmp_path)[0].left == type(look(tmp_path)[0].left)(None, None, None)
    training(tmp_path, ([1], 0.0), workers=1)
    assert look(tmp_path)[0].left.seconds is None
    training(tmp_path, ([1], 5.0), workers=1)  # four seconds an epoch, and 25 epochs are left
    assert look(tmp_path)[0].left.seconds == 100.0


def test_a_cell_that_failed_in_this_run_is_not_waited_for(tmp_path):
    planning(tmp_path, planned(1), planned(2), planned(3))
    trained(tmp_path, 1)
    trained(tmp_path, 2, "failed", at=NOW - 100)
    training(tmp_path, ([3], 10.0))
    assert look(tmp_path)[0].left.work_seconds == 10.0
    trained(tmp_path, 2, "failed", at=NOW - 1)
    assert look(tmp_path)[0].left.work_seconds == 0.0


@pytest.mark.parametrize(
    ("host", "told", "state", "cells"),
    [
        (HERE, NOW, "gone", {"planned": 2, "missing": 2}),
        ("elsewhere", NOW, "training", {"planned": 2, "running": 1, "missing": 1}),
        ("elsewhere", NOW - 1000, "silent", {"planned": 2, "missing": 2}),
        ("elsewhere", NOW + 1000, "training", {"planned": 2, "running": 1, "missing": 1}),
    ],
)
def test_a_run_that_was_killed_is_told_from_one_that_trains(
    tmp_path, gone, host, told, state, cells
):
    planning(tmp_path, planned(1), planned(2))
    path = training(tmp_path, ([1], 1.0), host=host, process=gone, told=told)
    status, _ = look(tmp_path)
    assert [pool.state for pool in status.pools] == [state]
    assert status.state == ("training" if state == "training" else "stopped")
    assert counts(tmp_path) == cells
    said = describe(tmp_path)
    assert (f"a run on {host} (process {gone}) was killed" in said) == (state == "gone")
    assert (f"{host} (process {gone}) has said nothing since" in said) == (state == "silent")
    remove_gone(tmp_path)
    assert path.exists() == (state == "training")


def test_what_a_pool_says_is_there_until_it_ends(tmp_path):
    planning(tmp_path, planned(1))
    with Telling(tmp_path, 3) as telling:
        telling.tell(lambda: [PackInTraining(("1",), 0.5)])  # too soon after its beginning
        (trainer,) = Trainers.read(tmp_path).by_path.values()
        assert (trainer.host, trainer.process, trainer.workers) == (HERE, os.getpid(), 3)
        assert trainer.packs == ()
        time_of_next = time.monotonic() + 1
        telling._due = time_of_next - 2
        telling.tell(lambda: [PackInTraining(("1",), 0.5)])
        assert counts(tmp_path) == {"planned": 1, "running": 1}
    assert not (tmp_path / "running").exists()


def test_a_pool_trains_where_it_cannot_say_so(tmp_path):
    (tmp_path / "running").write_text("a file of the user's")
    with Telling(tmp_path, 1) as telling:
        telling.tell(list)
    assert (tmp_path / "running").read_text() == "a file of the user's"


def test_the_driver_of_a_cluster_and_its_node_are_one_run(tmp_path):
    planning(tmp_path, planned(1), planned(2))
    training(tmp_path, ([1], None), ([2], None), workers=0)
    training(tmp_path, ([1], 5.0), host="node", workers=1)
    state, _ = look(tmp_path)
    assert [(one.cell_id, one.epoch, one.host) for one in state.running] == [
        ("2", None, HERE),
        ("1", 5.0, "node"),
    ]


def test_a_shard_counts_its_own_cells(tmp_path):
    planning(tmp_path, *(planned(n) for n in range(1, 6)), shard=(2, 3))
    trained(tmp_path, 2)
    state, _ = look(tmp_path)
    assert counts(tmp_path) == {"planned": 2, "done": 1, "missing": 1}
    assert (state.shard, state.elsewhere) == ("2/3", 3)
    assert "it is shard 2/3, and others train 3 cells elsewhere" in describe(tmp_path)


def test_parts_that_are_the_same_are_read_once(tmp_path, monkeypatch):
    planning(tmp_path, planned(1), planned(2))
    trained(tmp_path, 1)
    _, parts = look(tmp_path)
    trained(tmp_path, 2)
    read = []
    real = sys.modules["benchmarks.store.parts"].read_meta
    monkeypatch.setattr(
        "benchmarks.store.parts.read_meta", lambda path: read.append(path) or real(path)
    )
    state, parts = look(tmp_path, parts)
    assert (state.cells.done, len(read)) == (2, 1)
    trained(tmp_path, 2, "failed")
    assert look(tmp_path, parts)[0].cells.failed == 1


def test_files_that_are_damaged_are_notes(tmp_path):
    planning(tmp_path, planned(1))
    for name, text in (("running/a.json", '{"host": 1}'), ("slurm/queue.json", "no")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    notes = look(tmp_path)[0].notes
    assert [str(tmp_path / "running" / "a.json") in notes[0], "queue.json: is not JSON" in notes[1]]
    assert len(notes) == 2


def names_of(kind):
    """Every field of a record, and of those in it."""
    if is_dataclass(kind):
        return {each.name for each in fields(kind)}
    found = set()
    for name, hint in get_type_hints(kind).items():
        found.add(name)
        for each in (hint, *get_args(hint)):
            if isinstance(each, type) and issubclass(each, msgspec.Struct):
                found |= names_of(each)
    return found


def test_the_page_explains_every_field_of_the_json():
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    section = page.partition("## `status --json`")[2].partition("\n## ")[0]
    assert {name for name in names_of(Status) if f"`{name}`" not in section} == set()


def test_the_json_is_what_was_seen(tmp_path):
    planning(tmp_path, planned(1))
    trained(tmp_path, 1)
    code, out, _ = run("status", tmp_path, "--json")
    assert code == 0
    assert json.loads(out) == msgspec.to_builtins(look(tmp_path)[0])
    assert list(json.loads(out))[:2] == ["schema", "folder"]


def watched(monkeypatch, folder, *changes, options=()):
    """What ``--watch`` prints, and how it ends, where a folder changes between its looks."""
    left = list(changes)
    monkeypatch.setattr(time, "sleep", lambda _: left.pop(0)() if left else None)
    code, out, err = run("status", folder, "--watch", "0.5", *options)
    assert (err, left) == ("", [])
    return code, out.splitlines()


def test_watching_ends_by_itself_when_all_is_done(tmp_path, monkeypatch):
    planning(tmp_path, planned(1), planned(2))
    running = training(tmp_path, ([1, 2], 5.0))
    steps = (lambda: trained(tmp_path, 1), lambda: (trained(tmp_path, 2), running.unlink()))
    code, lines = watched(monkeypatch, tmp_path, *steps)
    assert [each.partition("  ")[2].partition(";")[0] for each in lines] == [
        "2 cells: 2 running",
        "2 cells: 1 done, 1 running",
        "2 cells: 2 done",
    ]
    assert code == 0
    code, lines = watched(monkeypatch, tmp_path, options=["--json"])
    assert (code, [json.loads(each)["state"] for each in lines]) == (0, ["finished"])


@pytest.mark.parametrize(("status", "code"), [("failed", 3), ("diverged", 3), (None, 75)])
def test_watching_ends_with_the_run_that_it_saw(tmp_path, monkeypatch, status, code):
    planning(tmp_path, planned(1))

    def end():
        running.unlink()
        if status:
            trained(tmp_path, 1, status)

    def begin():
        nonlocal running
        running = training(tmp_path, ([1], 5.0))

    running = None
    assert watched(monkeypatch, tmp_path, begin, end)[0] == code


@pytest.mark.parametrize(("term", "moves"), [("xterm", True), ("dumb", False)])
def test_watching_draws_in_place_where_a_terminal_can(tmp_path, monkeypatch, term, moves):
    planning(tmp_path, planned(1))
    running = training(tmp_path, ([1], 5.0))
    for name, value in (("TTY_COMPATIBLE", "1"), ("TERM", term), ("COLUMNS", "5")):
        monkeypatch.setenv(name, value)
    done = (lambda: None, lambda: (trained(tmp_path, 1), running.unlink()))
    code, lines = watched(monkeypatch, tmp_path, *done)
    assert code == 0
    assert ("\x1b[1A" in "".join(lines)) == moves
    assert ("1 cell: 1 done" in "".join(lines)) != moves  # a line that is as narrow shows less


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_a_time_between_looks_that_is_none_is_refused(tmp_path, seconds):
    code, _, err = run("status", tmp_path, f"--watch={seconds}")
    assert (code, err.count("\n")) == (2, 1)
    assert "--watch must be a number" in err


def test_a_second_time_between_looks_is_refused(tmp_path):
    code, _, err = run("status", Path(tmp_path), "--watch", "1", "2")
    assert (code, err.count("\n")) == (2, 1)

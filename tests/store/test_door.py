"""A plan or a part that is valid in form and strange in content is refused in words at the door."""

import gzip
import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import asdict, replace

from benchmarks import schema
from benchmarks.engine.measure import collect
from benchmarks.errors import RefusedError
from benchmarks.report.data import planned
from benchmarks.store import (
    CellFacts,
    CellKeys,
    Costs,
    Driver,
    Parts,
    PlanFile,
    Stamp,
    derive,
    read_plan,
    write_collected,
    write_part,
    write_plan,
)
from benchmarks.store.cell_meta import ARRAYS
from benchmarks.store.dropping import drop
from benchmarks.store.status_text import describe
from tests.store.test_store import C, E, N, collected, edit_plan, plan, record
from tests.store.test_store import planned as cell_of


def test_typed_records_have_the_columns_of_the_schema():
    fields = [cls.__struct_fields__ for cls in (CellKeys, CellFacts, Costs, Stamp)]
    keys, facts, costs, stamp = fields
    assert keys == schema.KEYS
    assert set(facts) <= set(schema.RESULTS)
    assert ("cell_id", "status", *costs, *stamp) == schema.COSTS


def cell(**changes):
    return lambda plan: plan["cells"][0].update(changes)


PLANS = {
    "no object": lambda _: [1],
    "nothing": lambda plan: plan.clear(),
    "numbers": lambda _: 3,
    "a version alone": lambda _: {"schema": schema.SCHEMA_VERSION},
    "a version in words": lambda plan: plan.update(schema="4"),
    "no cells": lambda plan: {"schema": plan["schema"], "suite": "s"},
    "cells that are none": lambda plan: plan.update(cells={"a": 1}),
    "part 3 of 2": lambda plan: plan.update(shard=[3, 2]),
    "a name of four classes": lambda plan: plan.update(classes={"x": 4}, class_names={"x": ["a"]}),
    "a cell twice": lambda plan: plan["cells"].append(plan["cells"][0]),
    "a cell in words": lambda plan: plan.update(cells=["?"]),
    "a seed in words": cell(seed="0"),
    "a seed of 23 digits": cell(seed=10**23),
    "a seed below 0": cell(seed=-1),
    "another seed in its specs": cell(seed=1),
    "no specs": cell(specs={}),
    "an id of a path": cell(cell_id="../x"),
    "an empty id": cell(cell_id=""),
    "a noise of none": cell(noise=None),
    "a flag in words": cell(requested="yes"),
    "a width of 0": lambda plan: next(iter(plan["drivers"].values())).update(width=0),
    "no drivers": lambda plan: plan.update(drivers={}),
    "a pack in words": lambda plan: plan.update(pack="3"),
    "flags of a text": lambda plan: plan.update(flags="graph"),
    "facts of numbers": lambda plan: plan.update(method_facts={"x": 1}),
}


SHOWN = {"noise": "symmetric(rate=0.4)", "noise_kind": "symmetric", "method": "elr(beta=0.9)"}
NAMES = {
    "method": "elr(beta=0.8)",
    "noise": "symmetric(rate=0.2)",
    "noise_kind": "pair_flip",
    "noise_rate": 0.2,
    "dataset": "mnist",
    "model": "y(",
    "recipe": "x(epochs=3)",
}


@pytest.mark.parametrize("axis", NAMES)
def test_a_plan_whose_shown_names_were_edited_is_damaged(tmp_path, axis):
    full = SHOWN | {"method": "elr(beta=0.9, weight=3.0)"}
    two = [cell_of(i, seed=seed, **full) for seed, i in enumerate("12")]
    cells = tuple(replace(one, method=SHOWN["method"]) for one in two)
    drivers = {one.specs.kind(): Driver("one_by_one", 1, "float32") for one in cells}
    plan_file = PlanFile("s", "cpu", keep_all=True, drivers=drivers, cells=cells)
    write_plan(tmp_path, plan_file)
    assert read_plan(tmp_path).cells == cells
    edited = replace(cells[1], **{axis: NAMES[axis]})
    write_plan(tmp_path, replace(plan_file, cells=(cells[0], edited)))
    with pytest.raises(RefusedError, match=rf"plan\.json is damaged \(cells\[1\]: its {axis} is"):
        read_plan(tmp_path)


@pytest.mark.parametrize("change", PLANS.values(), ids=PLANS)
def test_a_strange_plan_is_one_sentence(tmp_path, change):
    plan(tmp_path, "1")
    path = tmp_path / "plan.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))
    before = path.read_bytes()
    for look in (read_plan, describe, lambda folder: drop(folder, {"method": ["x"]})):
        with pytest.raises(RefusedError, match=r"plan\.json is damaged \(") as refused:
            look(tmp_path)
        assert "\n" not in str(refused.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"), [('"seed": 0', '"seed": 1'), ('"cell_id": "1"', '"cell_id": "2"')]
)
def test_a_plan_whose_cells_were_edited_throughout_is_damaged(tmp_path, old, new):
    plan(tmp_path, "1")
    write_part(tmp_path, [record("1")])
    path = tmp_path / "plan.json"
    written = path.read_text()
    path.write_text(json.dumps(json.loads(written)))  # the same cells, laid out otherwise
    assert read_plan(tmp_path).ids() == {"1"}
    path.write_text(written.replace(old, new))
    for look in (describe, collect, lambda folder: drop(folder, {"seed": [1]})):
        with pytest.raises(RefusedError, match=r"plan\.json is damaged \(cells: they were edited"):
            look(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"seed": 0', '"seed": 1', "the seed of the cell 1 is 1, and its part says 0"),
        ('"noise_rate": 0.4', '"noise_rate": 0.2', "the noise_rate of the cell 1 is 0.2, and its"),
        ('"model": "x",\n   "recipe"', r'"model": "\nx", "recipe"', r"the model .* is '\\nx', "),
    ],
)
def test_a_plan_without_a_digest_that_contradicts_a_part_is_refused(tmp_path, old, new, told):
    plan(tmp_path, "1")
    write_part(tmp_path, [record("1")])
    edit_plan(tmp_path, old, new)
    with pytest.raises(RefusedError, match=rf"plan\.json says that {told}"):
        derive(tmp_path, Parts(tmp_path))
    assert not (tmp_path / "results.csv").exists()


@pytest.mark.parametrize("data", [b"\xff", b"[" * 10_000, b'{"schema": 1' + b"0" * 5000 + b"}"])
def test_a_plan_of_strange_bytes_is_one_sentence(tmp_path, data):
    (tmp_path / "plan.json").write_bytes(data)
    with pytest.raises(RefusedError, match=r"plan\.json is damaged \("):
        read_plan(tmp_path)


def test_a_plan_that_is_a_directory_is_one_sentence(tmp_path):
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(RefusedError, match="a regular file is needed, and this is a directory"):
        read_plan(tmp_path)


def meta(**changes):
    return lambda one: one._replace(meta=replace(one.meta, **changes))


def array(name, value):
    return lambda one: one._replace(arrays=one.arrays | {name: value})


def without(name):
    def change(one):
        return one._replace(arrays={k: v for k, v in one.arrays.items() if k != name})

    return change


RECORDS = {
    **{f"no {name}": without(name) for name in ARRAYS if not ARRAYS[name].optional},
    "curves of other columns": meta(curves=("epoch", "acc")),
    "curves of none": meta(curves=()),
    "curves of one name": lambda one: meta(curves=("epoch",) * len(one.meta.curves))(one),
    "selections of another number": meta(selections=("last",)),
    "selections that are unknown": meta(selections=("last", "best", "oracle")),
    "selections without last": meta(selections=("val", "oracle")),
    "metrics of another number": meta(metrics=("acc",)),
    "scores of another number": meta(scores=("loss", "own")),
    "another number of training images": meta(facts=CellFacts(n_train=N + 1)),
    "curves of text": array("curves", np.full((E, 24), "x")),
    "curves of whole numbers": lambda one: array("curves", one.arrays["curves"].astype(int))(one),
    "an epoch that is none": lambda one: array("curves", one.arrays["curves"] * np.nan)(one),
    "a selected epoch beyond": array("selected", np.array([E, 0, 0])),
    "a selected epoch below": array("selected", np.array([-1, 0, 0])),
    "a selected epoch that is a fraction": array("selected", np.array([1.0, 0, 0])),
    "final epochs beyond": array("final", np.arange(E) + 1),
    "bins of another number": array("bins", np.zeros((4, 10, 3))),
    "bins that are not finite": array("bins", np.full((4, schema.BINS_COUNT, 3), np.inf)),
    "a scalar for detection": array("detection", np.array(0.5)),
    "logits of more selections": array("logits", np.zeros((5, 5, C), np.float32)),
    "a label of no class": array("label", np.array([C, 0, 0, 0, 0], np.int16)),
    "a given label below 0": array("noisy", np.array([-1, 0, 0, 0])),
    "labels of other images": array("noisy", np.zeros(N + 1, int)),
    "big-endian labels": array("noisy", np.zeros(N, ">i8")),
    "a position below 0": array("position", np.array([-1, 0, 1, 2])),
    "an estimate of other classes": array("estimate", np.eye(C + 1)),
    "a choice of other images": array("kept", np.ones(N + 1, bool)),
    "validation logits alone": array("val_logits", np.zeros((4, 2, C), np.float32)),
}


@pytest.mark.parametrize("change", RECORDS.values(), ids=RECORDS)
def test_a_part_whose_arrays_do_not_fit_is_damaged_and_its_cell_is_missing(tmp_path, change):
    plan(tmp_path, "1", "2")
    write_part(tmp_path, [record("2")])
    derive(tmp_path, Parts(tmp_path))
    table = (tmp_path / "results.csv").read_bytes()
    path = write_part(tmp_path, [change(record("1"))])
    before = path.read_bytes()
    parts = Parts(tmp_path)
    assert ([bad for bad, _ in parts.damaged], parts.done()) == ([path], {"2"})
    derive(tmp_path, parts)
    assert (tmp_path / "results.csv").read_bytes() == table
    assert f"damaged part, left as it is; `run` trains its cells again: {path} (" in describe(
        tmp_path
    )
    assert path.read_bytes() == before


METAS = {
    "no list": lambda _: {},
    "a list of numbers": lambda _: [1],
    "text for a seed": lambda one: one["keys"].update(seed="0"),
    "no keys": lambda one: one.pop("keys"),
    "an unknown status": lambda one: one.update(status="well"),
    "curves of numbers": lambda one: one.update(curves=[1]),
    "text for a cost": lambda one: one["costs"].update(train_seconds="long"),
    "text for a count": lambda one: one["facts"].update(n_train="many"),
    "a count of 5,000 digits": lambda one: one["facts"].update(n_test=int("9" * 4000)),
    "another cell than its arrays": lambda one: one["keys"].update(cell_id="3"),
    "a reason of none": lambda one: one.update(reason=None),
}


@pytest.mark.parametrize("change", METAS.values(), ids=METAS)
def test_a_part_sealed_around_other_json_is_damaged(tmp_path, change):
    path = write_part(tmp_path, [record("1")])
    with np.load(path) as part:
        members = {name: part[name] for name in part.files}
    content = json.loads(members["meta"].tobytes())
    content = changed if (changed := change(content[0])) in ({}, [1]) else content
    members["meta"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    np.savez(path, **members)
    parts = Parts(tmp_path)
    assert ([bad for bad, _ in parts.damaged], parts.meta) == ([path], {})


def test_what_is_no_file_among_the_parts_is_damaged(tmp_path):
    name = "0123456789abcdef"
    (tmp_path / "parts" / f"{name}.npz").mkdir(parents=True)
    parts = Parts(tmp_path)
    assert [reason for _, reason in parts.damaged] == ["it is no regular file"]
    parts.put_aside()
    assert [path.name for path in Parts(tmp_path).aside] == [f"{name}.damaged"]


def test_a_users_file_among_the_parts_is_told_and_left_alone(tmp_path):
    plan(tmp_path, "1", "2", seeds=(1, 2))
    write_part(tmp_path, [record("1", seed=1), record("2", seed=2)])
    path = tmp_path / "parts" / "features.npz"
    np.savez(path, x=np.zeros(3))
    before, parts = path.read_bytes(), Parts(tmp_path)
    parts.put_aside()
    (line,) = parts.damage()
    told = f"{path} is no part of these results and is left alone (it has no 'meta'); move it away"
    assert line == told
    assert drop(tmp_path, {"seed": [2]}).damage == [line]
    assert path.read_bytes() == before


def test_a_name_that_would_write_on_a_terminal_is_told_on_one_line(tmp_path):
    plan(tmp_path, "1")
    path = write_part(tmp_path, [record("1")])
    path.with_name("x\n\x1b[2Jdone.npz").write_bytes(b"hostile")
    (line,) = Parts(tmp_path).damage()
    assert "x \\x1b[2Jdone.npz is no part of these results" in line


def test_a_second_damaged_part_of_a_name_is_put_aside_beside_the_first(tmp_path):
    for content in (b"1", b"2"):
        write_part(tmp_path, [record("1")]).write_bytes(content)
        Parts(tmp_path).put_aside()
    aside = Parts(tmp_path).aside
    assert sorted(path.read_bytes() for path in aside) == [b"1", b"2"]
    (line,) = Parts(tmp_path).damage()
    assert line.startswith("2 damaged parts put aside by an earlier run")


COLLECTED = {
    "other metrics": lambda one: one._replace(meta=replace(one.meta, metrics=("acc",))),
    "a metric twice": lambda one: one._replace(meta=replace(one.meta, metrics=("acc",) * 3)),
    "an unknown selection": lambda one: one._replace(
        meta=replace(one.meta, metric_specs={"x": ""})
    ),
    "other bins": array("bins", np.zeros((1, 1, 3))),
    "no numbers": without("measured"),
}


@pytest.mark.parametrize("change", COLLECTED.values(), ids=COLLECTED)
def test_recomputed_numbers_that_do_not_fit_are_refused(tmp_path, change):
    plan(tmp_path, "1")
    part = write_part(tmp_path, [record("1")])
    write_collected(part, [change(collected(record("1")))])
    with pytest.raises(RefusedError, match="is damaged: collect again, or remove it"):
        derive(tmp_path, Parts(tmp_path))


def test_cells_taken_out_of_a_part_leave_the_others_and_their_recomputed_numbers(tmp_path):
    plan(tmp_path, "1", "2", "3", seeds=(1, 2, 3))
    pack = [record("1", seed=1), record("2", seed=2)]
    part = write_part(tmp_path, pack)
    alone = write_part(tmp_path, [record("3", "failed", seed=3)])
    write_collected(part, [collected(one) for one in pack])
    derive(tmp_path, Parts(tmp_path))
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert drop(tmp_path, {"seed": [2, 3]}).lines() == [
        f"{tmp_path}: dropped 2 cells, 1 of them with results; 1 left"
    ]
    kept = [row for row in rows if row.startswith(("cell_id", "1,"))]
    assert (tmp_path / "results.csv").read_text().splitlines() == kept
    assert not alone.exists()
    (left,) = Parts(tmp_path).trained(["1", "2", "3"])
    assert asdict(left.meta) == asdict(pack[0].meta)
    for name, values in pack[0].arrays.items():
        np.testing.assert_array_equal(left.arrays[name], values)
    assert [one.cell_id for one in read_plan(tmp_path).cells] == ["1"]
    drop(tmp_path, {"method": ["x"]})
    assert list((tmp_path / "parts").iterdir()) == list((tmp_path / "collected").iterdir()) == []
    assert msgspec.json.decode((tmp_path / "plan.json").read_bytes())["cells"] == []


@pytest.mark.parametrize("packed", [False, True])
def test_rows_without_their_parts_are_not_lost_with_other_cells(tmp_path, packed):
    plan(tmp_path, "1", "2", "3", seeds=(1, 2, 3))
    gone = write_part(tmp_path, [record("1", seed=1), record("2", seed=2)])
    write_part(tmp_path, [record("3", seed=3)])
    derive(tmp_path, Parts(tmp_path))
    gone.unlink()
    table = tmp_path / "results.csv"
    if packed:
        Path(f"{table}.gz").write_bytes(gzip.compress(table.read_bytes()))
        table.unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(RefusedError, match="all that is left of 1 finished cell, which no part"):
        drop(tmp_path, {"seed": [2]})
    assert {path: path.read_bytes() for path in before} == before
    assert drop(tmp_path, {"seed": [1, 2]}).left == 1


def test_a_seed_that_is_not_there_has_no_suggestion(tmp_path):
    plan(tmp_path, "1", "2", seeds=(1, 2))
    with pytest.raises(RefusedError, match=r"has the seed -1 \(known: 1, 2\)$"):
        drop(tmp_path, {"seed": [-1]})


@pytest.mark.parametrize("killed", [0, 1, 2, 5, 6])
def test_a_drop_that_is_killed_is_finished_by_doing_it_again(tmp_path, monkeypatch, killed):
    """Killed before each file that it writes or removes; the rest of the folder stays readable."""
    plan(tmp_path, "1", "2", "3", "4", seeds=(1, 2, 2, 1))
    write_part(tmp_path, [record("1", seed=1), record("2", seed=2)])
    write_part(tmp_path, [record("3", seed=2), record("4", seed=1)])
    derive(tmp_path, Parts(tmp_path))
    writes, real = [], type(tmp_path).replace

    def replace_or_die(self, target):
        writes.append(target)
        if len(writes) == killed + 1:
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "replace", replace_or_die)
        with pytest.raises(KeyboardInterrupt):
            drop(tmp_path, {"seed": [2]})
    assert not Parts(tmp_path).damaged
    assert drop(tmp_path, {"seed": [2]}).left == 2
    assert Parts(tmp_path).done() == read_plan(tmp_path).ids() == {"1", "4"}
    assert "2,x" not in (tmp_path / "results.csv").read_text()


def test_a_part_that_may_not_be_read_is_no_damaged_one(tmp_path, monkeypatch):
    write_part(tmp_path, [record("1")])

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", forbidden)
    with pytest.raises(RefusedError, match=r"\.npz: cannot be read: Permission denied"):
        Parts(tmp_path)


def test_a_pipe_among_the_parts_is_damaged_and_nobody_waits_for_it(tmp_path):
    (tmp_path / "parts").mkdir()
    os.mkfifo(tmp_path / "parts" / "x.npz")
    assert [reason for _, reason in Parts(tmp_path).foreign] == ["it is no regular file"]


COMMITTED = sorted((Path(__file__).parents[2] / "results" / "reference").glob("*/plan.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_report_reads_the_plan_of_a_committed_folder_of_any_version(path):
    assert planned(path.parent).requested()

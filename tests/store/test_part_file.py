"""The file of a part: what it gives back, as what, and that no changed byte goes unseen."""

import json
from functools import partial

import msgspec
import numpy as np
import pytest

from benchmarks import schema
from benchmarks.store import Parts, derive, part_file, write_part
from benchmarks.store.part_file import (
    DamagedPartError,
    read_arrays,
    read_meta,
    remove_cells,
    write_records,
)
from tests.store.test_store import plan, record

ARRAYS = {
    "a": np.arange(12.0).reshape(3, 4).T,  # columns first
    "flags": np.array([True, False]),
    "none": np.empty((0, 5), np.int16),
}
LONGER = ARRAYS | {"flags": np.array([False, True, True])}
RECORDS = [
    record(cell_id, "failed")._replace(arrays=arrays)
    for cell_id, arrays in (("1" * 12, ARRAYS), ("2" * 12, LONGER), ("3" * 12, {}), ("4", ARRAYS))
]
IDS = [record.cell_id for record in RECORDS]


@pytest.fixture
def path(tmp_path):
    write_records(tmp_path / "part.npz", RECORDS)
    return tmp_path / "part.npz"


def content(path):
    """Everything in a part, so that it can be compared."""
    arrays = read_arrays(path, IDS)
    found = {i: {n: (a.dtype, a.tolist()) for n, a in own.items()} for i, own in arrays.items()}
    return read_meta(path), found


def test_arrays_are_those_that_were_written(path):
    assert read_meta(path) == [record.meta for record in RECORDS]
    arrays = read_arrays(path, IDS)
    assert list(arrays) == ["1" * 12, "4", "2" * 12]
    for cell_id, written in ((r.cell_id, r.arrays) for r in RECORDS if r.arrays):
        assert list(arrays[cell_id]) == list(written)
        for name, array in written.items():
            assert arrays[cell_id][name].dtype == array.dtype
            assert arrays[cell_id][name].flags.writeable
            np.testing.assert_array_equal(arrays[cell_id][name], array)
    assert {i: list(own) for i, own in read_arrays(path, ["4"], {"a", "b"}).items()} == {"4": ["a"]}


def test_numpy_reads_a_part_too(path):
    with np.load(path) as part:
        assert part.files == ["meta", "cells.0", "cells.1"]
        assert part["cells.0"]["cell_id"].tolist() == ["1" * 12, "4"]
        np.testing.assert_array_equal(part["cells.1"]["flags"][0], LONGER["flags"])


def test_a_part_cut_anywhere_or_with_a_byte_changed_is_refused_or_the_same(path):
    whole, expected = path.read_bytes(), content(path)
    for place in range(0, len(whole), 3):
        for bad in (whole[:place], whole[:place] + b"~" + whole[place + 1 :]):
            path.write_bytes(bad)
            try:
                found = content(path)
            except DamagedPartError:
                continue
            assert found == expected  # times and attributes are not checked: they say nothing


def test_python_objects_are_neither_written_nor_read(tmp_path):
    path, objects = tmp_path / "part.npz", np.array([{}])
    with pytest.raises(ValueError, match="pickle"):
        write_records(path, [record("1", "failed")._replace(arrays={"a": objects})])
    np.savez(path, **{"meta": np.frombuffer(b"[]", np.uint8), "1.a": objects})
    with pytest.raises(DamagedPartError, match="holds Python objects"):
        read_arrays(path, ["1"])


def test_a_part_that_memory_is_too_short_for_is_not_damaged(path, monkeypatch):
    def short(_member):
        raise MemoryError("8 GiB")

    monkeypatch.setattr(part_file, "_array", short)
    for read in (read_meta, partial(read_arrays, wanted=IDS), partial(remove_cells, ids=IDS)):
        with pytest.raises(MemoryError, match="8 GiB"):
            read(path)


def test_the_parts_of_results_version_2_are_read(tmp_path):
    """There each array of each cell was a member of its own."""
    plan(tmp_path, "1", "2", "3", seeds=(1, 2, 3))
    records = [record(i, seed=int(i)) for i in "123"]
    part = write_part(tmp_path, records[:2])
    write_part(tmp_path, records[2:])
    derive(tmp_path, Parts(tmp_path))
    tables = [(tmp_path / name).read_bytes() for name in schema.TABLES]
    text = json.dumps([msgspec.to_builtins(one.meta) for one in records[:2]]).encode()
    members = {
        f"{r.cell_id}.{n}": np.asfortranarray(a) for r in records[:2] for n, a in r.arrays.items()
    }
    np.savez(part, meta=np.frombuffer(text, np.uint8), **members)
    plan_file = tmp_path / "plan.json"
    plan_file.write_text(json.dumps(json.loads(plan_file.read_text()) | {"schema": 2}))
    parts = Parts(tmp_path)
    derive(tmp_path, parts)
    assert parts.done() == set("123")
    assert [(tmp_path / name).read_bytes() for name in schema.TABLES] == tables

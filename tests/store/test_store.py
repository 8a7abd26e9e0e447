"""Parts are there whole or not at all, and the CSV files follow from them."""

import csv
import gzip
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from benchmarks import schema, store
from benchmarks.errors import RefusedError
from benchmarks.store import (
    CellFacts,
    CellKeys,
    CellMeta,
    CellSpecs,
    CollectedMeta,
    Costs,
    Driver,
    Parts,
    PlanFile,
    PlannedCell,
    Recomputed,
    Record,
    Stamp,
    derive,
    write_collected,
    write_part,
    write_plan,
)
from benchmarks.store.tables import content_of, finished_rows, missed

E, N, C = 12, 4, 3


def keys(cell_id, **changes):
    values = dict.fromkeys(schema.KEYS, "x") | {"noise_rate": 0.4, "seed": 0, "cell_id": cell_id}
    return values | changes


def record(cell_id, status="done", **changes):
    meta = CellMeta(
        keys=CellKeys(**keys(cell_id, **changes)),
        facts=CellFacts(n_train=N, n_test=5, noise_sha256="ab", metric_spec="v1"),
        status=status,
        reason="" if status == "done" else "it broke",
        costs=Costs(train_seconds=1.5),
        stamp=Stamp(host="here"),
    )
    if status != "done":
        return Record(meta, {})
    rng = np.random.default_rng(int(cell_id, 16))
    meta.selections = ("last", "val", "label_wave", "oracle")
    meta.scores, meta.mislabelled = ("loss",), 3
    meta.curves, meta.metrics = store.CURVE_VALUES, tuple(schema.METRICS)
    curves = rng.random((E, len(store.CURVE_VALUES)))
    curves[:, 0] = np.arange(1, E + 1)
    bins = np.zeros((4, schema.BINS_COUNT, 3))
    bins[:, 4] = [4, 1.2, 1.0]
    arrays = {
        "curves": curves,
        "selected": np.array([E - 1, 5, 2, 3]),
        "final": np.arange(E),
        "measured": rng.random((4, len(schema.METRICS))),
        "bins": bins,
        "detection": np.array([[0.75, np.nan]]),
        "logits": rng.random((4, 5, C), np.float32),
        "label": rng.integers(C, size=5).astype(np.int16),
        "train_scores": rng.random((1, N)),
        "noisy": np.zeros(N, np.int64),
        "clean": np.zeros(N, np.int16),
        "position": np.arange(N),
    }
    return Record(meta, arrays)


def plan(folder, *ids, seeds=()):
    plan_of(folder, [(i, "x", s) for i, s in zip(ids, seeds or [0] * len(ids), strict=True)])


def plan_of(folder, keys, **about):
    """A plan of cells, of each its id, method and seed."""
    cells = tuple(planned(cell_id, method=method, seed=seed) for cell_id, method, seed in keys)
    drivers = {cell.specs.kind(): Driver("one_by_one", 1, "float32") for cell in cells}
    write_plan(folder, PlanFile("s", "cpu", keep_all=True, drivers=drivers, cells=cells, **about))


def planned(cell_id, **changes):
    own = keys(cell_id, **changes)
    specs = {name: own[name] for name in ("dataset", "noise", "method", "model", "recipe", "seed")}
    return PlannedCell(**own, specs=CellSpecs(**specs, precision="x"))


def edit_plan(folder, old, new):
    """Write another text into every cell of a plan, as a version would that knows other names."""
    path = folder / "plan.json"
    plan = json.loads(path.read_text().replace(old, new))
    del plan["cells_sha256"]
    path.write_text(json.dumps(plan))


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_say_what_the_record_holds(tmp_path):
    plan(tmp_path, "1")
    one = record("1")
    write_part(tmp_path, [one])
    derive(tmp_path, Parts(tmp_path))
    rows = {row["selection"]: row for row in read(tmp_path / "results.csv")}
    curves, measured = one.arrays["curves"], one.arrays["measured"]
    column = store.CURVE_VALUES.index("ece")
    assert list(rows) == list(schema.SELECTIONS)
    chosen = {"last": E - 1, "val": 5, "label_wave": 2, "oracle": 3}
    for i, (name, position) in enumerate(chosen.items()):
        for j, metric in enumerate(schema.METRICS):
            assert float(rows[name][metric]) == pytest.approx(measured[i, j], rel=1e-8)
        assert rows[name]["epoch"] == str(position + 1)
    assert float(rows["last10"]["ece"]) == pytest.approx(curves[-10:, column].mean(), rel=1e-8)
    assert rows["last10"]["epoch"] == rows["last10"]["smece"] == ""
    assert len(read(tmp_path / "curves.csv")) == E
    bins = [row for row in read(tmp_path / "bins.csv") if row["selection"] == "val"]
    assert [float(bins[4][c]) for c in ("low", "high")] == pytest.approx([4 / 15, 5 / 15])
    assert (bins[4]["count"], bins[4]["confidence"], bins[4]["accuracy"]) == ("4", "0.3", "0.25")
    assert (bins[5]["count"], bins[5]["confidence"]) == ("0", "")
    (found,) = read(tmp_path / "detection.csv")
    assert (found["auroc"], found["ap"], found["mislabelled"]) == ("0.75", "", "3")
    (cost,) = read(tmp_path / "costs.csv")
    assert (cost["train_seconds"], cost["host"]) == ("1.5", "here")


def test_every_table_has_exactly_the_columns_of_the_schema(tmp_path):
    plan(tmp_path, "1")
    write_part(tmp_path, [record("1")])
    derive(tmp_path, Parts(tmp_path))
    for name, columns in schema.TABLES.items():
        assert (tmp_path / name).read_text().splitlines()[0] == ",".join(columns)


def test_tables_do_not_depend_on_the_order_or_the_packing_of_the_parts(tmp_path):
    records = [record(i, seed=int(i)) for i in "1234"]
    contents = []
    for number, packs in enumerate(([[0, 1, 2, 3]], [[3], [1], [0], [2]], [[2, 0], [1, 3]])):
        folder = tmp_path / str(number)
        folder.mkdir()
        plan(folder, *"1234", seeds=(1, 2, 3, 4))
        for pack in packs:
            write_part(folder, [records[i] for i in pack])
        derive(folder, Parts(folder))
        contents.append([(folder / name).read_bytes() for name in schema.TABLES])
    assert contents[0] == contents[1] == contents[2]


def test_rows_are_sorted_by_number_not_by_text(tmp_path):
    plan(tmp_path, *"12", seeds=(10, 9))
    write_part(tmp_path, [record("1", seed=10), record("2", seed=9)])
    derive(tmp_path, Parts(tmp_path))
    seeds = [r["seed"] for r in read(tmp_path / "results.csv") if r["selection"] == "last"]
    assert seeds == ["9", "10"]


def test_failed_and_diverged_cells_are_rows_with_a_reason(tmp_path):
    plan(tmp_path, "1", "2")
    write_part(tmp_path, [record("1", "failed"), record("2", "diverged")])
    parts = Parts(tmp_path)
    derive(tmp_path, parts)
    rows = read(tmp_path / "results.csv")
    assert [(r["status"], r["reason"], r["acc"]) for r in rows] == [
        ("failed", "it broke", ""),
        ("diverged", "it broke", ""),
    ]
    assert parts.done() == {"2"}  # diverging is a result, failing is not


def test_a_success_outranks_an_earlier_failure_of_the_same_cell(tmp_path):
    write_part(tmp_path, [record("1", "failed"), record("2")])
    write_part(tmp_path, [record("1")])
    assert Parts(tmp_path).done() == {"1", "2"}


def test_cells_outside_the_plan_are_not_shown(tmp_path):
    plan(tmp_path, "1")
    write_part(tmp_path, [record("1"), record("2")])
    derive(tmp_path, Parts(tmp_path))
    assert {r["cell_id"] for r in read(tmp_path / "results.csv")} == {"1"}


@pytest.mark.parametrize("length", [0, 2000])
def test_a_damaged_part_is_left_until_it_is_put_aside_and_its_cell_is_missing(tmp_path, length):
    path = write_part(tmp_path, [record("1")])
    path.write_bytes(path.read_bytes()[:length])
    parts = Parts(tmp_path)
    assert parts.done() == set()
    assert [damaged.path for damaged in parts.damaged] == [path]
    assert path.exists()  # opening changes nothing
    parts.put_aside()
    again = Parts(tmp_path)
    assert (again.damaged, [p.suffix for p in again.aside]) == ([], [".damaged"])


def collected(one, **arrays):
    names = ["acc", "gone", "ece"]  # of another version: fewer, and one that is no more
    meta = CollectedMeta(one.meta.keys, tuple(names), {"last": "v0"})
    return Recomputed(meta, {"measured": np.full((4, 3), 0.25), **arrays})


def test_recomputed_numbers_replace_those_of_training(tmp_path):
    plan(tmp_path, "1", "2")
    pack = [record("1"), record("2")]
    part = write_part(tmp_path, pack)
    before = part.read_bytes()
    write_collected(part, [collected(pack[1], detection=np.array([[0.5, 0.5]]))])
    derive(tmp_path, Parts(tmp_path))
    rows = read(tmp_path / "results.csv")
    untouched, new = (
        {r["selection"]: r for r in rows if r["cell_id"] == i and r["selection"] != "last10"}
        for i in "12"
    )
    assert {r["metric_spec"] for r in untouched.values()} == {"v1"}
    assert [r["metric_spec"] for r in new.values()] == ["v0", "v1", "v1", "v1"]
    assert {(r["acc"], r["ece"], r["nll"]) for r in new.values()} == {("0.25", "0.25", "")}
    assert "0.25" not in {r["acc"] for r in untouched.values()}
    assert [r["auroc"] for r in read(tmp_path / "detection.csv")] == ["0.75", "0.5"]
    assert part.read_bytes() == before


def test_a_part_written_again_has_no_recomputed_numbers(tmp_path):
    plan(tmp_path, "1")
    write_collected(write_part(tmp_path, [record("1")]), [collected(record("1"))])
    write_part(tmp_path, [record("1")])
    (again,) = Parts(tmp_path).records({"1"})
    assert again.arrays["measured"].shape == (4, len(schema.METRICS))


def test_damaged_recomputed_numbers_are_refused_not_skipped(tmp_path):
    plan(tmp_path, "1")
    part = write_part(tmp_path, [record("1")])
    write_collected(part, [collected(record("1"))])
    path = tmp_path / "collected" / part.name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RefusedError, match="is damaged: collect again, or remove it"):
        derive(tmp_path, Parts(tmp_path))


def test_an_unchanged_table_is_not_written_again(tmp_path):
    plan(tmp_path, "1")
    write_part(tmp_path, [record("1")])
    derive(tmp_path, Parts(tmp_path))
    before = (tmp_path / "results.csv").stat().st_mtime_ns
    derive(tmp_path, Parts(tmp_path))
    assert (tmp_path / "results.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not a results folder"),
        ("{", "is damaged"),
        ('{"schema": 0}', "was written by results version 0, this is"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    with pytest.raises(RefusedError, match=sentence):
        store.read_plan(tmp_path)


@pytest.mark.parametrize("version", [2, 3])
def test_a_folder_of_an_earlier_version_is_read_and_not_continued(tmp_path, version):
    plan(tmp_path, "1")
    text = json.loads((tmp_path / "plan.json").read_text()) | {"schema": version}
    (tmp_path / "plan.json").write_text(json.dumps(text))
    assert store.read_plan(tmp_path).schema == version
    with pytest.raises(RefusedError, match=f"holds results of version {version}, which are shown"):
        store.read_current_plan(tmp_path)


def test_results_page_names_every_column_and_file():
    page = (Path(__file__).parents[2] / "results" / "README.md").read_text()
    missing = {c for columns in schema.TABLES.values() for c in columns if f"`{c}`" not in page}
    assert not missing
    assert all(f"`{name}`" in page for name in schema.TABLES)


def with_arrays(one, **arrays):
    return Record(one.meta, one.arrays | arrays)


def test_losses_of_all_seeds_are_counted_by_whether_the_label_is_right(tmp_path):
    plan(tmp_path, "1", "2", "3", seeds=(1, 2, 3))
    clean = np.array([0, 1, 2, 0], np.int16)
    noisy = np.array([0, 1, 0, 0], np.int64)
    scores = {"1": [0.5, 1e-9, 20.0, 1e5], "2": [0.5, 0.5, 0.5, 0.5], "3": [3.0, 3.0, 3.0, 3.0]}
    labels = {"noisy": noisy, "clean": clean}
    records = [
        with_arrays(record(i, seed=int(i)), train_scores=np.array([row]), **labels)
        for i, row in scores.items()
        if i != "3"
    ]
    records.append(  # no label is wrong: nothing to tell apart
        with_arrays(record("3", seed=3), train_scores=np.array([scores["3"]]))
    )
    records[-1].arrays.update(noisy=clean, clean=clean)
    write_part(tmp_path, records)
    derive(tmp_path, Parts(tmp_path))
    rows = read(tmp_path / "losses.csv")
    assert {(row["noise"], row["seeds"]) for row in rows} == {("x", "2")}
    found = {row["bin"]: (row["right"], row["wrong"]) for row in rows}
    assert found == {"0": ("1", "0"), "22": ("4", "1"), "31": ("0", "1"), "35": ("1", "0")}
    for row in rows:
        if row["bin"] in {"22", "31"}:
            (loss,) = {"22": [0.5], "31": [20.0]}[row["bin"]]
            assert float(row["low"]) <= loss < float(row["high"])


def test_an_estimated_matrix_stands_beside_what_happened_to_the_labels(tmp_path):
    plan(tmp_path, "1", "2", seeds=(1, 2))
    labels = {
        "1": {"clean": np.array([0, 0, 1, -1]), "noisy": np.array([0, 1, 1, 0])},  # one of no class
        "2": {"clean": np.array([0, 0, 0, 2]), "noisy": np.array([0, 0, 0, 2])},
    }
    estimates = {
        "1": [[0.8, 0.2, 0], [0.0, 1.0, 0], [0, 0, 1]],
        "2": [[0.6, 0.4, 0], [0.5, 0.5, 0], [0, 0, 1]],
    }
    write_part(
        tmp_path,
        [
            with_arrays(record(i, seed=int(i)), estimate=np.array(estimates[i]), **labels[i])
            for i in "12"
        ],
    )
    derive(tmp_path, Parts(tmp_path))
    zero, one, _ = read(tmp_path / "transitions.csv")
    assert (zero["label"], zero["seeds"]) == ("0", "2")
    assert (zero["estimated"], zero["realised"]) == ("0.7 0.3 0", "0.8 0.2 0")  # 4 of 5 stayed
    assert (one["estimated"], one["realised"]) == ("0.25 0.75 0", "0 1 0")


@pytest.mark.parametrize("score", [[5, 6, 4, 0, 1, 2, 3], [2, 1, 1, 0, 1, 1, 2]])
def test_what_a_budget_misses_is_counted_over_every_order_of_equal_scores(score):
    score = np.array(score, float)
    wrong = np.array([True, False, True, False, False, True, False])
    shares = []
    for order in permutations(range(7)):
        ranked = sorted(order, key=lambda i: -score[i])  # equal scores stay in their order
        shares.append(1 - wrong[ranked[:3]].mean())
    assert 0 < np.mean(shares) < 1
    assert missed(score, wrong) == pytest.approx(np.mean(shares))
    assert np.isnan([missed(score, wrong | True), missed(score, wrong & False)]).all()
    assert np.isnan(missed(np.full(7, np.nan), wrong))


def test_a_table_that_unpacks_to_more_than_one_holds_is_refused(tmp_path):
    path = tmp_path / "results.csv.gz"
    path.write_bytes(gzip.compress(b"\0" * 2**27))
    with pytest.raises(RefusedError, match=r"results\.csv\.gz.* packed to a 200th at best"):
        content_of(path)
    assert finished_rows(tmp_path) == set()


def test_a_part_is_never_written_over_one_of_other_cells_that_was_given_its_name(tmp_path):
    first, second = (write_part(tmp_path, [record(i, seed=int(i))]) for i in "12")
    second.write_bytes(first.read_bytes())
    first.unlink()  # the second has its cell and no other place
    write_part(tmp_path, [record("2", seed=2)])
    assert Parts(tmp_path).done() == {"1", "2"}
    write_part(tmp_path, [record("2", seed=2)])
    assert len(list((tmp_path / "parts").iterdir())) == 2

"""What training leaves is enough to measure again, and measuring again changes nothing."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import metrics, schema
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.measure import collect
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.noise import NOISES, LabelSpace
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import make_plan
from benchmarks.store import Parts, Record, derive, write_part
from methods import METHODS
from methods.cross_entropy import CrossEntropy
from tests.cells import CPU, NOWHERE, alone, build
from tests.oracles import metrics as oracles

CSV = [name for name in schema.TABLES if name != "costs.csv"]


@dataclass(frozen=True)
class Believer(CrossEntropy):
    """Cross-entropy that keeps all but the first label, and takes the noise to be symmetric."""

    def init(self, task):
        kept = torch.ones(2, len(task.label))
        matrix = torch.full((task.num_classes,) * 2, 0.3 / (task.num_classes - 1))
        return {"kept": kept, "transition": matrix.fill_diagonal_(0.7)}

    def refit(self, outputs, state, epoch):
        return state | {"kept": torch.arange(state["kept"].shape[1]).gt(0).float().expand(2, -1)}


@pytest.fixture(autouse=True)
def believer(monkeypatch):
    monkeypatch.setitem(METHODS._entries, "believer", Believer)


def believer_cell(recipe="small(epochs=4)"):
    return build("believer", recipe=recipe)


def trained(folder, cells, *, keep_all=True):
    folder.mkdir()
    make_plan(folder, "s", cells, TrainingOptions(CPU, 1)).write(folder)
    for cell in cells:
        (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all))
        write_part(folder, [record])
    derive(folder, Parts(folder))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS._entries, "believer", Believer)
        cells = [
            believer_cell(),
            build("forward", recipe="small(epochs=12)"),
            build("cross_entropy", recipe="small(epochs=2, val_fraction=0.0)"),
        ]
        return trained(tmp_path_factory.mktemp("runs") / "one", cells)


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def rows(folder, method="believer"):
    table = pd.read_csv(folder / "results.csv", keep_default_na=False)
    return table[table["method"] == method].set_index("selection")


def contents(folder):
    return {name: (folder / name).read_bytes() for name in CSV}


# --------------------------------------------------------------------------- what training says


def test_each_selection_is_measured_on_the_logits_of_its_epoch():
    cell = believer_cell(recipe="small(epochs=12, val_fraction=0.3)")
    data = load_cell_data(cell, NOWHERE, CPU)
    epochs = alone(cell, data)
    (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all=True))
    assert len(set(record.arrays["selected"].tolist())) > 1
    label = data.test.label
    for row, at in zip(record.arrays["measured"], record.arrays["selected"], strict=True):
        found = dict(zip(record.meta.metrics, row, strict=True))
        for name, oracle in {**oracles.TEST, "cwece": oracles.cwece, "aurc": oracles.aurc}.items():
            expected = oracle(epochs[at].test.tolist(), label.tolist())
            assert found[name] == pytest.approx(expected, abs=1e-4), name
        for split, labels in (("noisy", data.val_noisy), ("clean", data.val_clean)):
            fitted = metrics.fit_temperature(epochs[at].val, labels)
            assert found[f"ts_{split}_T"] == pytest.approx(fitted)
            scaled = (epochs[at].test.double() / fitted).tolist()
            for metric in ("nll", "brier", "ece"):
                expected = oracles.TEST[metric](scaled, label.tolist())
                assert found[f"ts_{split}_{metric}"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("method", "given"), [("believer", 0.0), ("cross_entropy", 1.0)])
def test_the_corrected_fit_takes_the_methods_own_matrix_and_flags_the_true_one(method, given):
    cell = build(method, recipe="small(epochs=2, val_fraction=0.3)")
    data = load_cell_data(cell, NOWHERE, CPU)
    last = alone(cell, data)[-1]
    (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all=True))
    found = dict(zip(record.meta.metrics, record.arrays["measured"][0], strict=True))
    true = NOISES.build("symmetric(rate=0.4)").matrix(LabelSpace(10, 1078, {}))
    own = torch.full((10, 10), 0.3 / 9).fill_diagonal_(0.7)
    matrix = true if given else own
    fitted = metrics.fit_temperature(last.val, data.val_noisy, matrix)
    other = metrics.fit_temperature(last.val, data.val_noisy, own if given else true)
    assert found["ts_fwd_T"] == pytest.approx(fitted, rel=1e-6)
    assert abs(fitted - other) > 0.01
    assert found["ts_fwd_given"] == given


def test_the_state_after_the_last_epoch_is_measured_and_only_there(folder):
    data = load_cell_data(believer_cell(), NOWHERE, CPU)
    right = (data.noisy == data.clean).double()
    found = rows(folder).loc["last"]
    n = len(right)
    assert float(found["sel_precision"]) == pytest.approx(right[1:].sum().item() / (n - 1))
    assert float(found["sel_recall"]) == pytest.approx((right[1:].sum() / right.sum()).item())
    realised = np.zeros((10, 10))
    np.add.at(realised, (data.clean.numpy(), data.noisy.numpy()), 1)
    realised /= realised.sum(1, keepdims=True)
    own = np.where(np.eye(10), 0.7, 0.3 / 9)
    assert float(found["T_err_l1"]) == pytest.approx(np.abs(own - realised).sum() / 10)
    names = ["sel_precision", "sel_recall", "T_err_l1"]
    assert (rows(folder).loc[["val", "oracle"], names] == "").all(axis=None)
    assert (rows(folder, "cross_entropy")[names] == "").all(axis=None)
    assert float(rows(folder, "forward").loc["last", "T_err_l1"]) > 0
    assert rows(folder, "forward").loc["last", "sel_recall"] == ""


def test_without_validation_images_there_are_no_temperatures(folder):
    found = rows(folder, "cross_entropy")
    scaled = [name for name in schema.METRICS if name.startswith("ts_")]
    assert len(scaled) == 17
    assert list(found.index) == ["last", "oracle"]
    assert (found[scaled] == "").all(axis=None)
    assert (found[["smece", "cwece", "aurc", "eaurc"]] != "").all(axis=None)
    assert (rows(folder)[scaled] != "").all(axis=None)


def test_the_mean_of_the_last_ten_epochs_has_what_every_epoch_has(folder):
    found = rows(folder, "forward").loc["last10"]
    assert all((found[name] != "") == (name in schema.EPOCH_METRICS) for name in schema.METRICS)


# ------------------------------------------------------------------------------ measuring again


def test_collecting_after_training_gives_the_same_bytes(copy):
    parts = {path: path.read_bytes() for path in (copy / "parts").iterdir()}
    before = contents(copy)
    assert collect(copy) == (3, 0, [])
    assert contents(copy) == before
    assert {path: path.read_bytes() for path in (copy / "parts").iterdir()} == parts


def test_a_changed_definition_reaches_every_row_without_training(copy, monkeypatch):
    before = rows(copy)
    real = metrics.test_metrics

    def doubled(logits, label, rows):
        found = real(logits, label, rows)
        return found | {"nll": found["nll"] * 2}

    monkeypatch.setattr(metrics, "test_metrics", doubled)
    monkeypatch.setattr(schema, "METRIC_SPEC", "v9")
    collect(copy)
    after = rows(copy)
    assert set(after["metric_spec"]) == {"v9"}
    pairs = zip(after["nll"].astype(float), before["nll"].astype(float), strict=True)
    assert all(new == pytest.approx(2 * old, rel=1e-8) for new, old in pairs)
    assert (after["ece"] == before["ece"]).all()
    kept = rows(copy, "forward").loc["last10", "metric_spec"]
    assert kept == "v1"  # from the curves, whose logits were not kept
    monkeypatch.undo()
    derive(copy, Parts(copy))
    assert set(rows(copy)["metric_spec"]) == {"v9"}  # recomputed numbers stay until the next time


def test_a_new_metric_is_filled_in(copy):
    """From a part of a version that knew one metric fewer."""
    expected, parts = contents(copy), Parts(copy)
    old = next(r for r in parts.records(parts.done()) if r.meta.keys.method == "believer")
    known = [i for i, name in enumerate(old.meta.metrics) if name != "smece"]
    meta = msgspec.structs.replace(old.meta, metrics=tuple(old.meta.metrics[i] for i in known))
    fewer = old.arrays | {"measured": old.arrays["measured"][:, known]}
    write_part(copy, [Record(meta, fewer)])
    derive(copy, Parts(copy))
    assert set(rows(copy)["smece"]) == {""}
    collect(copy)
    assert contents(copy) == expected


def test_where_only_the_last_logits_are_kept_the_others_keep_their_numbers(tmp_path, monkeypatch):
    folder = trained(tmp_path / "thin", [believer_cell(recipe="small(epochs=6)")], keep_all=False)
    before = contents(folder)
    (record,) = Parts(folder).records(Parts(folder).done())
    assert len(record.arrays["logits"]) == len(record.arrays["val_logits"]) == 1
    assert len(record.arrays["measured"]) == 4
    assert collect(folder) == (1, 1, [])
    assert contents(folder) == before
    monkeypatch.setattr(schema, "METRIC_SPEC", "v9")
    collect(folder)
    specs = rows(folder)["metric_spec"].to_dict()
    assert specs == {"last": "v9", "val": "v1", "label_wave": "v1", "oracle": "v1"}


def test_damaged_parts_are_named_and_the_others_measured(copy):
    path = min((copy / "parts").iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    (copy / "results.csv").unlink()
    found = collect(copy)
    assert found.cells == 2
    assert [str(path) in line for line in found.damage] == [True]
    assert path.exists()


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="is not a results folder"):
        collect(tmp_path)


def test_failed_and_diverged_cells_stay_as_they_are(tmp_path):
    folder = trained(tmp_path / "bad", [build("cross_entropy", recipe="small(lr=1e30)")])
    before = contents(folder)
    assert collect(folder) == (0, 0, [])
    assert contents(folder) == before
    assert "diverged" in before["results.csv"].decode()


def test_tables_that_are_all_that_is_left_of_a_cell_are_not_written_over(copy):
    shutil.rmtree(copy / "parts")
    before = contents(copy)
    with pytest.raises(RefusedError, match="is all that is left of 3 finished cells"):
        collect(copy)
    assert contents(copy) == before

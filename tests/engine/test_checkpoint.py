"""Packs that are killed and go on from their checkpoint: to the bytes of one that was not."""

import os
import zipfile

import numpy as np
import pytest

from benchmarks.engine import checkpoint, selection
from benchmarks.engine.checkpoint import Checkpoints
from benchmarks.engine.record import PackSetup, train_cells
from benchmarks.engine.selection import History
from methods import METHODS
from tests.agreement import case
from tests.cells import CPU, NOWHERE, build

TELLING = {
    "cross_entropy": "momentum, and nothing else",
    "ce_ema": "averaged weights",
    "elr": "a state of every example",
    "sop": "learnt state",
    "pes": "stages with fresh layers",
    "dividemix": "two networks, and a refit",
    "co_teaching": "two networks",
    "mw_net": "a network that looks ahead",
    "cdr": "a hook for gradients",
    "t_revision": "stages with fresh networks",
    "ssr": "features of the last layer",
    "early_stopping": "an epoch that is chosen early",
}
"""Methods, and what of theirs one epoch leaves for the next."""


class Killed(BaseException):
    """Raised in place of a kill."""


def trained(cells, folder, width, until=None, place=""):
    """The records of cells, killed in the middle of an epoch if told so."""

    def beat(epochs):
        if until is not None and until < epochs < until + 1:
            raise Killed

    kept = Checkpoints(folder, 0.0, place)
    return train_cells(cells, PackSetup(NOWHERE, CPU, True, width, beat=beat, checkpoints=kept))


def bytes_of(records):
    """All numbers that records keep."""
    return [
        {name: (values.dtype, values.tobytes()) for name, values in record.arrays.items()}
        for record in records
    ]


def goes_on(cells, width, folder, monkeypatch):
    """Kill a pack in each of its epochs but the first, and go on each time; compare."""
    whole = train_cells(cells, PackSetup(NOWHERE, CPU, True, width))
    epochs = len(whole[0].arrays["curves"])
    begins, begin = [], checkpoint.Checkpoint.resume

    def resumed(self, histories, device):
        found = begin(self, histories, device)
        begins.append(found.epochs if found else 0)
        return found

    monkeypatch.setattr(checkpoint.Checkpoint, "resume", resumed)
    for number in range(1, epochs):
        with pytest.raises(Killed):
            trained(cells, folder, width, until=number)
    found = trained(cells, folder, width)
    assert begins == list(range(epochs))
    assert bytes_of(found) == bytes_of(whole)
    assert [r.meta.selections for r in found] == [r.meta.selections for r in whole]
    return found


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("method", TELLING)
def test_a_pack_that_is_killed_in_every_epoch_ends_in_the_same_bytes(
    method, width, tmp_path, monkeypatch
):
    cells = [build(method, seed=seed, recipe="small(epochs=4)") for seed in range(min(width, 2))]
    goes_on(cells, width, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("recipe", "precision"),
    [("small(epochs=3, optimizer='adam', lr=0.001)", "bfloat16"), ("small(epochs=3)", "float32")],
)
def test_so_does_a_network_with_running_statistics(recipe, precision, tmp_path, monkeypatch):
    options = {"model": "airbench(width=2)", "recipe": recipe, "precision": precision}
    for width in (1, 2):
        cells = [build("ce_ema", seed=seed, **options) for seed in range(width)]
        goes_on(cells, width, tmp_path / str(width), monkeypatch)


@pytest.mark.soak
def test_so_does_every_method(tmp_path, monkeypatch):
    for method in (name for name in METHODS if not METHODS[name].needs_side):
        for width in (1, 3):
            with case(method, width), monkeypatch.context() as patch:
                cells = [build(method, seed=seed, recipe="small(epochs=5)") for seed in (0, 1)]
                goes_on(cells[:width], width, tmp_path / f"{method}{width}", patch)


def test_so_do_the_sums_and_selections_of_metrics_that_do_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "AT_ONCE", 1)
    (record,) = goes_on([build("label_wave", recipe="small(epochs=6)")], 1, tmp_path, monkeypatch)
    assert "label_wave" in record.meta.selections


def test_metrics_that_wait_and_a_cell_that_diverged_are_kept(tmp_path, monkeypatch):
    note = History.note

    def diverging(self, epoch, data):
        note(self, epoch, data)
        if self.keys["seed"] and epoch.number == 2:
            self.reason = "the training loss is nan in epoch 2"

    monkeypatch.setattr(History, "note", diverging)
    recipe = "small(epochs=5, evaluate_every=2)"
    cells = [build("cross_entropy", seed=seed, recipe=recipe) for seed in (0, 1)]
    records = goes_on(cells, 2, tmp_path, monkeypatch)
    assert [record.meta.status for record in records] == ["done", "diverged"]


@pytest.mark.parametrize("harm", ["truncated", "of another version", "with a pickle", "of others"])
def test_a_checkpoint_that_is_damaged_or_foreign_is_begun_anew(harm, tmp_path):
    cells = [build(seed=0), build(seed=1)]
    with pytest.raises(Killed):
        trained(cells, tmp_path, 2, until=1)
    (path,) = (tmp_path / "checkpoints").iterdir()
    arrays = dict(np.load(path))
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "with a pickle":
        np.savez(path, **arrays, hostile=np.array([print], dtype=object))
    else:
        text = arrays.pop("meta").tobytes()
        old, new = f'"version":{checkpoint.VERSION}'.encode(), b'"version":0'
        if harm == "of others":
            old, new = cells[0].id.encode(), b"c" + b"0" * 12
        assert old in text
        np.savez(path, **arrays, meta=np.frombuffer(text.replace(old, new), np.uint8))
    whole = train_cells(cells, PackSetup(NOWHERE, CPU, True, 2))
    assert bytes_of(trained(cells, tmp_path, 2)) == bytes_of(whole)


def test_what_somebody_else_put_among_checkpoints_is_left_alone_and_nothing_waits_for_it(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    np.savez(folder / "features.npz", x=np.zeros(3))
    os.mkfifo(folder / f"{1:016}.npz")
    (folder / f"{2:016}.npz").mkdir()
    (folder / f"{3:016}.npz").write_bytes(b"damaged")
    assert checkpoint.begun(tmp_path) == {folder / f"{3:016}.npz": None}


def test_a_checkpoint_that_unpacks_to_more_than_one_holds_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "TEXT_BYTES", 1000)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)  # nothing is unpacked
    path = tmp_path / "checkpoints" / f"{1:016}.npz"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.npy", bytes(100_000))
    assert checkpoint.begun(tmp_path) == {path: None}


def test_a_cell_tells_in_which_other_environments_it_began(tmp_path):
    cells = [build(recipe="small(epochs=5)")]
    for until, place in ((1, "here"), (2, "there"), (3, "here")):
        with pytest.raises(Killed):
            trained(cells, tmp_path, 1, until, place)
    (record,) = trained(cells, tmp_path, 1, place="beyond")
    assert record.meta.stamp.earlier == "there; here"
    checkpoint.remove(tmp_path, [cells[0].id])
    (record,) = trained(cells, tmp_path, 1, place="beyond")
    assert record.meta.stamp.earlier == ""

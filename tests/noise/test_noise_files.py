"""Noise from a user's file: what is accepted, what is refused, and what an edit does."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine import loop
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.launch import session
from benchmarks.launch.request import Request
from benchmarks.launch.worker import Job, train_pack
from benchmarks.noise import NOISES, LabelSpace, realised
from benchmarks.store import Parts, derive
from benchmarks.sweep import Cell, Suite, label_space

N, C = 300, 5
TRUE = np.arange(N) * 3 % C
GIVEN = (TRUE + (np.arange(N) % 4 == 0)) % C
CPU = torch.device("cpu")


def labels(path, seeds=(0,), size=N):
    """Check a file as a sweep does, then draw as a cell does."""
    noise = NOISES.build(f"labels(file={str(path)!r})")
    space = LabelSpace(C, size, {})
    noise.check(space, seeds)
    given = noise.corrupt(torch.from_numpy(TRUE), space, "toy", seeds[0])
    assert torch.equal(given.transition, realised(torch.from_numpy(TRUE), given.label, C))
    return given.label.tolist()


def npz(**arrays):
    block = io.BytesIO()
    np.savez(block, **arrays)
    return block.getvalue()


def npy(array, **options):
    block = io.BytesIO()
    np.save(block, array, **options)
    return block.getvalue()


def table(*columns, rows=None):
    """A CSV with some of the columns position, true and given, and one that is no number."""
    every = {"position": range(N), "name": [f"{i}.png" for i in range(N)], "true": TRUE}
    every |= {"given": GIVEN}
    order = range(N) if rows is None else rows
    lines = [",".join(columns), *(",".join(str(every[c][i]) for c in columns) for i in order)]
    return "\n".join(lines).encode()


ACCEPTED = {
    "float.npy": npy(GIVEN.astype(np.float32)),
    "byte.npy": npy(GIVEN.astype(np.uint8)),
    "alone.npz": npz(anything=GIVEN),
    "named.npz": npz(given=GIVEN, worse=TRUE),
    "checked.npz": npz(given=GIVEN, true=TRUE),
    "comment.txt": b"# our labels\n" + "\n".join(map(str, GIVEN)).encode(),
    "comment.csv": b"# whose labels, and when\n" + table("position", "given"),
    "row.csv": ",".join(map(str, GIVEN)).encode(),
    "excel.csv": b"\xef\xbb\xbf" + table("given").replace(b"\n", b"\r\n"),
    "names.csv": table("name", "given", "position"),
    "all.csv": table("position", "true", "given"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_labels_are_read_from_every_form(tmp_path, name):
    (tmp_path / name).write_bytes(ACCEPTED[name])
    assert labels(tmp_path / name) == GIVEN.tolist()


BACKWARDS = range(N - 1, -1, -1)
REFUSED = {
    "empty.npy": (b"", "holds something else than numbers: No data left in file"),
    "empty.csv": (b"", "holds something else than numbers: it has no rows"),
    "header.csv": (b"position,given\n", "holds something else than numbers: it has no rows"),
    "cut.npy": (npy(GIVEN)[:-9], "holds something else than numbers"),
    "cut.npz": (npz(given=GIVEN, true=TRUE)[:-60], "holds something else than numbers"),
    "text.npy": (npy(GIVEN.astype(str)), "holds something else than numbers: an array of type <U"),
    "flag.npy": (npy(GIVEN > 2), "holds something else than numbers: an array of type bool"),
    "pickle.npy": (npy(GIVEN.astype(object), allow_pickle=True), "something else than numbers"),
    "photo.csv": (b"\x89PNG\xff\xfe", "holds something else than numbers"),
    "several.npz": (npz(worse=GIVEN, clean=TRUE), "one named given, .* has worse, clean$"),
    "none.npz": (npz(), "one named given, .* has none$"),
    "short.npy": (npy(GIVEN[:-1]), r"hold 300 labels, .* has the shape \(299,\)$"),
    "column.npy": (npy(GIVEN[:, None]), r"hold 300 labels, .* has the shape \(300, 1\)$"),
    "true.npz": (npz(given=GIVEN, true=TRUE[:7]), r"hold 300 labels, .* shape \(7,\)$"),
    "nan.npy": (npy(np.where(GIVEN > 3, np.nan, 0)), "whole numbers from 0 to 4"),
    "infinite.npy": (npy(np.where(GIVEN > 3, np.inf, 0)), "whole numbers from 0 to 4, .* to inf$"),
    "half.npy": (npy(GIVEN / 2), "whole numbers from 0 to 4"),
    "low.npy": (npy(GIVEN - 1), "whole numbers from 0 to 4, .* has -1 to 3$"),
    "high.npy": (npy(GIVEN + 1), "whole numbers from 0 to 4, .* has 1 to 5$"),
    "sorted.csv": (
        table("position", "given", rows=BACKWARDS),
        "publisher's order, the column position of .* does not count from 0 to 299$",
    ),
    "other.csv": (
        table("true", "given", rows=BACKWARDS),
        r"order of toy, the column true of .* differs from its labels at \d+ of 300 images",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_labels_that_are_none_are_refused_in_one_sentence(tmp_path, name):
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"^Labels\.file(:| must) (.* )?" + words) as caught:
        labels(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["nan", "text", "several"])
def test_a_matrix_that_is_none_is_refused(tmp_path, name):
    arrays = {"nan": np.full((C, C), np.nan), "text": np.eye(C).astype(str), "several": np.eye(C)}
    path = tmp_path / ("T.npz" if name == "several" else "T.npy")
    path.write_bytes(npz(a=np.eye(C), b=np.eye(C)) if name == "several" else npy(arrays[name]))
    with pytest.raises(ValueError, match=r"^Matrix\.file(:| must)"):
        NOISES.build(f"matrix(file={str(path)!r})").check(LabelSpace(C, N, {}), [0])


# ----------------------------------------------------------------- a sweep, a cell, and its file


def digits(seed):
    label = DATASETS.build("digits").load(Path(), seed)[0].label.numpy()
    return (label + (np.arange(len(label)) % 3 == 0)) % 10


@pytest.fixture
def files(tmp_path):
    """Labels for the seeds 0 and 1; a name with characters that mean something to a shell."""
    folder = tmp_path / "rate=0.3, [a] *"
    folder.mkdir()
    for seed in (0, 1):
        np.save(folder / f"labels-{seed}.npy", digits(seed))
    return folder


def spec(folder):
    return f"labels(file={str(folder / 'labels-{seed}.npy')!r})"


def cell(folder, seed=0):
    parts = {"dataset": "digits", "noise": spec(folder), "method": "cross_entropy", "model": "mlp"}
    parts |= {"recipe": "small(epochs=2)", "seed": seed, "precision": "float32"}
    return Cell.build(parts)


def test_a_file_is_checked_for_every_seed_before_anything_is_trained(files):
    suite = Suite.read("default").override({"noise": [spec(files)], "seed": [0, 1]})
    assert len(list(suite.cells("float32"))) == 12
    np.save(files / "labels-1.npy", digits(1)[:-1])
    with pytest.raises(RefusedError, match=r"must hold 1078 labels, .*labels-1.npy"):
        suite.cells("float32")
    (files / "labels-1.npy").unlink()
    with pytest.raises(RefusedError, match=r"cannot read .*labels-1.npy"):
        suite.cells("float32")


def test_each_seed_has_the_labels_of_its_own_file(files):
    for seed in (0, 1):
        one = cell(files, seed)
        given = one.noise.corrupt(
            torch.from_numpy(digits(seed)), label_space(one.dataset), "digits", seed
        )
        assert given.label.tolist() == digits(seed).tolist()


def test_the_file_of_one_seed_is_no_part_of_the_cell_of_another(files):
    before = [cell(files, seed).id for seed in (0, 1)]
    np.save(files / "labels-1.npy", digits(1)[::-1])
    np.save(files / "labels-2.npy", digits(2))
    after = [cell(files, seed).id for seed in (0, 1)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_what_is_in_a_file_is_the_identity_and_not_where_it_lies(files, monkeypatch):
    """A relative name means the folder in which the run was started."""
    ids = []
    for place in ("one", "two"):
        shutil.copytree(files, files / place / "x")
        monkeypatch.chdir(files / place)
        ids.append(replace(cell(files), noise=NOISES.build("labels(file='x/labels-0.npy')")).id)
    assert ids[0] == ids[1]


def request(folder, **changes):
    asked = {"noises": [spec(folder)], "methods": ["cross_entropy"], "seeds": [0], "workers": 1}
    asked |= {"recipes": ["small(epochs=2)"], "out": folder / "out", "device": "cpu"}
    return session.prepare(Request(**asked | changes))


def train(prepared):
    prepared.folder.mkdir(exist_ok=True)
    prepared.plan.write(prepared.folder)
    job = Job(prepared.folder, prepared.root, "cpu", keep_all=True, commit="")
    train_pack(job, [one.specs() for one in prepared.missing()], 1, CPU)
    derive(prepared.folder, Parts(prepared.folder))
    return (prepared.folder / "results.csv").read_text()


def test_an_edited_file_trains_its_cells_again_and_drops_the_old_rows(files):
    first = train(request(files))
    assert request(files).missing() == []
    np.save(files / "labels-0.npy", digits(0)[::-1])
    again = request(files)
    assert [one.id for one in again.missing()] == [cell(files).id]
    second = train(again)
    assert request(files).missing() == []
    assert first.count("\n") == second.count("\n") > 1
    assert cell(files).id in second
    assert cell(files).id not in first


def test_a_results_folder_whose_file_is_gone_is_refused_in_a_sentence(files):
    train(request(files))
    (files / "labels-0.npy").unlink()
    with pytest.raises(RefusedError, match=r"holds the cell .*cannot read .*labels-0.npy: No such"):
        request(files, noises=["clean"])


def test_a_result_is_kept_under_the_file_it_came_from_even_if_that_is_edited_meanwhile(
    files, monkeypatch
):
    one, honest = cell(files), loop.train
    before, hashed = one.id, load_cell_data(one, files, CPU).noise_sha256

    def edit(team):
        np.save(files / "labels-0.npy", digits(0)[::-1])
        return honest(team)

    monkeypatch.setattr("benchmarks.engine.record.train", edit)
    (record,) = train_and_record([one], PackSetup(files, CPU, keep_all=True))
    assert record.cell_id == before != one.id
    assert record.meta["facts"]["noise_sha256"] == hashed

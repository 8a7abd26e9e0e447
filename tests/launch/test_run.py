"""Training what a session misses, by any launcher, and packs that fail."""

import os
import platform
import weakref
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.engine.checkpoint import Checkpoints
from benchmarks.engine.record import PackSetup, train_cells
from benchmarks.engine.stack import Stack
from benchmarks.errors import RefusedError
from benchmarks.launch import worker
from benchmarks.launch.cluster import Cluster
from benchmarks.launch.progress import Progress
from benchmarks.launch.request import Request
from benchmarks.launch.run import LAUNCHERS, RunSummary, _packs, train
from benchmarks.launch.session import prepare
from benchmarks.launch.worker import Job, finish_pack, train_pack
from benchmarks.outputs import WritingError
from benchmarks.store import trainers
from benchmarks.store.status import look
from tests.cells import CPU, NOWHERE, build


def in_this_process(job, packs, _workers, tell):
    """A launcher that trains without workers."""
    for pack in packs:
        specs = [cell.specs() for cell in pack.cells]
        for outcome in finish_pack(job, train_pack(job, specs, pack.width, CPU)):
            tell(outcome)


def test_a_cell_that_diverged_is_told_apart_from_one_without_a_result(tmp_path):
    statuses = Counter(done=1, diverged=2, failed=1)
    told = "2 of 5 cells diverged, 2 of 5 cells have no result"
    assert RunSummary(tmp_path, 5, statuses).shortfall == told
    assert RunSummary(tmp_path, 1, Counter(diverged=1)).shortfall == "1 of 1 cell diverged"
    assert RunSummary(tmp_path, 1, Counter(done=1)).shortfall == ""


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_is_renamed_while_it_is_trained_in_is_missed_by_name(
    monkeypatch, tmp_path, again
):
    """And nothing is trained into a folder without a plan that stands in its place."""
    out, moved = tmp_path / "out", tmp_path / "moved"

    def renaming(job, packs, workers, tell):
        for pack in packs:
            in_this_process(job, [pack], workers, tell)
            if out.exists():
                out.rename(moved)
                if again:
                    out.mkdir()

    monkeypatch.setitem(LAUNCHERS, "renaming", renaming)
    options = {"methods": ["cross_entropy", "elr"], "recipes": ["small(epochs=2)"], "seeds": [0]}
    request = Request(**options, noises=["clean"], out=out, pack=1)
    with pytest.raises(WritingError, match="was renamed or removed while") as caught:
        train(replace(prepare(request), cluster=Cluster("renaming")))
    assert caught.value.filename == str(out)
    assert out.exists() == again
    assert len(prepare(replace(request, out=moved)).missing()) == 1


def test_another_launcher_is_a_function_in_the_table(monkeypatch, tmp_path):
    started = []

    def noted(job, packs, workers, tell):
        started.append(workers)
        in_this_process(job, packs, workers, tell)

    monkeypatch.setitem(LAUNCHERS, "here", noted)
    request = Request(
        methods=["cross_entropy"],
        noises=["clean"],
        recipes=["small(epochs=2)"],
        seeds=[0, 1],
        out=tmp_path,
        workers=3,
    )
    session = prepare(request)
    parts = train(replace(session, cluster=Cluster("here")))
    assert started == [3]
    assert parts.done() == {cell.id for cell in session.plan.cells}
    assert (tmp_path / "results.csv").is_file()
    assert prepare(request).missing() == []


def test_a_run_is_seen_while_it_trains_and_not_when_it_has_ended(monkeypatch, tmp_path):
    seen = []

    def looking(_progress, _outcome):
        seen.append(look(tmp_path)[0])

    monkeypatch.setattr(Progress, "tell", looking)
    monkeypatch.setattr(trainers, "TOLD_SECONDS", 0.0)
    request = Request(
        methods=["cross_entropy"],
        noises=["clean"],
        recipes=["small(epochs=3)"],
        seeds=[0, 1, 2],
        out=tmp_path,
        pack=1,
        workers=1,
    )
    train(prepare(request))
    assert [state.state for state in seen] == ["training"] * 3
    assert [state.cells.done for state in seen] == [1, 2, 3]
    (pool,) = seen[-1].pools
    assert (pool.host, pool.process, pool.workers) == (platform.node(), os.getpid(), 1)
    assert {one.epochs for state in seen for one in state.running} <= {3}
    after, _ = look(tmp_path)
    assert (after.state, after.pools, after.left.work_seconds) == ("finished", [], 0.0)


def test_a_run_that_began_before_another_one_ended_does_not_undo_what_that_one_asked(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(LAUNCHERS, "here", in_this_process)
    options = {"noises": ["clean"], "recipes": ["small(epochs=2)"], "seeds": [0], "out": tmp_path}
    first, second = (
        replace(prepare(Request(**options, methods=[method])), cluster=Cluster("here"))
        for method in ("cross_entropy", "gce")
    )
    train(first)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
    with pytest.raises(RefusedError, match=r"another run has written to .* run this again"):
        train(second)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_packs_that_were_begun_are_trained_first_and_as_they_were(tmp_path):
    """Whatever other packs their cells would be in now; what none can go on from is removed."""
    options = {"methods": ["cross_entropy"], "recipes": ["small(epochs=2)"], "noises": ["clean"]}
    session = prepare(Request(**options, seeds=[0, 1, 2, 3, 4], out=tmp_path, pack=3))
    cells = session.plan.cells

    def begun(ids, width):
        killed = PackSetup(
            NOWHERE, CPU, True, width, beat=killed_in_2, checkpoints=Checkpoints(tmp_path, 0.0)
        )
        with pytest.raises(KeyboardInterrupt):
            train_cells([cells[i] for i in ids], killed)

    def killed_in_2(epochs):
        if epochs > 1:
            raise KeyboardInterrupt

    begun([1, 3], 3)
    begun([0], 1)  # another width
    (tmp_path / "checkpoints" / f"{0:016}.npz").write_bytes(b"nothing")
    owed = _packs(session, cells)
    assert [pack.cells for pack in owed] == [cells[1:4:2], (cells[0], cells[2], cells[4])]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


@pytest.mark.parametrize("later", [None, 1])
def test_a_file_that_changes_after_the_start_fails_its_cells_and_not_the_run(later, tmp_path):
    labels, out = tmp_path / "labels.npy", tmp_path / "out"
    np.save(labels, np.zeros(1078, np.int64))
    spec = f"labels(file={str(labels)!r})"
    options = {"methods": ["cross_entropy"], "noises": [spec], "recipes": ["small(epochs=2)"]}
    session = prepare(Request(**options, seeds=[0], out=out, workers=1))
    labels.unlink()
    if later is not None:
        np.save(labels, np.full(1078, later))
    parts = train(session)
    assert list(parts.meta) == [cell.id for cell in session.plan.cells]
    (meta,) = parts.meta.values()
    assert meta.status == "failed"
    assert ("labels.npy: cannot be read" if later is None else "was edited after") in meta.reason
    assert str(tmp_path) not in meta.reason


def job_in(folder):
    return Job(folder, NOWHERE, "cpu", keep_all=False, commit="")


def test_a_pack_that_does_not_fit_is_tried_at_half_its_width(monkeypatch, tmp_path):
    tried, run = [], train_cells

    def small_memory(cells, setup):
        tried.append((len(cells), setup.width))
        if setup.width > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nmore")
        return run(cells, setup)

    monkeypatch.setattr(worker, "train_cells", small_memory)
    cells = [build(seed=seed, recipe="small(epochs=2)") for seed in range(5)]
    setup = PackSetup(NOWHERE, CPU, keep_all=False, width=8)
    records = worker._train(job_in(tmp_path), cells, setup)
    assert [record.cell_id for record in records] == [cell.id for cell in cells]
    assert {record.meta.status for record in records} == {"done"}
    assert tried == [(5, 8), (4, 4), (2, 2), (2, 2), (1, 4), (1, 2)]


def test_a_cell_that_never_fits_is_a_failed_row(monkeypatch, tmp_path):
    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nmore")

    monkeypatch.setattr(worker, "train_cells", no_memory)
    setup = PackSetup(NOWHERE, CPU, keep_all=False, width=2)
    records = worker._train(job_in(tmp_path), [build(seed=seed) for seed in range(2)], setup)
    assert [(r.meta.status, r.meta.reason) for r in records] == [
        ("failed", "out of memory: CUDA out of memory. Tried to allocate 20 GiB.")
    ] * 2


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_pack_that_failed_holds_no_memory_when_its_cells_are_tried_again(
    monkeypatch, tmp_path, error
):
    weights, alive, step = [], [], Stack.step

    def failing(stack, batches, epoch):
        step(stack, batches, epoch)
        alive.append(sum(weight() is not None for weight in weights))
        weights.append(weakref.ref(stack.params["1.weight"]))
        raise error("it cannot be done")

    monkeypatch.setattr(Stack, "step", failing)
    cells = [build(seed=seed, recipe="small(epochs=2)") for seed in range(4)]
    setup = PackSetup(NOWHERE, CPU, keep_all=False, width=4)
    records = worker._train(job_in(tmp_path), cells, setup)
    assert alive == [0] * (3 if error is torch.OutOfMemoryError else 5)
    assert {(record.meta.status, record.meta.costs.driver) for record in records} == {
        ("done", "one_by_one")
    }


def test_a_cell_that_a_graph_cannot_train_is_trained_without_one(monkeypatch, tmp_path):
    tried = []

    def only_plain(cells, setup):
        tried.append((len(cells), setup.width, setup.flags))
        if setup.width > 1 or "graph" in setup.flags:
            raise RuntimeError("Expected running_mean to have type BFloat16 but got Float")
        return train_cells(cells, setup)

    monkeypatch.setattr(worker, "train_cells", only_plain)
    flags = ("graph", "branches", "deterministic")
    setup = PackSetup(NOWHERE, CPU, keep_all=False, width=4, flags=flags)
    cells = [build(seed=seed, recipe="small(epochs=2)") for seed in range(2)]
    records = worker._train(job_in(tmp_path), cells, setup)
    assert [record.meta.costs.driver for record in records] == ["one_by_one deterministic"] * 2
    alone = [(1, 4, flags), (1, 1, ("deterministic",))]
    assert tried == [(2, 4, flags), *alone, *alone]


def test_a_worker_whose_gpu_is_lost_ends_so_that_another_begins(monkeypatch, tmp_path):
    def broken(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(worker, "train_cells", broken)
    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    setup = PackSetup(NOWHERE, torch.device("cuda:1"), keep_all=False)
    with pytest.raises(
        SystemExit, match=r"cuda:1 cannot be used any more: .*illegal memory access"
    ):
        worker._train(job_in(tmp_path), [build()], setup)

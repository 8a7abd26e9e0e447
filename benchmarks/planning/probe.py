"""Measure how fast this machine trains, on a few batches of real data, and keep it for the plan.

Tried are packs of several widths, and on a GPU also several processes that share it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any

import torch
from pebble import ProcessPool

from benchmarks import processes
from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import in_words, team_of
from benchmarks.engine.loop import train
from benchmarks.engine.record import PackSetup
from benchmarks.planning import memory
from benchmarks.planning.throughput import Measured, SecondsPerImage, Throughput, work_of
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

WIDTHS = (1, 4, 16, 32)
"""The cells of a pack that are tried: one by one, and several at once."""

PROCESSES = (2, 4)
"""The processes that are tried on one GPU, beside one alone."""

BATCHES = 8
"""The training batches of a measurement; as many images are evaluated, at most 1,000 a set."""

ENOUGH_SECONDS = 0.5

Probed = Iterator[tuple[Cell, str, SecondsPerImage]]
"""Measurements: a cell of the kind of work, the driver in words, and what an image took."""


def probe(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Probed:
    """Measure each kind of work, yield what was measured, and keep it.

    Args:
        cells: those that a run would train.
        root: the folder of the image files, which are there.
        device: where.
        flags: what to train with.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        for cell in {work_of(cell, device): cell for cell in cells}.values():
            setup = PackSetup(root, device, keep_all=False, flags=tuple(flags))
            yield from _probe_widths(cell, setup)
            if device.type == "cuda":
                yield from probe_processes(cell, setup)
    finally:
        torch.set_num_threads(threads)


def _probe_widths(cell: Cell, setup: PackSetup) -> Probed:
    data, widths = _few_images(cell, setup), {}
    for width in WIDTHS:
        widths[width] = _probe_pack(cell, data, setup._replace(width=width))
        yield cell, in_words(width, setup.flags), widths[width]
    Throughput.read().add(work_of(cell, setup.device, setup.flags), Measured(widths, {}))


def probe_processes(cell: Cell, setup: PackSetup) -> Probed:
    """Measure a kind of work in several processes at once, as far as memory goes, and keep it.

    Their packs are as wide as is best for one process, which must have been measured before.
    """
    known, work = Throughput.read(), work_of(cell, setup.device, setup.flags)
    setup = setup._replace(width=known.best_width(cell, setup.device, setup.flags))
    fit = memory.widest(cell, memory.free_bytes(setup.device))
    widths = known.entries[work].widths
    shared = {1: widths[setup.width]}
    for count in PROCESSES:
        if fit is None or count * setup.width <= fit:
            with suppress(torch.OutOfMemoryError, BrokenBarrierError):
                shared[count] = probe_together(cell, setup, count)
                yield cell, f"{count} processes on the GPU", shared[count]
    if len(shared) > 1:
        known.add(work, Measured(widths, shared))


def probe_together(cell: Cell, setup: PackSetup, count: int) -> SecondsPerImage:
    """Return what an image takes when ``count`` processes train packs at the same time."""
    context = processes.worker_context(processes.TRAINING, setup.device.type)
    barrier = context.Barrier(count)
    with ProcessPool(count, context=context, initializer=_start, initargs=(barrier,)) as pool:
        args = (cell.specs(), setup)
        futures = [pool.schedule(_probe_beside_others, args) for _ in range(count)]
        costs = [future.result() for future in futures]
    train, evaluate = (sum(part) / count / count for part in zip(*costs, strict=True))
    return SecondsPerImage(train, evaluate)


_here: dict[str, Any] = {}  # what a process waits for


def _start(barrier: "Barrier") -> None:
    torch.set_num_threads(1)
    _here["barrier"] = barrier


def _probe_beside_others(specs: dict[str, Any], setup: PackSetup) -> SecondsPerImage:
    cell, barrier = Cell.build(specs), _here["barrier"]
    try:
        return _probe_pack(cell, _few_images(cell, setup), setup, barrier)
    except Exception:
        barrier.abort()  # the others would wait for ever
        raise


def _few_images(cell: Cell, setup: PackSetup) -> CellData:
    """Return a small part of a cell's data, to measure on."""
    data = load_cell_data(cell, setup.root, setup.device)
    size = min(len(data.noisy), BATCHES * cell.recipe.batch)
    train = {name: getattr(data, name)[:size] for name in ("train", "noisy", "clean", "position")}
    val = {name: getattr(data, name)[:1000] for name in ("val", "val_noisy", "val_clean")}
    test = type(data.test)(data.test.image[:1000], data.test.label[:1000])
    trusted = data.trusted[data.trusted < size]
    return data._replace(**train, **val, test=test, trusted=trusted)


def _probe_pack(
    cell: Cell, data: CellData, setup: PackSetup, others: "Barrier | None" = None
) -> SecondsPerImage:
    """Train for half a second after a first epoch and return what an image of a cell took.

    Processes that measure at the same time wait for ``others`` after the first epoch.
    """
    width = setup.width
    cells = [replace(cell, seed=seed) for seed in range(width)]
    epochs = train(team_of(cells, [data] * width, width, setup.flags))
    trained, evaluated, count = 0.0, 0.0, 0
    next(epochs)  # the first is slower
    if others:
        others.wait()
    for of_cells in epochs:
        padded = len(of_cells) / width
        trained += of_cells[0].train_seconds * padded
        evaluated += of_cells[0].eval_seconds * padded
        count += 1
        if (trained + evaluated) * width > ENOUGH_SECONDS:
            break
    shown = len(data.noisy) + len(data.val) + len(data.test.label)
    return SecondsPerImage(trained / count / len(data.noisy), evaluated / count / shown)

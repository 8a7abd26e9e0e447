"""Whether several processes that share a GPU train faster than one."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any

import torch
from pebble import ProcessPool

from benchmarks import processes
from benchmarks.engine.record import PackSetup
from benchmarks.planning import memory, probe
from benchmarks.planning.throughput import Measured, SecondsPerImage, Throughput, work_of
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

COUNTS = (2, 4)
_here: dict[str, Any] = {}  # what a process waits for


def probe_processes(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Iterator[tuple[Cell, str, SecondsPerImage]]:
    """Measure each kind of work in several processes at once, as far as memory goes.

    Their packs are as wide as is best for one process, which must have been measured before.

    Args:
        cells: those that a run would train.
        root: the folder of the image files.
        device: which the processes share.
        flags: what to train with.

    Yields:
        a cell of the kind, the processes in words, and what an image took of the time of all.
    """
    for cell in {work_of(cell, device): cell for cell in cells}.values():
        known, work = Throughput.read(), work_of(cell, device, flags)
        width = known.best_width(cell, device, flags)
        fit = memory.widest(cell, memory.free_bytes(device))
        setup = PackSetup(root, device, keep_all=False, width=width, flags=tuple(flags))
        widths = known.entries[work].widths
        shared = {1: widths[width]}
        for count in COUNTS:
            if fit is None or count * width <= fit:
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
        futures = [pool.schedule(_probe_pack, args) for _ in range(count)]
        costs = [future.result() for future in futures]
    train, evaluate = (sum(part) / count / count for part in zip(*costs, strict=True))
    return SecondsPerImage(train, evaluate)


def _start(barrier: "Barrier") -> None:
    torch.set_num_threads(1)
    _here["barrier"] = barrier


def _probe_pack(specs: dict[str, Any], setup: PackSetup) -> SecondsPerImage:
    cell, barrier = Cell.build(specs), _here["barrier"]
    try:
        data = probe.few_images(cell, setup.root, setup.device)
        return probe.probe_pack(cell, data, setup.width, setup.flags, barrier)
    except Exception:
        barrier.abort()  # the others would wait for ever
        raise

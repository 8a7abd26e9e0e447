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
from benchmarks.planning import memory, throughput
from benchmarks.planning.throughput import Rate, Rates
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

COUNTS = (2, 4)
_here: dict[str, Any] = {}  # what a process waits for


def probe(
    cells: Sequence[Cell], root: Path, device: torch.device, alone: Rates, flags: tuple[str, ...]
) -> Iterator[tuple[Cell, int, Rate]]:
    """Measure each kind of cell in several processes at once, as far as memory goes.

    Args:
        cells: those that a run would train.
        root: the folder of the image files.
        device: which they share.
        alone: what one process was measured to do.
        flags: what to train with.

    Yields:
        a cell of the kind, how many processes, and the seconds per image and cell of all together.
    """
    for cell in {throughput.key(cell, device): cell for cell in cells}.values():
        width, room = alone.width(cell, device, flags), memory.room(device)
        fit = memory.widest(cell, room)
        for count in COUNTS:
            if fit is None or count * width <= fit:
                with suppress(torch.OutOfMemoryError, BrokenBarrierError):
                    yield (
                        cell,
                        count,
                        together(
                            cell,
                            PackSetup(root, device, keep_all=False, width=width, flags=flags),
                            count,
                        ),
                    )


def together(cell: Cell, setup: PackSetup, count: int) -> Rate:
    """Return the rate of ``count`` processes that train packs of one width at the same time."""
    context = processes.worker_context(processes.TRAINING, setup.device.type)
    barrier = context.Barrier(count)
    with ProcessPool(count, context=context, initializer=_start, initargs=(barrier,)) as pool:
        told = (cell.specs(), setup)
        found = [
            future.result() for future in [pool.schedule(_measure, told) for _ in range(count)]
        ]
    train, evaluate = (sum(part) / count / count for part in zip(*found, strict=True))
    return Rate(train, evaluate)


def _start(barrier: "Barrier") -> None:
    torch.set_num_threads(1)
    _here["barrier"] = barrier


def _measure(specs: dict[str, Any], setup: PackSetup) -> Rate:
    cell, barrier = Cell.build(specs), _here["barrier"]
    try:
        problem = throughput.few(cell, setup.root, setup.device)
        return throughput.measured(cell, problem, setup.width, setup.flags, barrier)
    except Exception:
        barrier.abort()  # the others would wait for ever
        raise

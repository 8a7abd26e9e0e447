"""The processes that measure the cells of a pack side by side, while a GPU trains the next one.

What they measure is that of :func:`benchmarks.engine.measure.measure` to the byte. They begin with
the first pack of several cells, and end with the worker. One that dies is no loss: its cells are
measured by the worker, and another begins with the next pack.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray

from benchmarks import processes
from benchmarks.engine.measure import measure
from benchmarks.store import Record


class Numbers(NamedTuple):
    """The numbers of one cell, and the seconds in which they were found."""

    arrays: dict[str, NDArray[Any]]
    seconds: float


class _Measurer(NamedTuple):
    process: BaseProcess
    pipe: Connection


_measurers: list[_Measurer] = []  # of this process


def measure_all(records: Sequence[Record], count: int) -> list[Numbers]:
    """Measure finished cells.

    Args:
        records: theirs.
        count: how many processes may do it; with 1 it is done here.
    """
    count = min(count, len(records))
    if count <= 1:
        return _measured(records)
    while len(_measurers) < count:
        _measurers.append(_begun())
    shares = [records[k::count] for k in range(count)]
    pairs = list(zip(list(_measurers[:count]), shares, strict=True))
    asked = [_ask(*pair) for pair in pairs]
    numbers = [
        (sent and _answer(measurer)) or _measured(share)
        for sent, (measurer, share) in zip(asked, pairs, strict=True)
    ]
    return [numbers[i % count][i // count] for i in range(len(records))]


def _measured(records: Sequence[Record]) -> list[Numbers]:
    numbers = []
    for record in records:
        began = time.perf_counter()
        arrays = measure(record)
        numbers.append(Numbers(arrays, time.perf_counter() - began))
    return numbers


def _begun() -> _Measurer:
    context: Any = processes.worker_context(processes.MEASURING)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Measurer(process, ours)


def _ask(measurer: _Measurer, share: Sequence[Record]) -> bool:
    """Tell a process what to measure; return whether it was there to hear it."""
    try:
        measurer.pipe.send(share)
    except OSError:
        _let_go(measurer)
        return False
    return True


def _answer(measurer: _Measurer) -> list[Numbers] | None:
    """Return what a process has measured, nothing if it has failed."""
    try:
        numbers: list[Numbers] | None = measurer.pipe.recv()
    except (EOFError, OSError):
        _let_go(measurer)
        return None
    return numbers


def _let_go(measurer: _Measurer) -> None:
    """Forget a process that has died."""
    _measurers.remove(measurer)
    measurer.pipe.close()
    measurer.process.join()


def _serve(pipe: Connection) -> None:
    """Measure what comes, as long as the worker lives."""
    processes.end_with_parent()
    torch.set_num_threads(1)  # as in a worker: sums are added in the same order
    with suppress(EOFError, OSError):  # it has ended
        while True:
            pipe.send(_measured_or_none(pipe.recv()))


def _measured_or_none(share: Sequence[Record]) -> list[Numbers] | None:
    """Measure cells; the worker measures those again that cannot be, and fails by them."""
    try:
        return _measured(share)
    except Exception:  # noqa: BLE001
        return None

"""The processes that measure the cells of a pack side by side, while a GPU has to wait for them.

What is measured is that of :func:`benchmarks.engine.measure.measure` to the byte. A process that
dies is no loss: its cells are measured here.
"""

import time
from collections.abc import Sequence
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


def measure_all(records: Sequence[Record], count: int) -> list[Numbers]:
    """Measure finished cells.

    Args:
        records: theirs.
        count: how many processes may do it; with 1 it is done here.
    """
    count = min(count, len(records))
    if count <= 1:
        return [_timed(record) for record in records]
    shares = [records[k::count] for k in range(count)]
    started = [_started(share) for share in shares]
    numbers = []
    for share, (process, results) in zip(shares, started, strict=True):
        numbers.append(_received(results) or [_timed(record) for record in share])
        process.join()
    return [numbers[i % count][i // count] for i in range(len(records))]


def _timed(record: Record) -> Numbers:
    began = time.perf_counter()
    return Numbers(measure(record), time.perf_counter() - began)


def _started(share: Sequence[Record]) -> tuple[BaseProcess, Connection]:
    context: Any = processes.worker_context(processes.MEASURING)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure_share, args=(share, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _received(results: Connection) -> list[Numbers] | None:
    """Return what a process has measured, nothing if it has died."""
    try:
        with results:
            numbers: list[Numbers] = results.recv()
    except (EOFError, OSError):
        return None
    return numbers


def _measure_share(share: Sequence[Record], results: Connection) -> None:
    processes.end_with_parent()
    torch.set_num_threads(1)  # as in a worker: sums are added in the same order
    with results:
        results.send([_timed(record) for record in share])

"""Figures drawn in processes of their own while this one writes the tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pebble import ProcessPool

from benchmarks import processes
from benchmarks.report import figures
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import FigureList
from benchmarks.report.venues import Venue

SLOWEST = ("reliability", "losses", "memorisation", "transitions", "delta", "delta_ece")
"""The kinds of figure to begin with."""

_task: dict[str, Any] = {}
"""What a process draws, set when it starts."""


@contextmanager
def draw_beside(
    analysis: Analysis, folder: Path, venue: Venue, count: int
) -> Iterator[Callable[[], FigureList]]:
    """Begin to draw, and yield a function that waits for the figures and returns their list.

    Args:
        analysis: what is drawn.
        folder: where the figures go.
        venue: whose page they fit.
        count: how many processes draw; with 1 it is this one, when it is waited for.
    """
    if count == 1:
        yield lambda: figures.draw(analysis, folder, venue)
        return
    context = processes.worker_context(processes.DRAWING)
    pool = ProcessPool(
        count, context=context, initializer=_start, initargs=(analysis, folder, venue)
    )
    try:
        order = sorted(figures.FIGURES, key=lambda kind: kind not in SLOWEST)
        tasks = {kind: pool.schedule(_draw, args=(kind,)) for kind in order}
        yield lambda: figures.joined(tasks[kind].result() for kind in figures.FIGURES)
    finally:
        pool.stop()
        pool.join()


def _start(analysis: Analysis, folder: Path, venue: Venue) -> None:
    _task.update(analysis=analysis, folder=folder, venue=venue)


def _draw(kind: str) -> FigureList:
    return figures.draw(**_task, kinds=[kind])

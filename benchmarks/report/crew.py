"""Figures drawn in processes of their own while this one writes the tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pebble import ProcessPool

from benchmarks import processes
from benchmarks.report import figures
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import Drawn
from benchmarks.report.venues import Venue

LONGEST = ("reliability", "losses", "memorisation", "transitions", "delta", "delta_ece")
"""To begin with."""

_here: dict[str, Any] = {}  # what a process draws, set when it starts


@contextmanager
def drawing(
    analysis: Analysis, folder: Path, venue: Venue, count: int
) -> Iterator[Callable[[], Drawn]]:
    """Begin to draw; yield how to wait for what was drawn.

    Args:
        analysis: what is drawn.
        folder: of the figures.
        venue: whose page they fit.
        count: of processes; 1 draws in this one, when it is waited for.
    """
    if count == 1:
        yield lambda: figures.draw(analysis, folder, venue)
        return
    context = processes.worker_context(processes.DRAWING)
    pool = ProcessPool(
        count, context=context, initializer=_start, initargs=(analysis, folder, venue)
    )
    try:
        order = sorted(figures.FIGURES, key=lambda kind: kind not in LONGEST)
        drawn = {kind: pool.schedule(_draw, args=(kind,)) for kind in order}
        yield lambda: _gathered([drawn[kind].result() for kind in figures.FIGURES])
    finally:
        pool.stop()
        pool.join()


def _gathered(kinds: list[Drawn]) -> Drawn:
    return Drawn(
        [caption for kind in kinds for caption in kind.captions],
        [reason for kind in kinds for reason in kind.absent],
    )


def _start(analysis: Analysis, folder: Path, venue: Venue) -> None:
    _here.update(analysis=analysis, folder=folder, venue=venue)


def _draw(kind: str) -> Drawn:
    return figures.draw(_here["analysis"], _here["folder"], _here["venue"], [kind])

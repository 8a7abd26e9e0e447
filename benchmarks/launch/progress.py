"""The progress of a run, a bar or a line for each cell, and what its time was spent on."""

import time
from collections.abc import Iterable, Sequence
from typing import Self

from rich import progress as rich
from rich.console import Console

from benchmarks.launch.session import Session
from benchmarks.launch.worker import CellSummary
from benchmarks.store import Costs
from benchmarks.sweep import Cell

WORKED = {"training": "train_seconds", "evaluation": "eval_seconds"}
"""Columns of a cell's costs; the workers' remaining time is their start, data, files, idleness."""


def announce(session: Session, noun: str) -> None:
    """Print what is about to be trained, and which parts were damaged.

    Args:
        session: what is about to be trained.
        noun: what a cell of it is called.
    """
    missing, planned = len(session.missing()), len(session.own)
    workers = min(session.workers, missing)
    nouns = noun if planned == 1 else f"{noun}s"
    why = session.why_workers if workers == session.workers else f"one for each {noun} to train"
    where = f"in {workers} {'process' if workers == 1 else 'processes'}"
    if session.cluster.elsewhere:
        where, why = f"by {session.cluster.launcher.capitalize()}", session.why_workers
    print(
        f"{session.folder}: {planned} {nouns}, {planned - missing} done, {missing} to train on "
        f"{session.device} {where}" + (f" ({why})" if missing else ""),
        flush=True,
    )
    fate = "put aside, its cells are trained again where they are asked for"
    for line in [*session.notes(), *session.parts.damage(fate)]:
        print(line)


class Progress:
    """A context that prints every finished cell, and how long the rest will take at this pace."""

    def __init__(self, cells: Sequence[Cell], planned: int) -> None:
        self._cells = {cell.id: cell for cell in cells}
        self._finished, self._planned = planned - len(cells), planned
        self._began, self._console = time.monotonic(), Console()
        self._bar: rich.Progress | None = None
        if self._console.is_terminal:
            columns = ("{task.description}", rich.BarColumn(), rich.MofNCompleteColumn())
            times = (rich.TimeElapsedColumn(), "eta", rich.TimeRemainingColumn())
            self._bar = rich.Progress(*columns, *times, console=self._console)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._bar.add_task("training", total=self._planned, completed=self._finished)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def tell(self, outcome: CellSummary) -> None:
        """Print the outcome of a cell."""
        self._finished += 1
        trained = self._finished - self._planned + len(self._cells)
        keys = self._cells[outcome.cell_id].keys()
        name = f"{keys['dataset']} {keys['noise']} {keys['method']} seed {keys['seed']}"
        if self._bar:
            self._bar.advance(self._bar.task_ids[0])
        else:
            left = (time.monotonic() - self._began) / trained * (self._planned - self._finished)
            count = f"[{self._finished:>{len(str(self._planned))}}/{self._planned}]"
            print(f"{count} {name}  {outcome.seconds:.1f} s  eta {left:.0f} s", flush=True)
        if outcome.status != "done":
            self._console.print(
                f"{outcome.status}: {name}: {outcome.reason}", markup=False, soft_wrap=True
            )


class Times:
    """Seconds by what they were spent on.

    >>> times = Times(time.perf_counter() - 8.0)
    >>> times.trained([Costs(train_seconds=6.0, eval_seconds=2.0), Costs()], workers=2)
    >>> print(times)
    8.0 s: training 3.0 s, evaluation 1.0 s, workers' start and files 4.0 s
    """

    def __init__(self, began: float) -> None:
        self._last = began
        self._spent: dict[str, float] = {}

    def lap(self, name: str) -> float:
        """Count the seconds since the last lap, or the beginning, under a name; return them."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self._spent[name] = seconds
        return seconds

    def trained(self, costs: Iterable[Costs], workers: int) -> None:
        """Count a lap in which workers trained cells with these costs, side by side."""
        every = list(costs)
        for name, column in WORKED.items():
            spent = sum(getattr(cost, column) or 0.0 for cost in every)
            self._spent[name] = spent / max(1, workers)
        rest = self.lap("workers' start and files") - sum(self._spent[name] for name in WORKED)
        self._spent["workers' start and files"] = max(0.0, rest)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self._spent.items())
        return f"{sum(self._spent.values()):.1f} s: {parts}"

"""How far a run is: a bar on a terminal, a line per cell elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from benchmarks.launch.worker import Done
from benchmarks.sweep import Cell


class Progress:
    """Tells about every finished cell, and how long the rest will take at this rate."""

    def __init__(self, cells: Sequence[Cell], planned: int) -> None:
        self._cells = {cell.id: cell for cell in cells}
        self._finished, self._planned = planned - len(cells), planned
        self._began, self._console = time.monotonic(), Console()
        self._bar: Bar | None = None
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(),
                console=self._console,
            )

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._bar.add_task("training", total=self._planned, completed=self._finished)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def tell(self, done: Done) -> None:
        """Note a finished cell."""
        self._finished += 1
        trained = self._finished - self._planned + len(self._cells)
        keys = self._cells[done.cell_id].keys()
        name = f"{keys['dataset']} {keys['noise']} {keys['method']} seed {keys['seed']}"
        if self._bar:
            self._bar.advance(self._bar.task_ids[0])
        else:
            left = (time.monotonic() - self._began) / trained * (self._planned - self._finished)
            count = f"[{self._finished:>{len(str(self._planned))}}/{self._planned}]"
            print(f"{count} {name}  {done.seconds:.1f} s  eta {left:.0f} s", flush=True)
        if done.status != "done":
            self._console.print(
                f"{done.status}: {name}: {done.reason}", markup=False, soft_wrap=True
            )

"""The verb ``status``: how much of a results folder is done, who trains it, what failed."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from cyclopts import Parameter

from benchmarks.errors import Exit, RefusedError

if TYPE_CHECKING:
    from benchmarks.store.status import Status

WATCH_SECONDS = 5.0
"""Seconds between two looks where nothing is said."""

LOOKS = 3
"""After so many looks at which nobody trains any more, a run that was seen is over."""

Seconds = Annotated[list[float] | None, Parameter(consume_multiple=(0, 1), negative="")]
Switch = Annotated[bool, Parameter(negative="")]


def status(
    folder: Path = Path("results/default"), *, watch: Seconds = None, json: Switch = False
) -> Exit:
    """Show how much of a results folder is done, who trains it, how long that takes, what failed.

    Cells that the last run was asked for and further ones that the folder holds are counted apart.

    Args:
        folder: The results folder.
        watch: Show it again every so many seconds, 5 if none are given, until all is done, or the
            run that is seen has ended: with exit code 3 where cells failed or diverged, 75 where
            some were not trained. In place on a terminal, else a line each time.
        json: Print all that is known as JSON; results/README.md explains it. With --watch a line
            each time.
    """
    if watch is not None:
        seconds = watch[0] if watch else WATCH_SECONDS
        if not 0 < seconds < math.inf:
            raise RefusedError(f"--watch must be a number of seconds above 0, got {seconds:g}")
        return _watched(folder, seconds, json=json)
    import msgspec

    from benchmarks.store.status import look
    from benchmarks.store.status_text import page

    state, _ = look(folder)
    if json:
        print(msgspec.json.format(msgspec.json.encode(state), indent=1).decode())
    else:
        print(page(state))
    return Exit.DONE


def _watched(folder: Path, seconds: float, *, json: bool) -> Exit:
    """Show the state of a folder again and again, and return how it ended."""
    from benchmarks.store.status import look

    state, parts = look(folder)
    seen, idle = False, 0
    with _Display(json=json) as display:
        while True:
            display.show(state)
            waits = state.state in {"training", "queued"}
            seen, idle = seen or waits, 0 if waits else idle + 1
            if state.state == "finished" or (seen and idle >= LOOKS):
                return _ending(state)
            try:
                time.sleep(seconds)
            except KeyboardInterrupt:
                return Exit.INTERRUPTED  # this one, not the run
            state, parts = look(folder, parts)


def _ending(state: "Status") -> Exit:
    if state.state != "finished":
        return Exit.STOPPED
    return Exit.SOME_FAILED if state.cells.failed + state.cells.diverged else Exit.DONE


class _Display:
    """A context that shows states: in place on a terminal, else in a line each."""

    def __init__(self, *, json: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console()
        in_place = console.is_terminal and not console.is_dumb_terminal and not json
        self._live = Live(console=console, auto_refresh=False) if in_place else None
        self._json = json

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: "Status") -> None:
        """Show a state in place of the last one, or below it."""
        import msgspec
        from rich.text import Text

        from benchmarks.store.status_text import line, page

        if self._live:
            self._live.update(Text(page(state), no_wrap=True, overflow="ellipsis"), refresh=True)
        elif self._json:
            print(msgspec.json.encode(state).decode(), flush=True)
        else:
            print(f"{time.strftime('%H:%M:%S')}  {line(state)}", flush=True)

"""The watch over workers: which of them has stopped finishing epochs, and hangs."""

import math
import os
import statistics
import time
from dataclasses import dataclass, field
from multiprocessing.context import BaseContext
from typing import NamedTuple, Protocol

from benchmarks import processes

QUIET = 600.0
"""Seconds without a finished epoch that no worker is ended for."""

EPOCHS = 20
"""So many epochs of its own may pass, if they take longer."""

NOT_BEGUN = -1.0
"""The beat of a task that no worker has begun."""


class Numbers(Protocol):
    """Numbers in memory that the workers share with the parent."""

    def __getitem__(self, task: int, /) -> float: ...
    def __setitem__(self, task: int, value: float, /) -> None: ...


class Beats(NamedTuple):
    """What the workers say of every task; each writes of its own alone."""

    epochs: Numbers  # that are over, with those of the steps of the next
    workers: Numbers  # the number of the process

    @classmethod
    def shared(cls, context: BaseContext, tasks: int) -> "Beats":
        """Return beats of so many tasks, none of which has begun."""
        epochs = context.Array("d", [NOT_BEGUN] * tasks, lock=False)
        return cls(epochs, context.Array("q", tasks, lock=False))

    def begin(self, task: int) -> None:
        """Say that this process has begun a task."""
        self.workers[task] = os.getpid()
        self.epochs[task] = 0.0


@dataclass
class TaskProgress:
    """What the parent has seen of one task.

    Before its first epoch is over, the length of an epoch is judged by its steps: a step moves the
    beat by its share of an epoch.
    """

    beat: float = NOT_BEGUN
    moved: float = 0.0  # when the beat was last seen to move
    finished: float = 0.0  # when an epoch was last finished, at first when the task began
    lengths: list[float] = field(default_factory=list)  # of epochs, in seconds

    def look(self, beat: float, now: float) -> None:
        """Take note of a beat.

        >>> progress = TaskProgress()
        >>> for now, beat in enumerate((-1.0, 0.0, 0.5, 1.0, 1.5, 3.0)):
        ...     progress.look(beat, now)
        >>> progress.lengths, progress.late(1000.0), progress.late(10.0, limit=4.0)
        ([2.0, 1.0, 1.0], 600.0, 4.0)
        """
        if beat == self.beat:
            return
        if self.beat == NOT_BEGUN:
            self.finished = now
        elif epochs := abs(math.floor(beat) - math.floor(self.beat)):  # of a second try: backwards
            self.lengths += [(now - self.finished) / epochs] * min(epochs, EPOCHS)
            self.finished = now
        self.beat, self.moved = beat, now

    def late(self, now: float, limit: float | None = None) -> float | None:
        """Return the seconds that an epoch may take if the task has taken more, else None.

        Args:
            now: the time.
            limit: how many seconds; None: the larger of ``QUIET`` and of ``EPOCHS`` median epochs.
        """
        if self.beat == NOT_BEGUN:
            return None
        allowed = limit or max(QUIET, EPOCHS * self._usual())
        return allowed if now - self.finished > allowed else None

    def _usual(self) -> float:
        """Return the seconds of an epoch, 0 before any step."""
        if self.lengths:
            return statistics.median(self.lengths)
        return (self.moved - self.finished) / self.beat if self.beat > 0 else 0.0


class Watch:
    """The progress of all tasks that have been handed out."""

    def __init__(self, beats: Beats, limit: float | None) -> None:
        self._beats, self._limit = beats, limit
        self._tasks: dict[int, TaskProgress] = {}
        self._orphans: set[int] = set()

    def beat(self, task: int) -> float:
        """Return how many epochs of a task are over, ``NOT_BEGUN`` where no worker has begun it."""
        return self._beats.epochs[task]

    def late(self, task: int) -> float | None:
        """Look at a task and return the seconds it was given if it hangs, else None."""
        progress, now = self._tasks.setdefault(task, TaskProgress()), time.monotonic()
        progress.look(self._beats.epochs[task], now)
        return progress.late(now, self._limit)

    def orphaned(self, task: int) -> bool:
        """Tell whether a task's worker has been gone for two looks.

        A worker that ends as if all were well, with exit code 0, is missed by nobody else.
        """
        if self._beats.epochs[task] == NOT_BEGUN:
            return False
        if processes.is_running(int(self._beats.workers[task])):
            return False
        seen = task in self._orphans
        self._orphans.add(task)
        return seen

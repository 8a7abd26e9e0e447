"""The launchers: places where the packs of a session can be trained.

A new one, for a cluster say, is a function in a file of its own and a line in ``LAUNCHERS``. What
each of its workers does with a pack is :func:`benchmarks.launch.worker.train_pack`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from benchmarks.launch import pool
from benchmarks.launch.worker import CellSummary, Job
from benchmarks.planning.plan import Pack


class Launcher(Protocol):
    """A function that has packs of cells trained and returns when all of them are."""

    def __call__(
        self,
        job: Job,
        packs: Sequence[Pack],
        workers: int,
        tell: Callable[[CellSummary], None],
    ) -> None:
        """Train packs so that each cell is in a part in ``job.folder``, trained or failed.

        Whenever this process is killed, the parts that have been written are whole, and no worker
        goes on for long.

        Args:
            job: what the packs have in common; plain values that can be sent to other machines.
            packs: the cells to train, longest first; ``pack.cells[i].specs()`` are plain values.
            workers: how many packs are trained at the same time.
            tell: called here once for each cell when its part has been written.

        Raises:
            OSError: parts cannot be written.
        """


LAUNCHERS: dict[str, Launcher] = {
    "local": pool.run,
}

"""A share of a session's packs, trained by the launcher ``local`` wherever a cluster sends it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import plugins
from benchmarks.launch import pool
from benchmarks.launch.worker import CellSummary, Job, built
from benchmarks.planning.plan import Pack
from benchmarks.store import Parts


class SentPack(NamedTuple):
    """A pack as plain values, which any machine with this code can read."""

    specs: tuple[Mapping[str, Any], ...]
    ids: tuple[str, ...]
    width: int

    @classmethod
    def of(cls, pack: Pack) -> "SentPack":
        """Return what is sent of a pack."""
        specs = tuple(cell.specs() for cell in pack.cells)
        return cls(specs, tuple(cell.id for cell in pack.cells), pack.width)


def train_share(
    job: Job, packs: Sequence[SentPack], workers: int, tell: Callable[[CellSummary], None]
) -> None:
    """Train packs on this machine, but for cells that have a result already.

    A share that is tried again, since its machine died, so goes on where the first try ended.

    Args:
        job: what the packs have in common.
        packs: the cells to train.
        workers: how many packs are trained at the same time.
        tell: called once for each cell when its part has been written.

    Raises:
        RefusedError: a plugin, or a file that a cell reads, is another here than where the run
            began.
    """
    plugins.load(*job.plugins)
    done = Parts(job.folder).done()
    received = []
    for specs, ids, width in packs:
        if left := tuple(cell for cell in built(specs, ids) if cell.id not in done):
            received.append(Pack(left, width))
    pool.run(job, received, workers, tell)

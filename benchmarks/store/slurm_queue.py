"""What was handed to Slurm: the file ``slurm/queue.json`` of a results folder."""

from pathlib import Path

import msgspec

from benchmarks.errors import RefusedError
from benchmarks.inputs import InputError, decode_json, read_bytes

FOLDER = "slurm"
"""The folder of a results folder with the queue, and with what jobs print."""

NAME = "queue.json"


class Sent(msgspec.Struct, frozen=True):
    """A job in Slurm's queue and the cells that it trains."""

    job: str  # of an array: 123_4
    cells: tuple[str, ...]


class Queue(msgspec.Struct, frozen=True):
    """What was submitted."""

    jobs: tuple[Sent, ...] = ()
    missing: int = 0  # cells, when it was submitted

    def cells(self) -> set[str]:
        """Return the ids of the cells that were submitted."""
        return {cell for sent in self.jobs for cell in sent.cells}


def read_queue(folder: Path) -> Queue:
    """Return what was submitted from a results folder, nothing where no run was.

    Raises:
        RefusedError: the file is damaged.
    """
    path = folder / FOLDER / NAME
    if not path.exists():
        return Queue()
    try:
        return decode_json(read_bytes(path, path.stat().st_size), Queue, path)
    except InputError as error:
        raise RefusedError(f"{error}; cancel the jobs of this folder and remove it") from error

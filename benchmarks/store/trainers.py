"""Who trains cells of a results folder now: each pool of workers says so in a file of its own.

The file is written anew every few seconds and removed in the end. One whose process has gone is of
a run that was killed.
"""

import contextlib
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import msgspec

from benchmarks import processes
from benchmarks.inputs import InputError, decode_json, read_bytes
from benchmarks.outputs import write_atomically
from benchmarks.store.cell_meta import CellId, Count

FOLDER = "running"
"""The folder of a results folder that holds the files."""

TOLD_SECONDS = 5.0
"""Seconds after which a pool writes its file again; a tenth of that until a pack has begun."""

SILENT_SECONDS = 120.0
"""A pool that has written nothing for so long is taken to train no more."""

LARGEST = 2**26
"""The most bytes of a file that is read: the packs of a large machine take thousands."""

Time = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
Life = Literal["training", "silent", "gone"]


class PackInTraining(msgspec.Struct, frozen=True, omit_defaults=True):
    """The cells of a pack that a worker has begun."""

    cells: tuple[CellId, ...]
    epochs: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None  # over; None: not known here


class Trainer(msgspec.Struct, frozen=True):
    """A pool of workers: where it is, since when, and what it trains."""

    host: str
    process: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    workers: Count  # packs that it trains side by side; 0 where other pools do so for it
    began: Time  # seconds since 1970, UTC
    told: Time  # when the file was written, likewise
    packs: tuple[PackInTraining, ...] = ()

    def life(self, now: float) -> Life:
        """Tell whether it still trains, as far as this machine can see.

        Args:
            now: seconds since 1970, UTC.
        """
        if self.host == platform.node() and not processes.is_running(self.process):
            return "gone"
        return "silent" if now - self.told > SILENT_SECONDS else "training"


class Telling:
    """A context in which this process says what it trains; where it cannot, it trains all the same.

    Args:
        folder: of the results.
        workers: how many packs it trains side by side.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        name = re.sub(r"[^A-Za-z0-9.-]", "-", platform.node())[:60]
        self._path = folder / FOLDER / f"{name}-{os.getpid()}.json"
        self._workers, self._began, self._due = workers, time.time(), 0.0

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)  # in a folder that is there
        self.tell(list)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()  # unless another pool has its file there

    def tell(self, packs: Callable[[], Sequence[PackInTraining]]) -> None:
        """Write the file, if it is time to.

        Args:
            packs: returns those in training.
        """
        if time.monotonic() < self._due:
            return
        begun, now = tuple(packs()), time.time()
        self._due = time.monotonic() + TOLD_SECONDS / (1 if begun else 10)
        own = (platform.node(), os.getpid(), self._workers, self._began, now, begun)
        with contextlib.suppress(OSError):  # of a full disk, or a folder that has been moved
            write_atomically(self._path, msgspec.json.encode(Trainer(*own)))


class Trainers(NamedTuple):
    """The pools that have a file in a folder, and a line for each file that is none."""

    by_path: dict[Path, Trainer]
    faults: list[str]

    @classmethod
    def read(cls, folder: Path) -> "Trainers":
        """Return those of a results folder; reading changes nothing."""
        found = cls({}, [])
        for path in sorted((folder / FOLDER).glob("[!.]*.json")):
            try:
                found.by_path[path] = _read(path)
            except FileNotFoundError:
                continue  # its pool has just ended
            except InputError as error:
                if path.exists():
                    found.faults.append(f"{error}; it is left out, and can be removed")
        return found


def _read(path: Path) -> Trainer:
    """Return a file, whose writing another machine may date by a clock that is right."""
    trainer = decode_json(read_bytes(path, LARGEST), Trainer, path)
    return msgspec.structs.replace(trainer, told=max(trainer.told, path.stat().st_mtime))


def remove_gone(folder: Path) -> None:
    """Remove the files of pools that were killed."""
    for path, trainer in Trainers.read(folder).by_path.items():
        if trainer.life(time.time()) != "training":
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                path.parent.rmdir()

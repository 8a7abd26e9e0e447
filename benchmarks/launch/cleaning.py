"""What a results folder needs no more, found and removed: never parts, tables or a user's files."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.engine import checkpoint
from benchmarks.errors import RefusedError
from benchmarks.inputs.regular import size
from benchmarks.launch import rerun, reserve, tuning
from benchmarks.outputs import stale_scratch, writing
from benchmarks.store import Parts, locked, read_plan
from benchmarks.store.files import LOCK, stale_files
from benchmarks.store.plan_file import NAME as PLAN
from benchmarks.store.tables import finished_rows
from benchmarks.store.trainers import Trainers

INNER = (tuning.FOLDER, reserve.FOLDER, rerun.FOLDER)
"""The results folders within a results folder."""

DRAWN = {"report": "report", "suspects": "suspects"}
"""The verbs that write to a folder of their own in a results folder."""


class Leftover(NamedTuple):
    """A file or a folder that nothing needs, and why not."""

    path: Path
    why: str

    def size(self) -> int:
        """Return its bytes."""
        inside = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(each.lstat().st_size for each in inside if not each.is_dir())

    def remove(self) -> None:
        """Remove it, unless that is done.

        Raises:
            WritingError: it cannot be.
        """
        with writing(self.path):
            if self.path.is_dir():
                shutil.rmtree(self.path)
            else:
                self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Cleaned:
    """What a folder did not need any more."""

    folder: Path
    found: list[tuple[Leftover, int]]  # with its bytes
    removed: bool  # or only looked at

    def lines(self) -> list[str]:
        """Return the lines that tell a user of it."""
        if not self.found:
            return [f"{self.folder}: nothing to remove"]
        total = size(sum(bytes_ for _, bytes_ in self.found))
        what = f"{len(self.found)} files and folders"
        deed = "removed" if self.removed else "would be removed"
        each = [f"{left.path} ({size(bytes_)}): {left.why}" for left, bytes_ in self.found]
        return [*each, f"{self.folder}: {what} {deed}, {total}"]


def clean(folder: Path, *, dry_run: bool) -> Cleaned:
    """Remove what a results folder, and those within it, need no more.

    Args:
        folder: the results folder.
        dry_run: only look; nothing is changed.

    Raises:
        RefusedError: it is no results folder, or a run trains its cells; nothing has been removed.
        WritingError: something cannot be removed.
    """
    read_plan(folder)
    every = [folder, *(folder / name for name in INNER if (folder / name / PLAN).is_file())]
    for each in every:
        _refuse_trained(each)
    locks = [each / LOCK for each in every]
    lost = [Leftover(path, "a lock that nobody holds") for path in locks if path.is_file()]
    stale = [path for each in every for path in stale_files(each, time.time())]  # gone once locked
    lost += [Leftover(path, "an unfinished file of a process that was killed") for path in stale]
    old = [(left, left.size()) for left in lost]
    with contextlib.ExitStack() as held:
        if not dry_run:
            for each in every:
                held.enter_context(locked(each))
        now = [(left, left.size()) for each in every for left in leftovers(each)]
        found = [*now, *old]
        if not dry_run:
            for left in [*(left for left, _ in found), *(Leftover(path, "") for path in locks)]:
                left.remove()
    return Cleaned(folder, found, removed=not dry_run)


def _refuse_trained(folder: Path) -> None:
    """Refuse a folder whose cells are being trained, here or on another machine."""
    for trainer in Trainers.read(folder).by_path.values():
        if trainer.life(time.time()) == "training":
            raise RefusedError(
                f"a run on {trainer.host} (process {trainer.process}) trains cells of {folder}; "
                "wait for it or stop it"
            )


def leftovers(folder: Path) -> Iterator[Leftover]:
    """Yield what a results folder needs no more, in which nobody trains."""
    plan, parts = read_plan(folder), Parts(folder)
    owed = plan.ids() - parts.done()
    for path, pack in checkpoint.begun(folder).items():
        if pack is None or not owed.issuperset(pack.cells):
            yield Leftover(path, "a checkpoint that no pack can go on from")
    if not finished_rows(folder) - parts.done():
        for path in parts.aside:
            yield Leftover(path, "a damaged part that a run put aside, of which no row is left")
    for path, trainer in Trainers.read(folder).by_path.items():
        yield Leftover(path, f"of a run that was killed, process {trainer.process}")
    for verb, name in DRAWN.items():
        for path in stale_scratch(folder / name, verb):
            yield Leftover(path, f"unfinished files of a `{verb}` that was killed")

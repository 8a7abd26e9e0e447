"""The runs of a results folder, put into the stores of programs that track experiments.

From the CSV files, without torch, and without a network: every tracker writes files of its own
format, which its program shows here, or sends elsewhere when its user says so.
"""

import importlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import filelock

from benchmarks.errors import RefusedError
from benchmarks.outputs import make_folder, scratch_folder, writing
from benchmarks.store import Parts, derive
from benchmarks.store.plan_file import NAME as PLAN
from benchmarks.trackers.cell_run import cell_runs, suite_of
from benchmarks.trackers.tracker import VERB, Tracker

TrackerName = Literal["mlflow", "wandb", "tensorboard"]

BATCH = 100
"""The number of runs that are put into a store at once; a kill loses no more."""


class Exported(NamedTuple):
    """The runs of a results folder, by what was done about them."""

    added: int
    replaced: int  # of which the store held another state
    kept: int  # of which it held this state
    damage: tuple[str, ...]  # a line for each file among the parts that is none


def export(folder: Path, to: TrackerName, place: Path) -> Exported:
    """Put a run for each cell that ended into a store, unless it is there as it is.

    Args:
        folder: a results folder, finished or not; it is only read.
        to: the tracker.
        place: the folder of its store, made if need be; runs of other results stay.

    Raises:
        RefusedError: the tracker is not installed, the results cannot be read, or the store holds
            something that the tracker did not write.
        WritingError: the store cannot be written.
    """
    opened, parts = _opener(to), Parts(folder)
    done = {"added": 0, "replaced": 0, "kept": 0}
    with _locked(place), _tables(folder, parts, place) as tables:
        runs = cell_runs(tables)
        with opened(place, suite_of(tables, folder)) as tracker:
            held = tracker.held()
            while batch := list(islice(runs, BATCH)):
                new = [run for run in batch if held.get(run.cell_id) != run.sha256]
                if new:
                    tracker.put(new)
                again = sum(run.cell_id in held for run in new)
                done["added"] += len(new) - again
                done["replaced"] += again
                done["kept"] += len(batch) - len(new)
    return Exported(**done, damage=tuple(parts.damage()))


Opener = Callable[[Path, str], AbstractContextManager[Tracker]]


def _opener(to: TrackerName) -> Opener:
    """Return what opens the store of a tracker, whose library is imported here.

    Raises:
        RefusedError: it is not installed.
    """
    try:
        module = importlib.import_module(f"benchmarks.trackers.{to}")
    except ModuleNotFoundError as error:
        raise RefusedError(
            f"--to {to} needs {error.name}: pip install 'noisy-label-bench[{to}]'"
        ) from error
    opened: Opener = module.opened
    return opened


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Keep a second export out of a store, which is made if need be.

    Raises:
        RefusedError: another export is writing to it.
        WritingError: it cannot be written.
    """
    make_folder(place)
    lock = filelock.FileLock(place / f".{VERB}.lock", timeout=0)
    try:
        with writing(place):
            lock.acquire()
    except filelock.Timeout as error:
        raise RefusedError(f"another export is writing to {place}; wait for it") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _tables(folder: Path, parts: Parts, place: Path) -> Iterator[Path]:
    """Give a folder with the tables of all cells that ended, which lack the last ones of a run."""
    if not (folder / "parts").is_dir():  # committed results have only the CSV files
        yield folder
        return
    with scratch_folder(place, VERB) as tables:
        derive(folder, parts, into=tables)
        shutil.copyfile(folder / PLAN, tables / PLAN)
        try:
            yield tables
        except RefusedError as error:  # of tables that are gone when it is read
            raise RefusedError(str(error).replace(str(tables), str(folder))) from error

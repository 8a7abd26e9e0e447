"""A run: everything that a request needs and that has no result yet is trained."""

import contextlib
import errno
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.data_files import fetch_files
from benchmarks.errors import RefusedError, count
from benchmarks.launch import pool, tuning
from benchmarks.launch.environment import commit
from benchmarks.launch.progress import Progress, Times, announce
from benchmarks.launch.request import Request
from benchmarks.launch.session import Session, prepare, prepare_trials, requested
from benchmarks.launch.worker import Job
from benchmarks.outputs import WritingError
from benchmarks.planning.plan import packs
from benchmarks.store import Parts, derive, locked, read_plan, remove_stale_files
from benchmarks.store.plan_file import NAME as PLAN
from benchmarks.store.tables import refuse_loss, refuse_misplaced
from benchmarks.sweep import Cell

LAUNCHERS = {"local": pool.run}
"""The places where packs can be trained."""


@dataclass(frozen=True)
class RunSummary:
    """The state of a results folder after a run."""

    folder: Path
    planned: int  # cells
    statuses: Counter[str]  # of the planned cells that were trained, now or earlier

    @property
    def shortfall(self) -> str:
        """The words ``1 of 12 cells diverged, 2 of 12 cells have no result``; or nothing."""
        diverged = self.statuses["diverged"]
        none = self.planned - self.statuses["done"] - diverged
        every = count(self.planned, "cell")
        became = ((diverged, "diverged"), (none, "have no result"))
        return ", ".join(f"{number} of {every} {what}" for number, what in became if number)


def run(request: Request, times: Times, preload: Sequence[str] = ()) -> RunSummary:
    """Train the missing cells of a request, after the trials that its profile needs.

    Args:
        request: what to train.
        times: to which the laps of this run are added.
        preload: modules that this process will need next; imported while workers train.

    Raises:
        RefusedError: something is wrong with the request or the folder; nothing was trained.
        DataMissingError: a dataset's files are neither there nor can be downloaded.
    """
    wanted = requested(request, fetch=True)
    if trials := prepare_trials(request, wanted):
        announce(trials, "trial")
        train(trials)
        if wanted.tuned:
            tuning.write(wanted.cells, wanted.tuned, trials.folder)
        times.lap("trials")
    session = prepare(request, wanted)
    announce(session, "cell")
    planned, missing = {c.id for c in session.plan.cells}, {c.id for c in session.missing()}
    times.lap("start-up")
    if missing:
        processes.import_in_background(preload)
    meta = train(session).meta
    times.trained([meta[i].costs for i in missing if i in meta], min(session.workers, len(missing)))
    statuses = Counter[str](meta[cell_id].status for cell_id in planned if cell_id in meta)
    return RunSummary(session.folder, len(planned), statuses)


def train(session: Session, launcher: str = "local") -> Parts:
    """Train the missing cells of a session, derive the CSV files, and return all parts.

    Args:
        session: what to train.
        launcher: where, one of ``LAUNCHERS``.

    Raises:
        RefusedError: the folder cannot be written, or another run is writing to it.
        DataMissingError: a dataset's files are neither there nor can be downloaded.
    """
    missing = session.missing()
    fetch_files(missing, session.root)
    with locked(session.folder):
        refuse_misplaced(session.folder)
        planned, again = session.plan.ids(), [cell.id for cell in missing]
        replaced = _planned_before(session.folder) - planned  # by edited files of the same names
        refuse_loss(session.folder, session.parts, planned, [*again, *replaced])
        if replaced:
            derive(session.folder, session.parts, replaced)
        session.plan.write(session.folder)
        remove_stale_files(session.folder)
        session.parts.put_aside()
        try:
            if missing:
                _launch(session, missing, launcher)
        except BaseException:
            with contextlib.suppress(RefusedError):  # rows of cells that are still to be trained
                _derived(session)
            raise
        return _derived(session)


def _planned_before(folder: Path) -> set[str]:
    """Return the ids of the cells in the plan that a folder has."""
    return read_plan(folder).ids() if (folder / PLAN).exists() else set()


def _derived(session: Session) -> Parts:
    """Derive the CSV files of a session and return all parts.

    Raises:
        RefusedError: they are all that is left of a cell which failed when it was trained again.
        WritingError: the folder is gone, or cannot be written.
    """
    _refuse_gone(session.folder)
    parts = Parts(session.folder) if session.missing() else session.parts
    derive(session.folder, parts)
    return parts


def _refuse_gone(folder: Path) -> None:
    """Refuse to go on where the results folder has been moved away since the run began.

    Raises:
        WritingError: it has.
    """
    if not (folder / PLAN).exists():
        reason = (
            "it was renamed or removed while its cells were trained; what was finished is in it, "
            "and running again from where it is now continues"
        )
        raise WritingError(errno.ENOENT, reason, str(folder))


def _launch(session: Session, missing: Sequence[Cell], launcher: str) -> None:
    job = Job(
        folder=session.folder,
        root=session.root,
        device=str(session.device),
        keep_all=session.plan.keep_all,
        commit=commit(),
        plugins=session.plugins,
        flags=session.plan.flags,
        timeout=session.timeout,
    )
    with Progress(missing, len(session.plan.cells)) as progress:
        LAUNCHERS[launcher](
            job, packs(missing, session.plan.widths), session.workers, progress.tell
        )

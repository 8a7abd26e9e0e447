"""A run: everything that a request needs and that has no result yet is trained."""

import contextlib
import errno
import importlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import processes
from benchmarks.data_files import fetch_files
from benchmarks.engine import checkpoint
from benchmarks.errors import RefusedError, count
from benchmarks.launch import pool, rerun, tuning
from benchmarks.launch.progress import Progress, Times, announce
from benchmarks.launch.request import Request
from benchmarks.launch.session import Session, prepare, prepare_trials, requested
from benchmarks.launch.worker import CellSummary, Job
from benchmarks.outputs import WritingError, writing
from benchmarks.planning.plan import Pack, packs
from benchmarks.store import Parts, derive, locked, read_plan
from benchmarks.store.plan_file import NAME as PLAN
from benchmarks.store.plan_file import plan_digest
from benchmarks.store.tables import refuse_loss, refuse_misplaced
from benchmarks.store.trainers import remove_gone
from benchmarks.sweep import Cell

Launcher = Callable[[Job, Sequence[Pack], int, Callable[[CellSummary], None]], None]


def _extra(name: str) -> Launcher:
    """Return a launcher whose module, and the library that it needs, is imported when it is used.

    Raises:
        RefusedError: when it is used and its library is not installed.
    """

    def run(
        job: Job, packs: Sequence[Pack], workers: int, tell: Callable[[CellSummary], None]
    ) -> None:
        try:
            module = importlib.import_module(f"benchmarks.launch.{name}")
        except ModuleNotFoundError as error:
            raise RefusedError(
                f"--launcher {name} needs {error.name}: pip install 'noisy-label-bench[{name}]'"
            ) from error
        module.run(job, packs, workers, tell)

    return run


LAUNCHERS: dict[str, Launcher] = {
    "local": pool.run,
    "ray": _extra("ray"),
    "slurm": _extra("slurm"),
}
"""The places where packs can be trained; what each function does is told by :func:`.pool.run`."""


@dataclass(frozen=True)
class RunSummary:
    """The state of a results folder after a run."""

    folder: Path
    planned: int  # cells
    statuses: Counter[str]  # of the planned cells that were trained, now or earlier
    kept: int = 0  # of the planned cells, those whose earlier result stays, as the new try failed

    @property
    def untried(self) -> int:
        """The number of cells that nobody has tried to train."""
        return self.planned - self.statuses.total()

    @property
    def shortfall(self) -> str:
        """The words ``1 of 12 cells diverged, 2 of 12 cells have no result``; or nothing."""
        diverged = self.statuses["diverged"]
        none = self.planned - self.statuses["done"] - diverged
        every = count(self.planned, "cell")
        stays = "failed again and keep their earlier result"
        became = ((diverged, "diverged"), (none, "have no result"), (self.kept, stays))
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
        tried = _summary(trials, train(trials))
        if tried.untried:
            return tried
        if wanted.tuned:
            tuning.write(wanted.cells, wanted.tuned, trials.folder)
        times.lap("trials")
    session = prepare(request, wanted)
    announce(session, "cell")
    missing = {cell.id for cell in session.missing()}
    times.lap("start-up")
    if missing:
        processes.import_in_background(preload)
    parts = train(session)
    costs = [meta.costs for cell_id, meta in parts.meta.items() if cell_id in missing]
    times.trained(costs, min(session.workers, len(missing)))
    return _trained_again(session, times) if session.again else _summary(session, parts)


def _trained_again(session: Session, times: Times) -> RunSummary:
    """Train the cells of a session again that have a result, and put new ones in their place."""
    inner = rerun.session_of(session)
    announce(inner, "cell")
    tried = train(inner).meta.keys() & inner.own
    kept = rerun.put_into_place(session.folder) if tried == inner.own else 0
    times.lap("cells again")
    summary = _summary(session, Parts(session.folder), inner.own - tried)
    return replace(summary, kept=kept)


def _summary(session: Session, parts: Parts, but: Collection[str] = ()) -> RunSummary:
    """Return how many cells of a session have which status, but for those that are untried."""
    own = session.own.difference(but)
    statuses = Counter[str](meta.status for i, meta in parts.meta.items() if i in own)
    return RunSummary(session.folder, len(session.own), statuses)


def train(session: Session) -> Parts:
    """Train the missing cells of a session, derive the CSV files, and return all parts.

    Raises:
        RefusedError: the folder cannot be written, or another run is writing to it.
        DataMissingError: a dataset's files are neither there nor can be downloaded.
    """
    missing = session.missing()
    fetch_files(missing, session.root)
    with locked(session.folder):
        _refuse_changed(session)
        refuse_misplaced(session.folder)
        planned, again = session.plan.ids(), [cell.id for cell in missing]
        replaced = _planned_before(session.folder) - planned  # by edited files of the same names
        refuse_loss(session.folder, session.parts, planned, [*again, *replaced])
        if replaced:
            derive(session.folder, session.parts, replaced)
        session.plan.write(session.folder)
        remove_gone(session.folder)
        session.parts.put_aside()
        try:
            if missing:
                _launch(session, missing)
        except BaseException:
            with contextlib.suppress(RefusedError):  # rows of cells that are still to be trained
                _derived(session)
            raise
        return _derived(session)


def _refuse_changed(session: Session) -> None:
    """Refuse to train by what a folder held before another run wrote to it and ended.

    Raises:
        RefusedError: its plan is another now, whose cells this session does not know.
    """
    if plan_digest(session.folder) != session.read:
        raise RefusedError(
            f"another run has written to {session.folder} since this one began; run this again"
        )


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


def _packs(session: Session, missing: Sequence[Cell]) -> list[Pack]:
    """Return the packs of the missing cells: first, as they were, those that have been begun.

    A checkpoint that none of them can go on from is removed.
    """
    left, again = {cell.id: cell for cell in missing}, []
    for path, pack in checkpoint.begun(session.folder).items():
        cells = tuple(left[i] for i in pack.cells if i in left) if pack else ()
        if pack and len(cells) == len(pack.cells) and session.plan.width(cells[0]) == pack.width:
            again.append(Pack(cells, pack.width))
            left = {cell_id: cell for cell_id, cell in left.items() if cell_id not in pack.cells}
        else:
            with writing(path):
                path.unlink(missing_ok=True)
    return [*again, *packs([*left.values()], session.plan.widths)]


def _launch(session: Session, missing: Sequence[Cell]) -> None:
    job = session.job()
    with Progress(missing, len(session.own)) as progress:
        owed = _packs(session, missing)
        LAUNCHERS[session.cluster.launcher](job, owed, session.workers, progress.tell)

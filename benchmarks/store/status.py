"""The state of a results folder: what is done, who trains, how long the rest takes, what failed.

No torch: it is wanted at once, and while another process trains.
"""

import datetime as dt
import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from benchmarks.errors import RefusedError
from benchmarks.store.cell_meta import CellKeys, CellMeta
from benchmarks.store.pace import Rest, epochs_of, finished_at, time_left
from benchmarks.store.parts import Parts
from benchmarks.store.plan_file import WHOLE, PlanFile, PlannedCell, read_plan
from benchmarks.store.slurm_queue import read_queue
from benchmarks.store.tables import finished_rows
from benchmarks.store.trainers import Life, Trainer, Trainers

SCHEMA = 1
"""The version of what :class:`Status` holds; raised when a field changes its meaning or goes."""

LAST_ERRORS = 20
"""So many of the cells that failed or diverged are named, the latest first."""

CellState = Literal["done", "diverged", "failed", "running", "queued", "missing"]
State = Literal["finished", "training", "queued", "stopped"]


class Counts(msgspec.Struct, kw_only=True):
    """The number of cells in each state, which exclude each other."""

    planned: int = 0
    done: int = 0
    diverged: int = 0
    failed: int = 0
    running: int = 0
    queued: int = 0
    missing: int = 0

    @classmethod
    def of(cls, states: Iterable[CellState]) -> "Counts":
        """Return how often each state is there."""
        counts = Counter[str](states)
        return cls(planned=counts.total(), **counts)


class Coverage(Counts, kw_only=True):
    """The cells of a method under a noise on a dataset, at all seeds, models and recipes."""

    dataset: str
    noise: str
    method: str


class CellName(msgspec.Struct, kw_only=True):
    """What names a cell."""

    cell_id: str
    dataset: str
    noise: str
    model: str
    recipe: str
    method: str
    seed: int


class Running(CellName, kw_only=True):
    """A cell in training."""

    epoch: float | None  # so many are over; None where the pool that trains it does not say
    epochs: int
    host: str
    process: int


class Failure(CellName, kw_only=True):
    """A cell that failed, or diverged."""

    status: str
    reason: str
    host: str
    finished_utc: str


class Pool(msgspec.Struct):
    """A pool of workers that said it trains cells of the folder."""

    host: str
    process: int
    workers: int
    began_utc: str
    told_utc: str
    state: Life


class Left(msgspec.Struct):
    """How long the rest takes; None where nobody knows."""

    seconds: float | None  # as it is trained now; also None where nobody trains
    work_seconds: float | None  # of one worker
    ends_utc: str | None


class Status(msgspec.Struct):
    """The state of a results folder, as ``status --json`` prints it."""

    schema: int
    folder: str
    suite: str
    device: str
    state: State
    cells: Counts  # that the last run was asked for, of its shard
    further: Counts  # that the folder holds beside them
    shard: str | None  # such as 1/3
    elsewhere: int  # cells of other shards
    left: Left
    pools: list[Pool]
    running: list[Running]
    coverage: list[Coverage]
    errors: list[Failure]  # the last ones
    lost: int  # finished cells of results.csv that plan.json does not name
    notes: list[str]  # about files that are damaged, or none of the folder's


class Cells(NamedTuple):
    """The cells of a folder, those of other shards left out."""

    own: list[PlannedCell]  # that the last run was asked for
    further: list[PlannedCell]
    elsewhere: int


def look(folder: Path, before: Parts | None = None) -> tuple[Status, Parts]:
    """Return the state of a results folder, and its parts, which a later look reads anew in part.

    Raises:
        RefusedError: the folder has no plan of this version.
    """
    plan, trainers, now = read_plan(folder), Trainers.read(folder), time.time()
    queued, faults = _queued(folder)
    parts = Parts(folder, before)  # last: what has ended since is no longer in training
    cells = _cells(plan)
    alive = [each for each in trainers.by_path.values() if each.life(now) == "training"]
    running = _running(plan, alive, parts.meta)
    states = _States(parts.meta, running, queued)
    owed = [cell for cell in cells.own if states.owed(cell, alive)]
    rest = Rest(owed, _begun(plan, alive, running))
    left = time_left(rest, plan, parts.meta, alive)
    counts = Counts.of(map(states.of, cells.own))
    status = Status(
        schema=SCHEMA,
        folder=str(folder),
        suite=plan.suite,
        device=plan.device,
        state=_state(counts, alive),
        cells=counts,
        further=Counts.of(map(states.of, cells.further)),
        shard=None if plan.shard == WHOLE else "{}/{}".format(*plan.shard),
        elsewhere=cells.elsewhere,
        left=Left(
            _rounded(left.seconds),
            _rounded(left.work),
            None if left.seconds is None else _utc(now + left.seconds),
        ),
        pools=[_pool(each, now) for each in trainers.by_path.values()],
        running=list(running.values()),
        coverage=_coverage([*cells.own, *cells.further], states),
        errors=_errors(parts.meta, plan.ids() - running.keys()),
        lost=len(finished_rows(folder) - plan.ids()),
        notes=[*parts.damage(), *trainers.faults, *faults],
    )
    return status, parts


def _cells(plan: PlanFile) -> Cells:
    own = plan.own()
    cells = Cells([], [], len(plan.requested()) - len(own))
    for cell in plan.cells:
        if cell.cell_id in own:
            cells.own.append(cell)
        elif not cell.requested:
            cells.further.append(cell)
    return cells


class _States(NamedTuple):
    """What is known of cells by their ids."""

    metas: Mapping[str, CellMeta]
    running: Mapping[str, Running]
    queued: Collection[str]

    def of(self, cell: PlannedCell) -> CellState:
        """Return the state of a cell."""
        meta = self.metas.get(cell.cell_id)
        if cell.cell_id in self.running:
            return "running"
        if meta is not None and meta.status != "failed":
            return meta.status
        if cell.cell_id in self.queued:
            return "queued"
        return "missing" if meta is None else "failed"

    def owed(self, cell: PlannedCell, alive: Sequence[Trainer]) -> bool:
        """Tell whether a cell is still to be begun: one that fails is not tried twice in a run."""
        state = self.of(cell)
        if state == "failed" and alive:
            began = min(trainer.began for trainer in alive)
            return finished_at(self.metas[cell.cell_id]) < began
        return state in {"missing", "queued", "failed"}


def _queued(folder: Path) -> tuple[set[str], list[str]]:
    """Return the ids of the cells that were handed to Slurm, and what is wrong with the list."""
    try:
        return read_queue(folder).cells(), []
    except RefusedError as error:
        return set(), [str(error)]


def _running(
    plan: PlanFile, alive: Sequence[Trainer], metas: Mapping[str, CellMeta]
) -> dict[str, Running]:
    """Return the cells in training by id: those that pools name and that have no result yet.

    Of a cell that two of them name, as the driver of a cluster does and the node that trains it,
    the one that knows its epoch is taken.
    """
    known, found = {cell.cell_id: cell for cell in plan.cells}, dict[str, Running]()
    for trainer in alive:
        for pack in trainer.packs:
            for i in known.keys() & pack.cells:
                if (i in found and found[i].epoch is not None) or _has_result(metas.get(i)):
                    continue
                cell = known[i]
                epochs = epochs_of(cell)
                epoch = None if pack.epochs is None else round(min(pack.epochs, epochs), 2)
                where: dict[str, Any] = {"host": trainer.host, "process": trainer.process}
                found[i] = Running(**_name(cell), epoch=epoch, epochs=epochs, **where)
    return {i: found[i] for i in sorted(found, key=lambda i: _order(found[i]))}


def _has_result(meta: CellMeta | None) -> bool:
    return meta is not None and meta.status != "failed"


def _order(one: Running) -> tuple[object, ...]:
    return one.dataset, one.method, one.epoch or 0.0, one.noise, one.seed, one.cell_id


def _begun(
    plan: PlanFile, alive: Sequence[Trainer], running: Mapping[str, Running]
) -> list[list[tuple[PlannedCell, float]]]:
    """Return the packs in training, each once, with the epochs of their cells that are over."""
    known, seen = {cell.cell_id: cell for cell in plan.cells}, set[str]()
    packs = []
    for pack in itertools.chain.from_iterable(each.packs for each in alive):
        ids = [i for i in pack.cells if i in running and i not in seen]
        seen.update(ids)
        if ids:
            packs.append([(known[i], running[i].epoch or 0.0) for i in ids])
    return packs


def _state(counts: Counts, alive: Sequence[Trainer]) -> State:
    if alive:
        return "training"
    if counts.queued:
        return "queued"
    return "stopped" if counts.missing else "finished"


def _coverage(cells: Iterable[PlannedCell], states: _States) -> list[Coverage]:
    """Return the cells of each dataset, noise and method, in the order of the plan."""
    groups: dict[tuple[str, str, str], list[CellState]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset, cell.noise, cell.method), []).append(states.of(cell))
    return [
        Coverage(dataset=d, noise=n, method=m, **msgspec.structs.asdict(Counts.of(own)))
        for (d, n, m), own in groups.items()
    ]


def _errors(metas: Mapping[str, CellMeta], planned: Collection[str]) -> list[Failure]:
    """Return the last cells that failed or diverged, the latest first."""
    every = [meta for i, meta in metas.items() if meta.status != "done" and i in planned]
    every.sort(key=lambda meta: (meta.stamp.finished_utc, meta.keys.cell_id), reverse=True)
    return [
        Failure(
            **_name(meta.keys),
            status=meta.status,
            reason=meta.reason,
            host=meta.stamp.host,
            finished_utc=meta.stamp.finished_utc,
        )
        for meta in every[:LAST_ERRORS]
    ]


def _name(keys: CellKeys) -> dict[str, Any]:
    return {name: getattr(keys, name) for name in CellName.__struct_fields__}


def _pool(trainer: Trainer, now: float) -> Pool:
    began, told = _utc(trainer.began), _utc(trainer.told)
    return Pool(trainer.host, trainer.process, trainer.workers, began, told, trainer.life(now))


def _utc(seconds: float) -> str:
    """Return a time as ISO 8601 writes it; the last that a calendar has, where it is later."""
    latest = dt.datetime.max.replace(tzinfo=dt.UTC).timestamp() - 1
    return dt.datetime.fromtimestamp(min(seconds, latest), dt.UTC).isoformat(timespec="seconds")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)

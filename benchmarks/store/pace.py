"""How long the rest of a results folder takes, from what its finished cells took.

The seconds of a cell that is still to be trained are those of finished cells like it, an epoch as
long as theirs. Workers need longer than that, to start, read and write: how much is seen in what
those that train now have finished since they began.
"""

import datetime as dt
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.store.cell_meta import CellMeta
from benchmarks.store.plan_file import PlanFile, PlannedCell, fields_of
from benchmarks.store.trainers import Trainer

STARTED_SECONDS = 5.0
"""A worker takes about so long to begin, which says nothing about its pace."""

MOST_PACE = 2.0
"""Seconds of cells in a second of a worker: on a GPU one process trains, another one measures."""


def epochs_of(cell: PlannedCell) -> int:
    """Return the epochs of a cell's recipe, 1 where its specs do not say."""
    epochs = fields_of(cell.specs.recipe)[1].get("epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else 1


class Lengths:
    """The seconds that cells take, judged by finished ones that are most like them."""

    def __init__(self, plan: PlanFile, metas: Mapping[str, CellMeta]) -> None:
        sums = defaultdict[tuple[str, ...], list[float]](lambda: [0.0, 0.0])
        for cell in plan.cells:
            if seconds := seconds_of(metas.get(cell.cell_id)):
                for key in _likenesses(cell):
                    sums[key][0] += seconds
                    sums[key][1] += epochs_of(cell)
        self._epoch = {key: seconds / epochs for key, (seconds, epochs) in sums.items()}

    def assume(self, epoch: float) -> None:
        """Take an epoch of any cell to be so many seconds, where none is finished."""
        self._epoch.setdefault((), epoch)

    def of(self, cell: PlannedCell) -> float | None:
        """Return the seconds of training and measuring a cell; None before any is finished."""
        known = (self._epoch[key] for key in _likenesses(cell) if key in self._epoch)
        epoch = next(known, None)
        return None if epoch is None else epoch * epochs_of(cell)


def _likenesses(cell: PlannedCell) -> Iterable[tuple[str, ...]]:
    """Yield what cells have in common whose epochs are as long, less and less of it."""
    specs = cell.specs
    yield (specs.kind(),)
    yield (specs.dataset, specs.model, specs.precision, specs.method)
    yield (specs.dataset, specs.model, specs.precision)
    yield ()


def seconds_of(meta: CellMeta | None) -> float:
    """Return the seconds of training and measuring a cell took, 0 where nobody knows."""
    costs = meta and meta.costs
    return (costs.train_seconds or 0.0) + (costs.eval_seconds or 0.0) if costs else 0.0


class Rest(NamedTuple):
    """What is still to be trained."""

    cells: Sequence[PlannedCell]  # that no worker has begun
    begun: Sequence[Sequence[tuple[PlannedCell, float]]]  # packs; with the epochs that are over


class TimeLeft(NamedTuple):
    """The seconds that the rest takes; None where nobody knows."""

    work: float | None  # of one worker
    seconds: float | None  # as it is trained now; also None where nobody trains


def time_left(
    rest: Rest, plan: PlanFile, metas: Mapping[str, CellMeta], trainers: Sequence[Trainer]
) -> TimeLeft:
    """Return how long the rest takes.

    Args:
        rest: what it is.
        plan: of the folder.
        metas: of its finished cells.
        trainers: who trains now.
    """
    if not rest.cells and not rest.begun:
        return TimeLeft(0.0, 0.0 if trainers else None)
    lengths, places = Lengths(plan, metas), _places(trainers, rest)
    spent = sum((each.told - each.began) * (each.workers or places) for each in trainers)
    if over := sum(epochs for pack in rest.begun for _, epochs in pack):
        lengths.assume(spent / over)
    waiting = [lengths.of(cell) for cell in rest.cells]
    running = [[_parts(lengths, *one) for one in pack] for pack in rest.begun]
    if any(each is None for each in [*waiting, *itertools.chain(*running)]):
        return TimeLeft(None, None)
    owed = [sum(left for _, left in filter(None, pack)) for pack in running]
    work = sum(filter(None, waiting)) + sum(owed)
    if not trainers:
        return TimeLeft(work, None)
    past = sum(done for pack in running for done, _ in filter(None, pack))
    past += _finished(metas.values(), min(each.began for each in trainers))
    prior = STARTED_SECONDS * places
    pace = min(MOST_PACE, (past + prior) / (spent + prior))
    packs = _packs(rest.cells, waiting, plan)
    busy = max(1, min(places, len(rest.begun) + sum(each.number for each in packs)))
    longest = max([0.0, *owed, *(each.seconds for each in packs)])
    return TimeLeft(work, max(work / busy, longest) / pace)


def _places(trainers: Sequence[Trainer], rest: Rest) -> int:
    """Return how many packs are trained side by side."""
    return sum(each.workers for each in trainers) or len(rest.begun) or 1


def _parts(lengths: Lengths, cell: PlannedCell, over: float) -> tuple[float, float] | None:
    """Return the seconds of a cell in training that are over, and those that are left."""
    if (whole := lengths.of(cell)) is None:
        return None
    share = min(1.0, over / epochs_of(cell))
    return share * whole, (1 - share) * whole


def _finished(metas: Iterable[CellMeta], since: float) -> float:
    """Return the seconds of cells that were finished since then."""
    return sum(seconds_of(meta) for meta in metas if finished_at(meta) >= since)


def finished_at(meta: CellMeta) -> float:
    """Return when a cell was finished, in seconds since 1970, UTC; 0 where that is not known."""
    try:
        return dt.datetime.fromisoformat(meta.stamp.finished_utc).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


class _Packs(NamedTuple):
    """Packs of one kind."""

    number: int
    seconds: float  # of one


def _packs(
    cells: Sequence[PlannedCell], seconds: Sequence[float | None], plan: PlanFile
) -> list[_Packs]:
    """Return the packs that cells make which take so many seconds."""
    by_kind = defaultdict[str, list[float]](list)
    for cell, own in zip(cells, seconds, strict=True):
        by_kind[cell.specs.kind()].append(own or 0.0)
    packs = []
    for kind, each in by_kind.items():
        driver = plan.drivers.get(kind)  # plans of version 1 name kinds otherwise
        number = math.ceil(len(each) / (driver.width if driver else 1))
        packs.append(_Packs(number, sum(each) / number))
    return packs

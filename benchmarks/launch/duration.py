"""How long the cells of a session take, and how much of the machine that is."""

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.durations import in_words
from benchmarks.engine.record import passes
from benchmarks.launch.session import Session
from benchmarks.planning.options import flags_of_cell, gpus_of
from benchmarks.planning.plan import alike
from benchmarks.planning.repeats import Repeats
from benchmarks.planning.throughput import CELL_SECONDS, STARTED_SECONDS, Throughput
from benchmarks.store.pace import seconds_of

MOST_PLACED = 10_000
"""So many packs are given to workers one by one; of more the mean is as good."""


class Packs(NamedTuple):
    """Packs that take equally long."""

    number: int
    seconds: float  # of one


class Forecast(NamedTuple):
    """How long cells take; the words say how that is known."""

    packs: list[Packs]
    words: str

    @property
    def work(self) -> float:
        """The seconds of one worker, without how it starts."""
        return sum(each.number * each.seconds for each in self.packs)

    def wall(self, workers: int) -> float:
        """Return the seconds until the last of so many workers is done."""
        return makespan(self.packs, workers) + (STARTED_SECONDS if self.packs else 0.0)


def makespan(packs: Sequence[Packs], workers: int) -> float:
    """Return when the last worker is done, where each takes the longest pack that is left.

    >>> makespan([Packs(3, 10.0)], 2), makespan([Packs(4, 1.0), Packs(1, 5.0)], 2)
    (20.0, 5.0)
    """
    total = sum(each.number * each.seconds for each in packs)
    if sum(each.number for each in packs) > MOST_PLACED:
        return total / workers
    ends = [0.0] * workers
    for each in sorted(packs, key=lambda each: -each.seconds):
        for _ in range(each.number):
            heapq.heapreplace(ends, ends[0] + each.seconds)
    return max(ends)


def forecast_of(session: Session, groups: Sequence[Repeats]) -> Forecast | None:
    """Return how long cells of a session take, None where nothing like them was timed.

    As fast as ``probe`` measured if it has measured all of them, else as the finished cells of the
    folder were.
    """
    if not session.cluster.elsewhere and (seconds := _probed(session, groups)) is not None:
        return Forecast(_packs(session, groups, seconds), "as fast as probe measured")
    if (pace := _pace(session)) is not None:
        seconds = [CELL_SECONDS + pace * _passes(each) for each in groups]
        return Forecast(_packs(session, groups, seconds), "as fast as the finished cells")
    return None


def _probed(session: Session, groups: Sequence[Repeats]) -> list[float] | None:
    """Return the seconds of a cell of each group, None where one was not measured."""
    throughput, plan = Throughput.read(), session.plan
    seconds = []
    for each in groups:
        flags = flags_of_cell(each.first, plan.flags)
        own = throughput.seconds(each.first, session.device, plan.width(each.first), flags)
        if own is None:
            return None
        seconds.append(own)
    return seconds


def _pace(session: Session) -> float | None:
    """Return the seconds that finished cells took for each image sent forwards."""
    metas = [meta for meta in session.parts.meta.values() if meta.costs.forward_passes]
    taken = sum(meta.costs.forward_passes or 0 for meta in metas)
    spent = sum(map(seconds_of, metas))
    return spent / taken if taken else None


def _passes(group: Repeats) -> int:
    sizes, epochs = group.first.dataset.sizes, group.first.recipe.epochs
    return passes(group.first, sizes[0], epochs).forward


def _packs(session: Session, groups: Sequence[Repeats], seconds: Sequence[float]) -> list[Packs]:
    """Return the packs of groups whose cells take so many seconds each."""
    of_first = {id(each.first): own for each, own in zip(groups, seconds, strict=True)}
    of_cell = {id(cell): of_first[id(each.first)] for each in groups for cell in each.cells}
    packs = []
    for width, cells in alike(groups, session.plan.widths):
        number = math.ceil(len(cells) / width)
        packs.append(Packs(number, sum(of_cell[id(cell)] for cell in cells) / number))
    return packs


def lines(session: Session, groups: Sequence[Repeats]) -> list[str]:
    """Return what ``plan`` says of the time of cells, and of the share of the machine."""
    if not groups:
        return ["time     none, as nothing is to be trained"]
    known = forecast_of(session, groups)
    if known is None:
        unknown = "unknown until `probe` has measured it or the first cells are done"
        return [f"time     {_elsewhere(session) or unknown}"]
    if session.cluster.elsewhere:
        unit = "GPU" if session.device.type == "cuda" else "core"
        return [f"time     {_elsewhere(session)}", f"work     {hours(known.work, unit)}"]
    number = sum(each.number for each in known.packs)
    workers = max(1, min(session.workers, number))
    wall = known.wall(workers)
    gpus = gpus_of(session.device)
    work = hours(wall * min(gpus, workers), "GPU") if gpus else hours(known.work, "core")
    return [f"time     about {in_words(wall)}, {known.words}", f"work     {work}"]


def _elsewhere(session: Session) -> str:
    """Say that a cluster decides how long it takes; nothing where this machine trains."""
    launcher = session.cluster.launcher.capitalize()
    return f"as {launcher} has room" if session.cluster.elsewhere else ""


def hours(seconds: float, unit: str) -> str:
    """Return the hours of cores or GPUs that are busy.

    >>> hours(5400.0, "GPU"), hours(90.0, "core")
    ('1.5 GPU-hours', '0.025 core-hours')
    """
    number = seconds / 3600
    return f"{number:,.0f} {unit}-hours" if number >= 10 else f"{number:.2g} {unit}-hours"

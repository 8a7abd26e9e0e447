"""The state of a results folder in words: a page of it, and a line."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from benchmarks.durations import in_words
from benchmarks.errors import count
from benchmarks.store.status import CellName, Counts, Pool, Running, Status, look

SHOWN = 10
"""So many cells in training, and so many errors, have a line."""


def describe(folder: Path) -> str:
    """Return what is done of a folder, who trains, a table of methods by noises, and what failed.

    Raises:
        RefusedError: the folder has no plan of this version.
    """
    return page(look(folder)[0])


def page(status: Status) -> str:
    """Return the state of a folder in lines."""
    head = f"{status.folder}: suite {status.suite} on {status.device}, "
    head += f"{_counted(status.cells)}{_beside(status)}"
    lines = [head, *_training(status), *_table(status), *_errors(status)]
    if status.lost:
        lines.append(
            f"{count(status.lost, 'finished cell')} of results.csv, which plan.json does not name: "
            "bring back the plan that they were trained by"
        )
    return "\n".join([*lines, *status.notes])


def line(status: Status) -> str:
    """Return the state of a folder in one line."""
    ends = "" if status.state == "finished" else f"; {_when(status)}"
    return f"{_counted(status.cells)}{ends}"


def _counted(counts: Counts) -> str:
    """Return ``12 cells: 11 done, 1 failed``."""
    numbers = msgspec.structs.asdict(counts)
    planned = numbers.pop("planned")
    each = ", ".join(f"{number} {state}" for state, number in numbers.items() if number)
    return f"{count(planned, 'cell')}: {each or 'none'}"


def _beside(status: Status) -> str:
    """Say which cells of the folder were not asked for, or are another machine's."""
    said = ""
    if status.shard:
        others = count(status.elsewhere, "cell")
        said += f"; it is shard {status.shard}, and others train {others} elsewhere"
    if status.further.planned:
        further = _counted(status.further).replace("cell", "further cell", 1)
        said += f"; {further}, which the last run was not asked for"
    return said


def _when(status: Status) -> str:
    """Say when the rest is done."""
    if status.state == "queued":
        return "it waits for Slurm"
    if status.state != "training":
        work = status.left.work_seconds
        return "nobody trains it" + (f", {in_words(work)} of work are left" if work else "")
    if status.left.seconds is None:
        return "how long it takes is known when the first cells are done"
    return f"about {in_words(status.left.seconds)} left"


def _training(status: Status) -> Iterator[str]:
    """Yield who trains, and what, and which runs ended before their time."""
    if status.state == "training":
        where = ", ".join(_place(pool) for pool in status.pools if pool.state == "training")
        yield f"training on {where}; {_when(status)}"
    elif status.state != "finished":
        yield f"{_when(status)}; running again continues"
    for pool in status.pools:
        if pool.state == "gone":
            yield f"a run on {_place(pool)} was killed; what it had finished is kept"
        elif pool.state == "silent":
            yield f"a run on {_place(pool)} has said nothing since {pool.told_utc}"
    packs = [list(own) for _, own in groupby(status.running, _pack)]
    yield from (_progress(pack) for pack in packs[:SHOWN])
    if (more := len(packs) - SHOWN) > 0:
        yield f"running: {more} more such lines"


def _place(pool: Pool) -> str:
    return f"{pool.host} (process {pool.process})"


def _pack(one: Running) -> tuple[object, ...]:
    """Return what cells have in common that are trained together."""
    return one.dataset, one.method, one.host, one.process, one.epoch, one.epochs


def _progress(pack: Sequence[Running]) -> str:
    one, *others = pack
    epoch = "" if one.epoch is None else f": epoch {one.epoch:.1f} of {one.epochs}"
    name = f"{one.dataset} {one.method}, {len(pack)} cells" if others else _named(one)
    return f"running: {name}{epoch}"


def _named(one: CellName) -> str:
    return f"{one.dataset} {one.noise} {one.method} seed {one.seed}"


def _table(status: Status) -> list[str]:
    """Return a table of methods by noises with the share of cells done."""
    cells = {(e.method, f"{e.dataset} {e.noise}"): e for e in status.coverage}
    methods = dict.fromkeys(method for method, _ in cells)
    noises = dict.fromkeys(noise for _, noise in cells)
    table = [["", *noises]]
    for method in methods:
        known = (cells.get((method, noise)) for noise in noises)
        table.append([method, *(f"{e.done}/{e.planned}" if e else "0/0" for e in known)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _errors(status: Status) -> Iterator[str]:
    """Yield the last cells that failed or diverged."""
    every = status.cells.failed + status.cells.diverged
    every += status.further.failed + status.further.diverged
    for one in status.errors[:SHOWN]:
        yield f"{one.status}: {_named(one)}: {one.reason}"
    if (more := every - len(status.errors[:SHOWN])) > 0:
        yield f"and {more} more that failed or diverged; results.csv says why"

"""Cells of a results folder at other seeds, trained into a results folder within it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks import contract
from benchmarks.data_files import absent
from benchmarks.datasets import data_root
from benchmarks.errors import DataMissingError, RefusedError, some
from benchmarks.launch.environment import commit
from benchmarks.launch.progress import announce
from benchmarks.launch.request import Request
from benchmarks.launch.run import train
from benchmarks.launch.session import Wanted, prepare, refuse_faulty
from benchmarks.planning.options import choose_device
from benchmarks.planning.plan import rebuild
from benchmarks.store import PlannedCell, read_current_plan, refuse_foreign
from benchmarks.store.plan_file import NAME as PLAN
from benchmarks.sweep import REGISTRIES, Cell, label_space

FOLDER = "confirm"


class OtherSeeds(NamedTuple):
    """Cells of a run that are wanted at other seeds."""

    cells: Collection[str]  # ids, of any of the seeds that the run has
    seeds: Sequence[int]
    commits: Collection[str]  # of the code that trained the run; none where nobody knows


def train_reserve(folder: Path, wanted: OtherSeeds, given: Request) -> Path:
    """Train cells of a results folder at other seeds, as it was trained, and return where.

    What is there already is not trained again.

    Args:
        folder: the results folder.
        wanted: which cells, at which seeds.
        given: images, plugins and workers; everything else is as in the folder.

    Raises:
        RefusedError: a cell cannot be built now, this is other code than that of the run, or
            there is no such device; nothing was trained.
        DataMissingError: the images are not there.
    """
    plan, out = read_current_plan(folder), folder / FOLDER
    refuse_foreign(out)
    first: dict[tuple[str, str], PlannedCell] = {}
    for entry in plan.cells:
        if entry.cell_id in wanted.cells:
            first.setdefault(entry.specs.point()[:2], entry)
    request = replace(
        given,
        suite=plan.suite,
        out=out,
        pack=plan.pack,
        graph="graph" in plan.flags,
        branches="branches" in plan.flags,
        deterministic="deterministic" in plan.flags,
    )
    cells, unused = _built(folder, list(first.values()), request)
    every = [replace(cell, seed=seed) for cell in cells for seed in wanted.seeds]
    _refuse_unfit(every)
    device = choose_device(plan.device)
    session = prepare(request, Wanted(device, every, None, given.plugin, unused))
    if session.missing():
        _refuse_other_code(wanted.commits)
    announce(session, "cell")
    train(session)
    return out


def _built(
    folder: Path, entries: Sequence[PlannedCell], given: Request
) -> tuple[list[Cell], list[str]]:
    """Return all of these cells of a folder, and lines about entries of plugins."""
    root = data_root(given.data)
    faults = contract.load_faulty(*given.plugin, root=root)
    specs = {kind: {getattr(one.specs, kind) for one in entries} for kind in REGISTRIES}
    unused = refuse_faulty(faults, specs)
    cells, reasons = rebuild(entries, folder, root)
    if reasons:
        hint = read_current_plan(folder).missing_plugins(given.plugin)
        raise RefusedError(f"{next(iter(reasons))}{hint}")
    if not cells:
        raise RefusedError(f"{folder / PLAN} does not name them")
    if names := absent(cells, root):
        raise DataMissingError(f"{some(names)} not in {root}")
    return cells, unused


def _refuse_unfit(cells: Sequence[Cell]) -> None:
    """Refuse seeds of which a noise has no file, or one that does not fit."""
    try:
        for cell in cells:
            cell.noise.check(label_space(cell.dataset), [cell.seed])
    except ValueError as error:
        raise RefusedError(str(error)) from error


def _refuse_other_code(commits: Collection[str]) -> None:
    """Refuse to confirm by other code what a run has shown."""
    now, known = commit(), {one.removesuffix("-dirty") for one in commits}
    if now and known and now.removesuffix("-dirty") not in known:
        raise RefusedError(f"the run is of commit {some(sorted(known))}, and this is {now}")

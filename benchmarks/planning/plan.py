"""Which cells a results folder owes, and how they are trained: fixed at its first start."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import asdict

from benchmarks.catalogue import Facts, catalogue
from benchmarks.engine.drivers import driver_name
from benchmarks.errors import RefusedError
from benchmarks.noise import Clean
from benchmarks.planning.memory import free_bytes, widest
from benchmarks.planning.options import FLAGS, TrainingOptions
from benchmarks.planning.throughput import Throughput
from benchmarks.store import CellSpecs, Driver, PlanFile, PlannedCell, read_current_plan, write_plan
from benchmarks.store.plan_file import NAME, WIDEST, further, merged
from benchmarks.sweep import Cell, label_space
from methods import METHODS

KEEP_ALL_UP_TO = 1000
"""Above this many cells only the last epoch's test logits are kept."""


@dataclass(frozen=True)
class Plan:
    """The cells that are asked for, and a folder's settings, which never change."""

    suite: str
    device: str  # kind: cuda, mps or cpu
    pack: int | None  # what was asked for; None leaves it to what was measured
    keep_all: bool
    cells: tuple[Cell, ...]
    widths: Mapping[str, int]  # by kind: how many cells are trained together; 1 is one by one
    flags: tuple[str, ...] = ()  # of FLAGS
    held: tuple[PlannedCell, ...] = ()  # the folder's further cells

    def width(self, cell: Cell) -> int:
        """Return how many cells like this one are trained together."""
        return self.widths[kind_of(cell)]

    def write(self, folder: Path) -> None:
        """Write ``plan.json``: the settings, each kind's driver, and every cell spelled out.

        The cells that a folder holds already stay in it.
        """
        precision = {kind_of(cell): cell.precision for cell in self.cells}
        drivers = {
            kind: Driver(driver_name(self.widths[kind], self.flags), self.widths[kind], name)
            for kind, name in precision.items()
        }
        new = PlanFile(
            suite=self.suite,
            device=self.device,
            keep_all=self.keep_all,
            drivers=drivers,
            cells=tuple(map(_entry, self.cells)),
            pack=self.pack,
            flags=self.flags,
            method_facts=_facts_of_plugins(self.cells),
        )
        if (folder / NAME).exists():
            new = merged(read_current_plan(folder), new)
        write_plan(folder, new)


def _entry(cell: Cell) -> PlannedCell:
    keys: dict[str, Any] = cell.keys()
    specs: dict[str, Any] = cell.specs()
    return PlannedCell(**keys, specs=CellSpecs(**specs))


def _facts_of_plugins(cells: Iterable[Cell]) -> dict[str, Facts]:
    """Return what methods that the catalogue lacks state of themselves."""
    methods = {type(cell.method): cell.method for cell in cells}.values()
    stated = {METHODS.name(method): method.facts() for method in methods if method.family}
    return {name: Facts(**facts) for name, facts in stated.items() if name not in catalogue()}


def kind_of(cell: Cell) -> str:
    """Name what cells of a pack have in common: everything but seed and noise."""
    specs = cell.specs()
    names = ("dataset", "model", "method", "recipe", "precision")
    return " ".join(str(specs[name]) for name in names)


def make_plan(folder: Path, suite: str, cells: Iterable[Cell], options: TrainingOptions) -> Plan:
    """Return the plan of a folder in which these cells are asked for; nothing is written.

    Args:
        folder: the results folder.
        suite: its name.
        cells: what is asked for.
        options: how they are to be trained.

    Raises:
        RefusedError: the folder was started by another version, on another kind of device, with
            packs of another size, or without one of the flags, any of which changes the last bits
            of its numbers.
    """
    asked, (device, pack, flags) = tuple(cells), options
    if pack is not None and not 1 <= pack <= WIDEST:
        raise RefusedError(f"--pack must be a whole number from 1 to {WIDEST}, got {pack}")
    if not (folder / NAME).exists():
        widths = _widths(asked, options, {})
        keep_all = len(asked) <= KEEP_ALL_UP_TO
        return Plan(suite, device.type, pack, keep_all, asked, widths, flags)
    written = read_current_plan(folder)
    if pack not in {None, written.pack}:
        started = f"--pack {written.pack}" if written.pack else "packs of its own choice"
        raise RefusedError(
            f"{folder} was started with {started} and is finished with it; use it or another --out"
        )
    if written.device != device.type:
        raise RefusedError(
            f"{folder} was started on {written.device} and numbers of {device.type} must not be "
            f"mixed with it; use --device {written.device} or another --out"
        )
    _refuse_other_profile(written, asked, folder)
    fixed = {kind: driver.width for kind, driver in written.drivers.items()}
    if foreign := [name for name in written.flags if name not in FLAGS]:
        raise RefusedError(
            f"{folder} was started with --{foreign[0]}, which this version does not have, and "
            "numbers without it must not be mixed with its own; use another --out"
        )
    if missing := [name for name in flags if name not in written.flags]:
        raise RefusedError(
            f"{folder} was started without --{missing[-1]}, which changes the last bits of its "
            f"numbers; leave it out or use another --out"
        )
    options = TrainingOptions(device, written.pack, written.flags)
    rest = asked, _widths(asked, options, fixed), written.flags
    held = tuple(further(written, map(_entry, asked)))
    return Plan(written.suite, device.type, written.pack, written.keep_all, *rest, held)


def _refuse_other_profile(written: PlanFile, asked: Sequence[Cell], folder: Path) -> None:
    """Refuse cells whose hyper-parameters come from elsewhere than those of the folder."""
    there = dict.fromkeys(cell.specs.profile for cell in written.cells)
    if others := [cell.profile for cell in asked if there and cell.profile not in there]:
        raise RefusedError(
            f"{folder} was started with the profile {', '.join(there)} and {others[0]} must not be "
            f"mixed with it; use --profile '{', '.join(there)}' or another --out"
        )


def _widths(
    cells: Sequence[Cell], options: TrainingOptions, fixed: Mapping[str, int]
) -> dict[str, int]:
    """Return the width of every kind: as fixed, as asked, or as measured and fits, cut evenly."""
    device, pack, flags = options
    throughput, free, widths = Throughput.read(), free_bytes(device), dict(fixed)
    for kind, group in kinds(cells).items():
        if kind not in widths:
            fastest = throughput.best_width(group[0], device, flags)
            best = pack or min(fastest, widest(group[0], free) or WIDEST)
            fewest = math.ceil(len(group) / best)  # packs
            even = max(2, math.ceil(len(group) / fewest)) if len(group) > 1 else 1
            widths[kind] = best if pack or best == 1 else even
    return widths


def kinds(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Group cells that can be trained together."""
    groups: dict[str, list[Cell]] = {}
    names: dict[Cell, str] = {}
    for cell in cells:
        alike = replace(cell, seed=0, noise=Clean())
        if alike not in names:
            names[alike] = kind_of(cell)
        groups.setdefault(names[alike], []).append(cell)
    return groups


class Rebuilt(NamedTuple):
    """The cells of a plan that can be built now, and why others cannot: how many, by reason."""

    cells: list[Cell]
    reasons: Counter[str]


def rebuild(entries: Iterable[PlannedCell]) -> Rebuilt:
    """Build the cells of a plan again, as far as plugins, files and versions allow."""
    rebuilt = Rebuilt([], Counter())
    for entry in entries:
        try:
            cell = Cell.build(asdict(entry.specs))
            cell.noise.check(label_space(cell.dataset), [cell.seed])  # its file may have changed
            if cell.id == entry.cell_id:
                rebuilt.cells.append(cell)
            else:
                rebuilt.reasons["what it is made of has changed since"] += 1
        except (ValueError, RefusedError) as error:
            rebuilt.reasons[str(error)] += 1
    return rebuilt


class Pack(NamedTuple):
    """Cells that are trained together."""

    cells: tuple[Cell, ...]
    width: int  # what they are padded to; 1 is one by one


def packs(cells: Iterable[Cell], widths: Mapping[str, int]) -> list[Pack]:
    """Group cells that can be trained together, at most as many as their width; longest first.

    Groups are cut evenly: 25 cells and a width of 8 make packs of 7, 6, 6 and 6.
    """
    cut = []
    for kind, group in kinds(cells).items():
        width = widths[kind]
        count = math.ceil(len(group) / width)
        cut += [Pack(tuple(group[start::count]), width) for start in range(count)]
    return sorted(cut, key=lambda p: -sum(c.method.networks * c.recipe.epochs for c in p.cells))


def disk_bytes(cells: Sequence[Cell], *, keep_all: bool) -> int:
    """Estimate what the parts of these cells take: logits, and a few numbers per training image."""
    total = 0
    for cell in cells:
        n, test = cell.dataset.sizes
        shown = test + round(cell.recipe.val_fraction * n)
        logits = 4 * shown * cell.dataset.num_classes * (3 if keep_all else 1)
        total += logits + 34 * n + 8 * 30 * cell.recipe.epochs + 9000
    return total

"""Which cells a results folder owes, and how they are trained: fixed at its first start."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.catalogue import catalogue
from benchmarks.engine.drivers import driver_name
from benchmarks.errors import RefusedError
from benchmarks.noise import Clean
from benchmarks.planning.memory import free_bytes, widest
from benchmarks.planning.options import FLAGS, TrainingOptions
from benchmarks.planning.throughput import Throughput
from benchmarks.store import read_current_plan, write_plan
from benchmarks.sweep import Cell, label_space
from methods import METHODS

KEEP_ALL_UP_TO = 1000
"""Above this many cells only the last epoch's test logits are kept."""

WIDEST = 4096
"""No machine trains more cells at once."""


@dataclass(frozen=True)
class Plan:
    """The content of ``plan.json``: cells, which accumulate, and settings, which never change."""

    suite: str
    device: str  # kind: cuda, mps or cpu
    pack: int | None  # what was asked for; None leaves it to what was measured
    keep_all: bool
    cells: tuple[Cell, ...]
    widths: Mapping[str, int]  # by kind: how many cells are trained together; 1 is one by one
    flags: tuple[str, ...] = ()  # of FLAGS

    def width(self, cell: Cell) -> int:
        """Return how many cells like this one are trained together."""
        return self.widths[kind_of(cell)]

    def write(self, folder: Path) -> None:
        """Write ``plan.json``: the settings, each kind's driver, and every cell spelled out."""
        precision = {kind_of(cell): cell.precision for cell in self.cells}
        drivers = {
            kind: {
                "driver": driver_name(self.widths[kind], self.flags),
                "width": self.widths[kind],
                "precision": precision[kind],
            }
            for kind in precision
        }
        content: dict[str, Any] = {
            "suite": self.suite,
            "device": self.device,
            "pack": self.pack,
            "keep_all": self.keep_all,
            "flags": list(self.flags),
            "drivers": drivers,
            "cells": [{**cell.keys(), "specs": cell.specs()} for cell in self.cells],
        }
        methods = {type(cell.method): cell.method for cell in self.cells}.values()
        stated = {METHODS.name(method): method.facts() for method in methods if method.family}
        if brought := {name: facts for name, facts in stated.items() if name not in catalogue()}:
            content["method_facts"] = brought  # by a plugin
        write_plan(folder, content)


def kind_of(cell: Cell) -> str:
    """Name what cells of a pack have in common: everything but seed and noise."""
    specs = cell.specs()
    names = ("dataset", "model", "method", "recipe", "precision")
    return " ".join(str(specs[name]) for name in names)


def make_plan(folder: Path, suite: str, cells: Iterable[Cell], options: TrainingOptions) -> Plan:
    """Return the plan of a folder with these cells added to it; nothing is written.

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
    if not (folder / "plan.json").exists():
        widths = _widths(asked, options, {})
        keep_all = len(asked) <= KEEP_ALL_UP_TO
        return Plan(suite, device.type, pack, keep_all, asked, widths, flags)
    written = read_current_plan(folder)
    if pack not in {None, written["pack"]}:
        started = f"--pack {written['pack']}" if written["pack"] else "packs of its own choice"
        raise RefusedError(
            f"{folder} was started with {started} and is finished with it; use it or another --out"
        )
    if written["device"] != device.type:
        raise RefusedError(
            f"{folder} was started on {written['device']} and numbers of {device.type} must not be "
            f"mixed with it; use --device {written['device']} or another --out"
        )
    known = tuple(_known_cells(written["cells"], folder))
    _refuse_other_profile(known, asked, folder)
    every = tuple(dict.fromkeys((*known, *asked)))
    fixed = {kind: driver["width"] for kind, driver in written["drivers"].items()}
    fixed_flags = tuple(written.get("flags", ()))
    if foreign := [name for name in fixed_flags if name not in FLAGS]:
        raise RefusedError(
            f"{folder} was started with --{foreign[0]}, which this version does not have, and "
            "numbers without it must not be mixed with its own; use another --out"
        )
    if missing := [name for name in flags if name not in fixed_flags]:
        raise RefusedError(
            f"{folder} was started without --{missing[-1]}, which changes the last bits of its "
            f"numbers; leave it out or use another --out"
        )
    options = TrainingOptions(device, written["pack"], fixed_flags)
    rest = every, _widths(every, options, fixed), fixed_flags
    return Plan(written["suite"], device.type, written["pack"], written["keep_all"], *rest)


def _refuse_other_profile(known: Sequence[Cell], asked: Sequence[Cell], folder: Path) -> None:
    """Refuse cells whose hyper-parameters come from elsewhere than those of the folder."""
    there, here = ({cell.profile: cell for cell in cells} for cells in (known, asked))
    if others := [name for name in here if there and name not in there]:
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


def _known_cells(entries: Sequence[dict[str, Any]], folder: Path) -> Iterable[Cell]:
    """Rebuild the cells of a plan."""
    for entry in entries:
        try:
            cell = Cell.build(entry["specs"])
            cell.noise.check(label_space(cell.dataset), [cell.seed])  # its file may have changed
        except ValueError as error:
            raise RefusedError(
                f"{folder} holds the cell {entry['method']!r} that this version cannot build "
                f"({error}); use another --out, or --plugin if a plugin brought it"
            ) from error
        yield cell


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

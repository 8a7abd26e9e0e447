"""Which cells a results folder owes, and how they are trained: fixed at its first start."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import schema
from benchmarks.noise import Clean
from benchmarks.refusals import RefusedError
from benchmarks.store import read_plan, write_atomically
from benchmarks.sweep import Cell, label_space

KEEP_ALL_UP_TO = 1000
"""Above this many cells only the last epoch's test logits are kept."""

WIDEST = 4096
"""No machine trains more cells at once."""

DEVICES = ("cuda", "mps", "cpu")


@dataclass(frozen=True)
class Plan:
    """What ``plan.json`` says. Cells accumulate; the settings never change."""

    suite: str
    device: str  # kind: cuda, mps or cpu
    pack: int  # cells trained together, at most; 1 is one by one, by the reference driver
    keep_all: bool
    cells: tuple[Cell, ...]

    def write(self, folder: Path) -> None:
        """Write ``plan.json``: the settings, each cell's driver, and every cell spelled out."""
        drivers = {
            f"{cell.keys()['model']} {cell.keys()['method']}": {
                "driver": "reference" if self.pack == 1 else "packed",
                "width": self.pack,
                "precision": cell.precision,
            }
            for cell in self.cells
        }
        found = {
            "schema": schema.SCHEMA_VERSION,
            "suite": self.suite,
            "device": self.device,
            "pack": self.pack,
            "keep_all": self.keep_all,
            "drivers": drivers,
            "cells": [{**cell.keys(), "specs": cell.specs()} for cell in self.cells],
        }
        data = (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()
        path = folder / "plan.json"
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)


def settle(folder: Path, suite: str, cells: Iterable[Cell], device: str, pack: int | None) -> Plan:
    """Return the plan of a folder with these cells added to it; nothing is written.

    Args:
        folder: the results folder.
        suite: its name.
        cells: what is asked for.
        device: the kind of it.
        pack: how many cells are trained together; None asks for what the folder has, or for 1.

    Raises:
        RefusedError: the folder was started by another version, on another kind of device, or with
            packs of another size, any of which changes the last bits of its numbers.
    """
    asked = tuple(cells)
    if pack is not None and not 1 <= pack <= WIDEST:
        raise RefusedError(f"--pack must be a whole number from 1 to {WIDEST}, got {pack}")
    if not (folder / "plan.json").exists():
        return Plan(suite, device, pack or 1, len(asked) <= KEEP_ALL_UP_TO, asked)
    found = read_plan(folder)
    if pack not in {None, found["pack"]}:
        raise RefusedError(
            f"{folder} was started with --pack {found['pack']} and is finished with it; use it or "
            f"another --out"
        )
    if found["device"] != device:
        raise RefusedError(
            f"{folder} was started on {found['device']} and numbers of {device} must not be mixed "
            f"with it; use --device {found['device']} or another --out"
        )
    known = tuple(_known_cells(found["cells"], folder))
    every = tuple(dict.fromkeys((*known, *asked)))
    return Plan(found["suite"], device, found["pack"], found["keep_all"], every)


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


def choose_device(wanted: str | None) -> torch.device:
    """Return the device to train on: the one asked for, else the first there is of DEVICES.

    Raises:
        RefusedError: there is no such device here.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    kind = wanted.partition(":")[0] if wanted else next(name for name in DEVICES if present[name])
    if kind not in present:
        raise RefusedError(f"unknown device {kind!r}; known: {', '.join(DEVICES)}")
    if not present[kind]:
        raise RefusedError(f"this machine has no {kind} device that torch {torch.__version__} sees")
    return torch.device(wanted or kind)


def precision_of(device: torch.device) -> str:
    """Return the arithmetic of training: bfloat16 autocast on CUDA, float32 elsewhere."""
    return "bfloat16" if device.type == "cuda" else "float32"


def packs(cells: Iterable[Cell], width: int) -> list[tuple[Cell, ...]]:
    """Group cells that can be trained together, at most ``width`` of them, longest first.

    Groups are cut evenly: 25 cells and a width of 8 make packs of 7, 6, 6 and 6.
    """
    if width == 1:
        return [(cell,) for cell in longest_first(cells)]
    alike: dict[Cell, list[Cell]] = {}
    for cell in longest_first(cells):
        alike.setdefault(replace(cell, seed=0, noise=Clean()), []).append(cell)
    found = []
    for group in alike.values():
        count = math.ceil(len(group) / width)
        found += [tuple(group[start::count]) for start in range(count)]
    return sorted(found, key=lambda pack: -len(pack) * _work(pack[0]))


def _work(cell: Cell) -> int:
    return cell.method.networks * cell.recipe.epochs


def longest_first(cells: Iterable[Cell]) -> list[Cell]:
    """Order cells by work, so that no worker starts a long one when the others are done."""
    return sorted(cells, key=lambda cell: -_work(cell))


def disk_bytes(cells: Sequence[Cell], *, keep_all: bool) -> int:
    """Estimate what the parts of these cells take: logits, and a few numbers per training image."""
    total = 0
    for cell in cells:
        n, test = cell.dataset.sizes
        shown = test + round(cell.recipe.val_fraction * n)
        logits = 4 * shown * cell.dataset.num_classes * (3 if keep_all else 1)
        total += logits + 34 * n + 8 * 30 * cell.recipe.epochs + 9000
    return total

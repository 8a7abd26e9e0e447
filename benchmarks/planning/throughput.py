"""The throughput of this machine: kept in a file by ``probe``, read by the plan.

It chooses how many cells a pack has and how many processes share a GPU, and predicts how long cells
take.
"""

import functools
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import torch
from torch import nn

from benchmarks.errors import RefusedError
from benchmarks.inputs import decode_json, read_bytes
from benchmarks.models import Model
from benchmarks.outputs import make_folder, write_atomically
from benchmarks.planning.repeats import repeats
from benchmarks.sweep import Cell

STARTED_SECONDS = 4.0  # a worker: importing torch, reading data
CELL_SECONDS = 0.1  # a cell: its noise, the metrics of selected epochs, its part

CACHE_BYTES = 64 * 2**20

BRANCHES = "branches"  # of FLAGS: what was measured of stacks says nothing of them
UNMEASURED_BRANCHES = 8

UNMEASURED_WIDTHS = {10_000: 32, 100_000: 16}
"""By weights: where nothing was measured, dense networks up to that small are stacked on the CPU,
as a kernel's launch costs more than its work. Convolutions are not: grouped ones are no faster than
one after another.
"""


Count = Annotated[int, msgspec.Meta(ge=1, le=2**20)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class SecondsPerImage(NamedTuple):
    """The seconds that a cell takes for a training image and for an evaluated one."""

    train: Seconds
    evaluate: Seconds

    def of_cell(self, cell: Cell) -> float:
        """Predict the training and evaluation of a cell, without how it begins and ends."""
        n, test = cell.dataset.sizes
        trained = round(n * (1 - cell.recipe.val_fraction))
        return cell.recipe.epochs * (trained * self.train + (n + test) * self.evaluate)


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measurements of one kind of work, per image and cell of all that train together."""

    widths: dict[Count, SecondsPerImage]  # by the cells of a pack
    processes: dict[Count, SecondsPerImage]  # by the processes that share a GPU


@dataclass(frozen=True)
class Throughput:
    """The measurements that the file keeps, by kind of work."""

    entries: Mapping[str, Measured]

    @classmethod
    def read(cls) -> "Throughput":
        """Return what the user's cache holds; nothing, and a note why, where that is damaged."""
        try:
            path = cache_file()
            return cls(decode_json(read_bytes(path, CACHE_BYTES), dict[str, Measured], path))
        except RefusedError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                _note(f"{error}; what probe measured is left out, and probe measures it anew")
            return cls({})

    def add(self, work: str, measured: Measured) -> None:
        """Write to the cache what is known, with one kind of work measured anew."""
        entries = {**self.entries, work: measured}
        path, text = cache_file(), msgspec.json.encode(dict(sorted(entries.items())))
        make_folder(path.parent)
        write_atomically(path, msgspec.json.format(text, indent=1) + b"\n")

    def best_width(self, cell: Cell, device: torch.device, flags: Sequence[str] = ()) -> int:
        """Return how many cells like this one are best trained at once; 1 is one by one."""
        if measured := self._widths(cell, device, flags):
            return min(measured, key=lambda width: measured[width].of_cell(cell))
        if BRANCHES in flags:
            return UNMEASURED_BRANCHES
        dataset, cpu = cell.dataset, device.type == "cpu"
        return _unmeasured_width(cell.model, dataset.shape, dataset.num_classes) if cpu else 1

    def best_processes(
        self, cells: Iterable[Cell], device: torch.device, flags: Sequence[str] = ()
    ) -> int:
        """Return how many processes are best on one device for these cells, as far as measured."""
        total: dict[int, float] = {}
        for each in repeats(cells):
            for count, cost in self._entry(each.first, device, flags).processes.items():
                total[count] = total.get(count, 0.0) + len(each) * cost.of_cell(each.first)
        return min(total, key=lambda count: total[count], default=1)

    def seconds(
        self,
        cell: Cell,
        device: torch.device,
        width: int,
        processes: int = 1,
        flags: Sequence[str] = (),
    ) -> float | None:
        """Predict what a cell takes, from the nearest width that was measured, if any was."""
        if shared := self._entry(cell, device, flags).processes.get(processes):
            return CELL_SECONDS + processes * shared.of_cell(cell)
        if not (measured := self._widths(cell, device, flags)):
            return None
        nearest = min(
            measured, key=lambda known: ((known == 1) != (width == 1), abs(known - width))
        )
        return CELL_SECONDS + measured[nearest].of_cell(cell)

    def _entry(self, cell: Cell, device: torch.device, flags: Sequence[str]) -> Measured:
        return self.entries.get(work_of(cell, device, flags), Measured({}, {}))

    def _widths(
        self, cell: Cell, device: torch.device, flags: Sequence[str]
    ) -> Mapping[int, SecondsPerImage]:
        """Return what was measured with these flags, else without any."""
        measured = self._entry(cell, device, flags).widths
        return measured if measured or BRANCHES in flags else self._entry(cell, device, ()).widths


def cache_file() -> Path:
    """Return where the measurements are kept.

    Raises:
        RefusedError: this user has no home, and XDG_CACHE_HOME names no other folder.
    """
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise RefusedError(
            "there is no home to keep measurements in: set XDG_CACHE_HOME"
        ) from error
    return Path(home) / "noisy-label-bench" / "throughput.json"


@functools.cache
def _note(text: str) -> None:
    """Tell the user something that stops nothing, once."""
    print(f"note: {text}", file=sys.stderr)


def work_of(cell: Cell, device: torch.device, flags: Sequence[str] = ()) -> str:
    """Name a kind of work, all that decides its speed: machine, network, batch, method, flags."""
    name = platform.processor() or platform.machine()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    shape = "x".join(map(str, cell.dataset.shape))
    specs, recipe = cell.specs(), cell.recipe
    augmented = f"{recipe.crop} {recipe.flip} {recipe.rotation}"
    return (
        f"{name} | torch {torch.__version__} {cell.precision} | {specs['model']} on {shape} to "
        f"{cell.dataset.num_classes} | {specs['method']} | {recipe.optimizer} {recipe.batch} "
        f"{augmented}{''.join(f' | {flag}' for flag in flags if flag != 'deterministic')}"
    )


@functools.lru_cache(maxsize=64)
def _unmeasured_width(model: Model, shape: tuple[int, int, int], num_classes: int) -> int:
    """Return the width of packs on a CPU of which nothing is known."""
    with torch.device("meta"):
        network = model.build(shape, num_classes)
    dense = not any(isinstance(layer, nn.Conv2d) for layer in network.modules())
    weights = sum(param.numel() for param in network.parameters())
    fit = (width for limit, width in UNMEASURED_WIDTHS.items() if dense and weights <= limit)
    return next(fit, 1)

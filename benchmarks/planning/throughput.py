"""The throughput of this machine: kept in a file by ``probe``, read by the plan.

It chooses how many cells a pack has, and predicts how long cells take.
"""

import functools
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import torch

from benchmarks.errors import RefusedError
from benchmarks.inputs import decode_json, read_bytes
from benchmarks.outputs import make_folder, write_atomically
from benchmarks.planning.memory import of_cell, weights_of
from benchmarks.planning.options import is_dense
from benchmarks.sweep import Cell

STARTED_SECONDS = 4.0  # a worker: importing torch, reading data
CELL_SECONDS = 0.1  # a cell: its noise, the metrics of selected epochs, its part

CACHE_BYTES = 64 * 2**20

STACKED = {
    "cpu": {10_000: 32, 100_000: 16},
    "cuda": {100_000: 128, 1_000_000: 64, 10_000_000: 16},
}
"""By device and weights: where nothing was measured, so many dense networks of at most that size
are stacked, as a kernel's launch costs more than its work. Convolutions are not: grouped ones are
no faster than one after another.
"""

BRANCHES = "branches"  # of FLAGS: what was measured of stacks says nothing of them
BRANCHED = {2**26: 8, 2**28: 4}
"""By the bytes that a batch leaves for the backward pass: where nothing was measured, so many
convolutional networks are branches of a graph. One that leaves more fills a GPU by itself.
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
        trained, recipe = round(n * (1 - cell.recipe.val_fraction)), cell.recipe
        full = sum(recipe.evaluated(stage.epochs for stage in cell.method.stages(recipe.epochs)))
        refits = cell.method.refits()
        shown = full * (n + test) + refits * (recipe.epochs - full) * trained
        return recipe.epochs * trained * self.train + shown * self.evaluate


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measurements of one kind of work, by the cells of a pack."""

    widths: dict[Count, SecondsPerImage]  # per image and cell of all that train together
    cannot: dict[Count, str] = {}  # why there is no measurement


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
        return _unmeasured_width(cell, device, flags)

    def seconds(
        self,
        cell: Cell,
        device: torch.device,
        width: int,
        flags: Sequence[str] = (),
    ) -> float | None:
        """Predict what a cell takes, from the nearest width that was measured, if any was."""
        if not (measured := self._widths(cell, device, flags)):
            return None
        nearest = min(
            measured, key=lambda known: ((known == 1) != (width == 1), abs(known - width))
        )
        return CELL_SECONDS + measured[nearest].of_cell(cell)

    def _entry(self, cell: Cell, device: torch.device, flags: Sequence[str]) -> Measured:
        return self.entries.get(work_of(cell, device, flags), Measured({}))

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


def _unmeasured_width(cell: Cell, device: torch.device, flags: Sequence[str]) -> int:
    """Return the width of packs of which nothing is known."""
    dataset = cell.dataset
    size, limits = 0, {0: 1}
    if is_dense(cell.model, dataset.shape, dataset.num_classes):
        limits = STACKED.get(device.type, limits)
        size = weights_of(cell.model, dataset.shape, dataset.num_classes) // 4
    elif BRANCHES in flags:
        size, limits = of_cell(cell).activations, BRANCHED
    return next((width for limit, width in limits.items() if size <= limit), 1)

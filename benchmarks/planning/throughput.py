"""How fast this machine trains: measured by ``probe``, kept in a file, read by the planner."""

import functools
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import train
from benchmarks.models import Model
from benchmarks.store import write_atomically
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

WIDTHS = (1, 4, 16, 32)
"""What is measured: one by one by the reference driver, and packs."""

BATCHES = 8
"""Of training images; and as many images again are evaluated, 1,000 at most of each kind."""

ENOUGH_SECONDS = 0.5
STARTED_SECONDS = 4.0  # a worker: importing torch, reading data
CELL_SECONDS = 0.1  # a cell: its noise, the metrics of selected epochs, its part

SHARED = " | processes"
"""Ends the key under which rates stand by how many processes share a device."""

BRANCHES = "branches"  # of FLAGS: what was measured of packs says nothing of them
UNMEASURED_BRANCHES = 8

UNMEASURED_WIDTHS = {10_000: 32, 100_000: 16}
"""By weights: where nothing was measured, dense networks up to that small are packed on the CPU, as
a kernel's launch costs more than its work. Convolutions are not: grouped ones are no faster than
one after another.
"""


class Rate(NamedTuple):
    """Seconds per image and cell."""

    train: float
    evaluate: float


@dataclass(frozen=True)
class Rates:
    """What was measured on machines, by :func:`key` and width."""

    found: Mapping[str, Mapping[int, Rate]]

    @classmethod
    def read(cls) -> "Rates":
        """Return what the user's cache holds; nothing where it is absent or damaged."""
        try:
            stored = json.loads(cache_file().read_text(encoding="utf-8"))
            found = {
                key: {int(width): Rate(*map(float, rate)) for width, rate in row.items()}
                for key, row in stored.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return cls({})
        return cls(found)

    def write(self, more: Mapping[str, Mapping[int, Rate]]) -> None:
        """Add to the cache."""
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**self.found, **more}, indent=1, sort_keys=True) + "\n"
        write_atomically(path, text.encode())

    def known(self, cell: Cell, device: torch.device, flags: Sequence[str]) -> Mapping[int, Rate]:
        """Return what was measured with these flags by width, else without any."""
        found = self.found.get(key(cell, device, flags), {})
        return found if found or BRANCHES in flags else self.found.get(key(cell, device), {})

    def width(self, cell: Cell, device: torch.device, flags: Sequence[str] = ()) -> int:
        """Return how many cells like this one are best trained at once; 1 is one by one."""
        if rates := self.known(cell, device, flags):
            return min(rates, key=lambda width: seconds(cell, rates[width]))
        if BRANCHES in flags:
            return UNMEASURED_BRANCHES
        return _unmeasured(cell) if device.type == "cpu" else 1

    def processes(
        self, cells: Iterable[Cell], device: torch.device, flags: Sequence[str] = ()
    ) -> int:
        """Return how many processes are best on one device for these cells, as far as measured."""
        total: dict[int, float] = {}
        for cell in cells:
            for count, rate in self.found.get(key(cell, device, flags) + SHARED, {}).items():
                total[count] = total.get(count, 0.0) + seconds(cell, rate)
        return min(total, key=lambda count: total[count], default=1)

    def seconds(
        self,
        cell: Cell,
        device: torch.device,
        width: int,
        sharing: int = 1,
        flags: Sequence[str] = (),
    ) -> float | None:
        """Predict what a cell takes, from the nearest width that was measured, if any was.

        Args:
            cell: which.
            device: where it is trained.
            width: how many are trained with it.
            sharing: how many processes share the device.
            flags: what they are trained with.
        """
        if shared := self.found.get(key(cell, device, flags) + SHARED, {}).get(sharing):
            return CELL_SECONDS + sharing * seconds(cell, shared)
        if not (rates := self.known(cell, device, flags)):
            return None

        def unlike(known: int) -> tuple[bool, int]:
            return (known == 1) != (width == 1), abs(known - width)

        return CELL_SECONDS + seconds(cell, rates[min(rates, key=unlike)])


def cache_file() -> Path:
    """Return where rates are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "noisy-label-bench" / "rates.json"


def key(cell: Cell, device: torch.device, flags: Sequence[str] = ()) -> str:
    """Name what decides a rate: the machine, the network, the batch, the method, the flags."""
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


def seconds(cell: Cell, rate: Rate) -> float:
    """Predict the training and evaluation of a cell, without what it takes to begin and end."""
    n, test = cell.dataset.sizes
    trained = round(n * (1 - cell.recipe.val_fraction))
    return cell.recipe.epochs * (trained * rate.train + (n + test) * rate.evaluate)


def probe(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Iterator[tuple[Cell, int, Rate]]:
    """Measure each kind of cell at every width, on a few batches of its own data.

    Args:
        cells: those that a run would train.
        root: the folder of the image files.
        device: where.
        flags: what to train with.

    Yields:
        a cell of the kind, the width, and its rate.
    """
    kinds = {key(cell, device): cell for cell in cells}
    for cell in kinds.values():
        problem = few(cell, root, device)
        for width in WIDTHS:
            yield cell, width, measured(cell, problem, width, flags)


def few(cell: Cell, root: Path, device: torch.device) -> CellData:
    """Return a small part of a cell's data, to measure on."""
    problem = load_cell_data(cell, root, device)
    size = min(len(problem.noisy), BATCHES * cell.recipe.batch)
    kept = {name: getattr(problem, name)[:size] for name in ("train", "noisy", "clean", "position")}
    val = {name: getattr(problem, name)[:1000] for name in ("val", "val_noisy", "val_clean")}
    test = type(problem.test)(problem.test.image[:1000], problem.test.label[:1000])
    trusted = problem.trusted[problem.trusted < size]
    return problem._replace(**kept, **val, test=test, trusted=trusted)


def measured(
    cell: Cell,
    problem: CellData,
    width: int,
    flags: Sequence[str] = (),
    others: "Barrier | None" = None,
) -> Rate:
    """Train for half a second after a first epoch and return the mean rate.

    Args:
        cell: of the kind.
        problem: what it trains on.
        width: how many at once.
        flags: what to train with.
        others: where to wait after the first epoch for processes that measure at the same time.
    """
    pack = [replace(cell, seed=seed) for seed in range(width)]
    epochs = train(team_of(pack, [problem] * width, width, flags))
    trained, evaluated, count = 0.0, 0.0, 0
    next(epochs)  # the first is slower
    if others:
        others.wait()
    for every in epochs:
        padded = len(every) / width
        trained += every[0].train_seconds * padded
        evaluated += every[0].eval_seconds * padded
        count += 1
        if (trained + evaluated) * width > ENOUGH_SECONDS:
            break
    shown = len(problem.noisy) + len(problem.val) + len(problem.test.label)
    return Rate(trained / count / len(problem.noisy), evaluated / count / shown)


def _unmeasured(cell: Cell) -> int:
    """Return the width of packs on a CPU of which nothing is known."""
    dense, weights = _layers(cell.model, cell.dataset.shape, cell.dataset.num_classes)
    fit = (width for limit, width in UNMEASURED_WIDTHS.items() if dense and weights <= limit)
    return next(fit, 1)


@functools.lru_cache(maxsize=64)
def _layers(model: Model, shape: tuple[int, int, int], num_classes: int) -> tuple[bool, int]:
    """Whether a network has no convolution, and the number of its weights."""
    with torch.device("meta"):
        network = model.build(shape, num_classes)
    dense = not any(isinstance(layer, nn.Conv2d) for layer in network.modules())
    return dense, sum(param.numel() for param in network.parameters())

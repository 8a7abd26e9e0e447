"""The engine and the baselines on the same cells, side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.engine.data import load_cell_data
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import Epoch, train
from benchmarks.planning.options import TrainingOptions, default_precision, flags_of_cell
from benchmarks.planning.throughput import Throughput
from benchmarks.sweep import Cell
from tests.speed.baselines import careful, official, plain
from tests.speed.baselines.start import Shown

MODELS = {"tiny": "mlp(first=32, second=32)", "mlp": "mlp", "convnet": "convnet"}
"""3.5, 51 and 38 thousand weights, on digits."""

BASELINES = {"B0": official.train, "B1": plain.train, "B2": careful.train}


def cells_of(
    workload: str,
    device: torch.device,
    count: int,
    recipe: str = "small",
    precision: str = "",
) -> list[Cell]:
    """Return cells of a workload, alike in all but the seed.

    Args:
        workload: a key of ``MODELS``, or a dataset and a model parted by a slash.
        device: where they are trained.
        count: how many.
        recipe: theirs.
        precision: the arithmetic of training; the device's own where none is asked for.
    """
    dataset, _, model = workload.rpartition("/")
    specs = {
        "dataset": dataset or "digits",
        "noise": "symmetric(rate=0.4)",
        "method": "cross_entropy",
        "model": MODELS.get(model, model),
        "recipe": recipe,
        "seed": 0,
        "precision": "float32",
    }
    first = Cell.build(specs)
    usual = default_precision(device, first.model, first.dataset)
    first = replace(first, precision=precision or usual)
    return [replace(first, seed=seed) for seed in range(count)]


def usual(
    cell: Cell, device: torch.device, without: tuple[str, ...] = ()
) -> tuple[int, tuple[str, ...]]:
    """Return how many cells like this one a run trains together, and by which flags.

    Args:
        cell: of the kind.
        device: where.
        without: flags that the run is told to leave out.
    """
    flags = flags_of_cell(cell, TrainingOptions(device, without=without).flags_at_start())
    return Throughput.read().best_width(cell, device, flags), flags


def engine(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Iterator[list[Shown]]:
    """Train cells by the driver that a run would choose, and yield after each epoch.

    ``flags`` are those of the command line. What pads a pack is trained too, and not counted.
    """
    for epochs in epochs_of(cells, root, device, flags):
        yield [(epoch.train, epoch.val, epoch.test) for epoch in epochs]


def epochs_of(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Iterator[list[Epoch]]:
    """Train cells as :func:`engine` does, and yield all that is known after each epoch."""
    data = [load_cell_data(cell, root, device) for cell in cells]
    for epochs in train(team_of(cells, data, len(cells), flags)):
        yield epochs[: len(cells)]


def baseline(name: str, cell: Cell, root: Path, device: torch.device) -> Iterator[list[Shown]]:
    """Train a cell by a baseline, and yield after each epoch."""
    return ([shown] for shown in BASELINES[name](cell, load_cell_data(cell, root, device)))


def interval(
    values: Sequence[float], draws: int = 10_000, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the median, and a percentile bootstrap interval of it."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (draws, len(values))), axis=1)
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
    return float(np.median(values)), float(low), float(high)


def interleaved(
    steps: dict[str, Callable[[], None]], clock: Callable[[], float], rounds: int
) -> dict[str, list[float]]:
    """Time each step once a round, all of a round side by side, the order reversed every time."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name in list(steps)[:: 1 if number % 2 else -1]:
            began = clock()
            steps[name]()
            found[name].append(clock() - began)
    return found

"""Write the page ``fast-by-design.md``: for each workload the driver, and what a GPU allows.

``python -m tests.device -m tests.device.workloads results/reference/gpu-launches.csv`` counts on a
GPU that is not there what a step launches; ``python -m tests.device -m tests.speed.by_design`` then
counts operations and bytes on the CPU and writes the page beside. Nothing here is measured: times
follow from what is counted and from what is assumed, which ``ASSUMED`` says.
"""

import csv
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import driver_name
from benchmarks.engine.loop import train
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.planning.options import default_precision
from benchmarks.sweep import Cell
from tests.device import workloads
from tests.speed import contest, floor

ROOT = Path(__file__).parents[2]
COUNTED = ROOT / "results" / "reference" / "gpu-launches.csv"
PAGE = COUNTED.with_name("fast-by-design.md")
CUDA, CPU = torch.device("cuda"), torch.device("cpu")

ASSUMED = {
    "products in bfloat16": (0.6 * 989e12, "operations a second: 60 % of the data sheet's 989 T"),
    "products in TF32": (0.6 * 494e12, "operations a second: 60 % of 494 T"),
    "products in float32": (0.6 * 67e12, "operations a second: 60 % of 67 T"),
    "memory": (0.9 * 3.35e12, "bytes a second: 90 % of 3.35 T"),
    "a launch": (5e-6, "seconds of the host, Python and autograd included"),
    "a node": (1.3e-6, "seconds of the device for a kernel of a graph, at least"),
}
"""What is assumed of an H100 (SXM), and not measured here."""

SMALL_BATCH = 2
"""Images on which operations are counted: they are in proportion."""

REAL = {"digits": (970, 719), "mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
REAL["features"] = (50_000, 10_000)
"""Training and test images of what the workloads stand for."""

WHY = {
    ("digits", "mlp", "cross_entropy"): (
        "A stack: its step launches about twice the kernels of one cell, however many cells there "
        "are, and a kernel of one such cell leaves the device idle. A graph makes one launch of "
        "them. Branches would launch the kernels of every cell."
    ),
    ("mnist", "mnist_convnet", "cross_entropy"): (
        "Branches: each runs a cell's own kernels, and all side by side, so that a step of several "
        "takes as long as one until the device is full. A stack has fewer kernels altogether, but "
        "one after another: grouped convolutions, and copies of images into their order."
    ),
    ("cifar10", "resnet18", "cross_entropy"): (
        "One cell at a time in a graph: a batch of 128 fills the device in all but the last blocks "
        "of the network, and a graph hides the launches, which else take as long as the work. A "
        "stack of two has nearly twice the kernels, and some sixty copies for each network."
    ),
    ("cifar10", "resnet34", "cross_entropy"): "As ResNet-18, of twice the kernels and operations.",
    ("cifar10", "preact_resnet18", "cross_entropy"): "As ResNet-18.",
    ("cifar10", "preact_resnet18", "dividemix"): (
        "One cell in a graph: it has two networks, so a step is as long as those of several other "
        "cells, and there are more launches to hide."
    ),
    ("cifar10", "preact_resnet18", "elr_plus"): (
        "One cell in a graph, with the moving averages of the weights in it: two networks, and "
        "targets from their averages."
    ),
    ("features", "linear", "cross_entropy"): (
        "A stack in a graph: a cell is one product of 2,048 by 10, less work than its launch."
    ),
    ("features", "mlp(first=512, second=256)", "cross_entropy"): (
        "A stack in a graph, of fewer cells than linear heads have, as each has 1.2 million "
        "weights, which every step moves."
    ),
}


class Step(NamedTuple):
    """A step of one cell in numbers, and the evaluation of one image."""

    operations: float
    bytes: float
    shown_operations: float
    shown_bytes: float


class Budget(NamedTuple):
    """What a pack's step takes, by what it waits for."""

    host: float
    nodes: float
    arithmetic: float
    traffic: float

    @property
    def seconds(self) -> float:
        """The longest of what goes on side by side."""
        return max(self.host, self.nodes, self.arithmetic + self.traffic)

    @property
    def bound(self) -> str:
        """What the step waits for."""
        parts = {"launches": self.host, "nodes": self.nodes}
        parts["arithmetic and traffic"] = self.arithmetic + self.traffic
        return max(parts, key=lambda name: parts[name])


def a_step(cell: Cell) -> Step:
    """Count a step of a cell and the evaluation of an image, on a few images."""
    small = replace(cell, recipe=replace(cell.recipe, batch=SMALL_BATCH))
    network, method, batch = floor.of_network(small, CPU), cell.method, cell.recipe.batch
    once = network.there + network.back
    operations = once
    if method.networks > 1:
        operations = _of_step(small) / SMALL_BATCH
    size = 2 if cell.precision == "bfloat16" else 4
    moved = operations / once * network.outputs * floor.TOUCHES * size * batch
    moved += method.networks * network.weights * floor.MOVED * 4
    shown = method.networks * network.there, method.networks * network.outputs * floor.SHOWN * 4
    return Step(batch * operations, moved, *shown)


def _of_step(cell: Cell) -> float:
    """Return the operations of a step of a method with several networks, once it is warm."""
    team = OneByOne([cell], [_few(load_cell_data(cell, Path("nowhere"), CPU))])
    counted: list[float] = []
    step = team.step

    def counting(*args: Any) -> torch.Tensor:
        with FlopCounterMode(display=False) as counter:
            losses = step(*args)
        counted.append(counter.get_total_flops())
        return losses

    team.step = counting  # type: ignore[method-assign]
    for _ in train(team):
        pass
    return max(counted)


def _few(data: CellData) -> CellData:
    """Return two batches of training images, and hardly any other."""
    kept = {name: getattr(data, name)[: 2 * SMALL_BATCH] for name in ("train", "noisy", "clean")}
    held = {name: getattr(data, name)[:0] for name in ("val", "val_noisy", "val_clean")}
    test = type(data.test)(data.test.image[:1], data.test.label[:1])
    return data._replace(**kept, **held, position=data.position[: 2 * SMALL_BATCH], test=test)


def budget(row: dict[str, str], step: Step, width: int) -> Budget:
    """Return what a step of so many cells takes, from a row of counts for the same driver."""
    rate = ASSUMED[f"products in {row['precision']}"][0]
    counted, branches = int(row["width"]), row["driver"].startswith("branches")
    kernels = float(row["kernels_a_step"]) / (counted if branches else 1)  # of one branch
    launches = float(row["launches_a_step"]) * (width / counted if branches else 1)
    return Budget(
        launches * ASSUMED["a launch"][0],
        kernels * ASSUMED["a node"][0],
        width * step.operations / rate,
        width * step.bytes / ASSUMED["memory"][0],
    )


def evaluation(cell: Cell, step: Step, images: int) -> float:
    """Return the seconds in which so many images are evaluated."""
    rate = "TF32" if cell.precision == "bfloat16" else "float32"
    arithmetic = step.shown_operations / ASSUMED[f"products in {rate}"][0]
    return images * (arithmetic + step.shown_bytes / ASSUMED["memory"][0])


def section(workload: tuple[Any, ...], rows: Sequence[dict[str, str]]) -> str:
    """Return what the page says of a workload."""
    name, dataset, model, method, _ = workload
    (cell,) = workloads.cells_of(workload, 1, "float32")
    cell = replace(cell, precision=default_precision(CUDA, cell.model, cell.dataset))
    width, flags = contest.usual(cell, CUDA)
    driver = driver_name(width, flags)
    own = rows_of(workload, cell.precision, rows)
    step, (n, test) = a_step(cell), REAL[dataset]
    steps = math.ceil(round(n * (1 - cell.recipe.val_fraction)) / cell.recipe.batch)
    chosen = budget(own[driver], step, width)
    alone = budget(own["one_by_one"], step, 1)._replace(nodes=0.0)
    epoch, evaluated = steps * chosen.seconds / width, evaluation(cell, step, n + test)
    parts = (*zip(("host", "nodes", "arithmetic", "traffic"), chosen, strict=True),)
    of_step = ", ".join(f"{what} {time(seconds)}" for what, seconds in parts)
    together = "one cell" if width == 1 else f"{width} cells"
    size = f"{step.operations / 1e9:.4g} G operations and {step.bytes / 1e6:.4g} MB"
    share = f"{evaluated / (epoch + evaluated):.0%}"
    sentences = (
        f"A step of a cell is {size}. Arithmetic, not measured: a step of {together} takes "
        f"{of_step}; it waits for {chosen.bound}. An epoch of {steps} steps takes {time(epoch)} a "
        f"cell, one cell at a time without a graph {time(steps * alone.seconds)}. The evaluation "
        f"of {n + test:,} images takes {time(evaluated)}: {share} of both if it is done every "
        f"epoch{_thinned(epoch, evaluated)}."
    )
    chooses = f"A run chooses {driver}, {together} together, in {cell.precision}."
    head = f"\n### {method} of {model}, {name}\n\n{WHY[dataset, model, method]} {chooses}\n\n"
    return f"{head}{table(own, driver)}\n{sentences}\n"


def rows_of(
    workload: tuple[Any, ...], precision: str, rows: Sequence[dict[str, str]]
) -> dict[str, dict[str, str]]:
    """Return the counts of a workload by driver."""
    name, _, model, method, _ = workload
    wanted = {"workload": name, "model": model, "method": method}
    wanted |= {"precision": precision, "status": "ok"}
    return {row["driver"]: row for row in rows if row.items() >= wanted.items()}


def table(own: dict[str, dict[str, str]], driver: str) -> str:
    """Return the counts as a table, in which one driver is marked."""
    lines = [
        "| driver | cells | kernels a step | copies a step | launches a step | waits a step |\n",
        "| --- | ---: | ---: | ---: | ---: | ---: |\n",
    ]
    for name, row in own.items():
        counts = [row[f"{what}_a_step"] for what in ("kernels", "copies", "launches", "waits")]
        mark = f"**{name}**" if name == driver else name
        lines.append(f"| {' | '.join([mark, row['width'], *counts])} |\n")
    return "".join(lines)


def time(seconds: float) -> str:
    """Return a time in words.

    >>> time(0.0000689), time(0.614), time(3.108)
    ('0.069 ms', '610 ms', '3.1 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{float(f'{1e3 * seconds:.2g}'):g} ms"


def _thinned(epoch: float, evaluated: float) -> str:
    every = math.ceil(9 * evaluated / epoch)  # a tenth of the whole
    return "" if every < 2 else f", a tenth with `evaluate_every={every}`"


HEAD = """# Fast by design

Written by `python -m tests.device -m tests.speed.by_design`. For each of nine workloads: which
driver trains it on a GPU where nothing was measured before, why, and what an H100 allows. Kernels,
copies, launches and waits a step are counted on a GPU that is not there (`gpu-launches.csv`,
written by `python -m tests.device -m tests.device.workloads`), operations and bytes on the CPU.
**Times are arithmetic, not measured**: they follow from the counts and from what is assumed here.
What `python -m tests.gpu` finds on a GPU takes their place.

"""


def page(rows: Sequence[dict[str, str]]) -> str:
    """Return the page."""
    lines = [HEAD, "| assumed of an H100 | | |\n| --- | ---: | --- |\n"]
    lines += [f"| {what} | {value:.3g} | {unit} |\n" for what, (value, unit) in ASSUMED.items()]
    lines += [section(workload, rows) for workload in workloads.WORKLOADS]
    return "".join(lines)


def main() -> None:
    """Write the page."""
    workloads.register()
    with COUNTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    PAGE.write_text(page(rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())

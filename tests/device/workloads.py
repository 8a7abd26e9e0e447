"""Kernels, copies and waits of the workloads that a GPU is judged by, counted on the stub.

``python -m tests.device -m tests.device.workloads FILE`` writes them to a CSV file: a row for each
driver and precision, of one epoch of ten steps once it is warm. Pixels are invented. What is
counted is what the host asks of the device; how long a device takes, nobody can know from here.
"""

import csv
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from benchmarks.datasets import DATASETS, Dataset
from benchmarks.datasets.base import Split
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.drivers import driver_name, team_of
from benchmarks.engine.loop import train
from benchmarks.models import MODELS, Model
from benchmarks.planning import memory
from benchmarks.sweep import Cell
from tests.device.counters import Stub, Wait
from tests.device.matrix import clear
from tests.device.metered import COPIES, KERNELS, TRANSFERS, WAITS, Metered

STEPS, BATCH, TEST = 10, 128, 256
ONE, GRAPH = (1, ()), (1, ("graph",))


def stack(width: int) -> list[tuple[int, tuple[str, ...]]]:
    """Return a stack of so many cells, without a graph and with one."""
    return [(width, ()), (width, ("graph",))]


def branches(width: int) -> tuple[int, tuple[str, ...]]:
    """Return so many branches of a graph."""
    return width, ("graph", "branches")


RESNET = [ONE, GRAPH, *stack(2), branches(2)]
PAIR = [ONE, GRAPH, branches(2)]
HEAD = [ONE, GRAPH, *stack(32), branches(8)]
WORKLOADS = [
    ("600 digits cells", "digits", "mlp", "cross_entropy", [ONE, GRAPH, *stack(600), branches(8)]),
    ("MNIST", "mnist", "mnist_convnet", "cross_entropy", [ONE, GRAPH, *stack(8), branches(8)]),
    ("CIFAR-10", "cifar10", "resnet18", "cross_entropy", RESNET),
    ("CIFAR-10", "cifar10", "resnet34", "cross_entropy", RESNET),
    ("CIFAR-10", "cifar10", "preact_resnet18", "cross_entropy", RESNET),
    ("CIFAR-10", "cifar10", "preact_resnet18", "dividemix", PAIR),
    ("CIFAR-10", "cifar10", "preact_resnet18", "elr_plus", PAIR),
    ("2,048 features", "features", "linear", "cross_entropy", HEAD),
    ("2,048 features", "features", "mlp(first=512, second=256)", "cross_entropy", HEAD),
]
"""Name, dataset, model, method, and the drivers: width and flags."""

RECIPES = {"cifar10": "cifar_n(epochs=3)"}
RECIPE = "small(epochs=3, val_fraction=0.0)"


class Features(Dataset):
    """What a large network has made of images: a vector each."""

    num_classes, classes = 10, tuple("abcdefghij")
    published, shape = (STEPS * BATCH, TEST), (2048, 1, 1)
    mean, std = (127.0,) * 2048, (64.0,) * 2048


class Linear(Model):
    """A linear classifier."""

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the one layer."""
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], num_classes))


def invented(like: type[Dataset]) -> type[Dataset]:
    """Return a dataset with the shapes of another, a few steps long, whose pixels are made up."""

    class Invented(like):  # type: ignore[misc, valid-type]
        published: ClassVar[tuple[int, int]] = (STEPS * BATCH, TEST)
        resplit: ClassVar[bool] = False
        sha256: ClassVar[str] = ""

        @property
        def sizes(self) -> tuple[int, int]:
            return self.published

        def load(self, root: Path, seed: int) -> tuple[Split, Split]:
            source = torch.Generator().manual_seed(0)
            splits = [
                Split(
                    torch.randint(256, (n, *self.shape), generator=source, dtype=torch.uint8),
                    torch.randint(self.num_classes, (n,), generator=source),
                )
                for n in self.published
            ]
            return splits[0], splits[1]

    return Invented


def register() -> None:
    """Let cells be built of what is invented here."""
    for name in ("digits", "mnist", "cifar10"):
        DATASETS.register(f"invented_{name}", invented(DATASETS[name]))
    DATASETS.register("invented_features", invented(Features))
    MODELS.register("linear", Linear)


def cells_of(workload: tuple[Any, ...], width: int, precision: str) -> list[Cell]:
    """Return the cells of a pack."""
    _, dataset, model, method, _ = workload
    specs = {
        "dataset": f"invented_{dataset}",
        "noise": "symmetric(rate=0.4)",
        "method": method,
        "model": model,
        "recipe": RECIPES.get(dataset, RECIPE),
        "precision": precision,
    }
    return [Cell.build(specs | {"seed": seed}) for seed in range(width)]


def measure(
    workload: tuple[Any, ...], driver: tuple[int, tuple[str, ...]], precision: str, stub: Stub
) -> dict[str, Any]:
    """Train a pack for two epochs and return what the second took."""
    width, flags = driver
    cells, device = cells_of(workload, width, precision), torch.device("cuda")
    row = dict(zip(("workload", "dataset", "model", "method"), workload, strict=False))
    row |= {"driver": driver_name(width, flags), "width": width, "precision": precision}
    clear(device)
    held = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    try:
        data = load_cell_data(cells[0], Path("nowhere"), device)
        team = Metered(team_of(cells, [data] * width, width, flags), stub)
        epochs = train(team)
        next(epochs)
        team.forget()
        before, began = stub.counts(), time.perf_counter()
        with stub.waits() as waits:
            next(epochs)
        row["host_ms_an_epoch"] = round(1000 * (time.perf_counter() - began), 1)
        row |= _counts(team, stub.counts() - before, waits)
        row |= _memory(memory.of_pack(cells[0], width, flags), held)
        row["status"] = "ok"
    except Exception as error:  # noqa: BLE001  whatever it is, the other rows are wanted
        row["status"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return row


def _counts(team: Metered, epoch: Any, waits: dict[Wait, int]) -> dict[str, float]:
    steps = team.calls["step"]
    in_steps = {
        "kernels_a_step": team.of("step", KERNELS) / steps,
        "copies_a_step": team.of("step", COPIES) / steps,
        "launches_a_step": _launches(team, steps),
        "waits_a_step": sum(n for wait, n in waits.items() if wait.phase == "step") / steps,
        "kernels_of_averages_a_step": team.of("update_averages", KERNELS) / steps,
        "waits_of_averages_a_step": team.of("update_averages", WAITS) / steps,
    }
    in_epoch = {
        "kernels_of_evaluation": team.of("evaluate", KERNELS),
        "transfers_an_epoch": sum(epoch[kind] for kind in TRANSFERS),
        "waits_an_epoch": sum(epoch[kind] for kind in WAITS),
        "kernels_an_epoch": sum(epoch[kind] for kind in KERNELS),
    }
    return {name: round(value, 2) for name, value in (in_steps | in_epoch).items()}


def _launches(team: Metered, steps: int) -> float:
    """Return the calls by which the host sets kernels and copies going; a graph is one."""
    return team.of("step", ("kernel", "library", "fill", "on_device", "replay")) / steps


def _memory(estimate: int, held: tuple[int, int]) -> dict[str, float]:
    gib = {
        "peak": torch.cuda.max_memory_allocated() - held[0],
        "reserved": torch.cuda.max_memory_reserved() - held[1],
        "estimated": estimate,
    }
    return {f"{name}_gib": round(value / 2**30, 3) for name, value in gib.items()}


def main() -> None:
    """Write the rows as they come."""
    stub, path = Stub(), Path(sys.argv[1])
    register()
    rows: list[dict[str, Any]] = []
    for workload in WORKLOADS:
        for precision in ("float32", "bfloat16"):
            for driver in workload[-1]:
                rows.append(measure(workload, driver, precision, stub))
                print(rows[-1], flush=True)
                names = dict.fromkeys(name for row in rows for name in row)
                with path.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, list(names))
                    writer.writeheader()
                    writer.writerows(rows)


if __name__ == "__main__":
    main()

"""Train packs on the stub and print, for each, the peak of PyTorch's allocator and the estimate."""

import json

import torch

from benchmarks.datasets import Split
from benchmarks.engine import loop
from benchmarks.engine.data import CellData
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import train
from benchmarks.engine.record import release_memory
from benchmarks.planning.memory import of_training
from benchmarks.sweep import Cell

CUDA = torch.device("cuda")
GRAPH, BRANCHES = ("graph",), ("graph", "branches")
PACKS = [
    ("digits", "mlp", "float32", "cross_entropy", 1, ()),
    ("mnist", "mlp", "float32", "cross_entropy", 24, GRAPH),
    ("mnist", "mnist_convnet", "bfloat16", "cross_entropy", 1, GRAPH),
    ("mnist", "mnist_convnet", "float32", "cross_entropy", 6, ()),
    ("mnist", "mnist_convnet", "bfloat16", "cross_entropy", 8, BRANCHES),
    ("mnist", "mnist_convnet", "bfloat16", "co_teaching", 4, BRANCHES),
    ("cifar10", "resnet18", "float32", "cross_entropy", 1, ()),
    ("cifar10", "resnet18", "bfloat16", "cross_entropy", 1, GRAPH),
    ("cifar10", "resnet18", "bfloat16", "cross_entropy", 2, GRAPH),
    ("cifar10", "resnet18", "bfloat16", "dividemix", 1, GRAPH),
    ("cifar10", "preact_resnet18", "bfloat16", "cross_entropy", 2, BRANCHES),
]
"""Dataset, model, precision, method, width and flags."""

STEPS, SHOWN = 8, 1024


def invented(cell: Cell) -> CellData:
    """Return data of a cell's shape, as small as a few steps need."""
    dataset, size = cell.dataset, STEPS * cell.recipe.batch

    def images(count: int) -> torch.Tensor:
        return torch.zeros(count, *dataset.shape, dtype=torch.uint8, device=CUDA)

    label, shown = (torch.arange(count) % dataset.num_classes for count in (size, SHOWN))
    label, shown = label.to(CUDA), shown.to(CUDA)
    return CellData(
        train=images(size),
        noisy=label,
        clean=label,
        position=torch.arange(size),
        val=images(SHOWN),
        val_noisy=shown,
        val_clean=shown,
        test=Split(images(SHOWN), shown),
        mean=torch.zeros(dataset.shape[0], 1, 1, device=CUDA),
        std=torch.ones(dataset.shape[0], 1, 1, device=CUDA),
        num_classes=dataset.num_classes,
        noise_sha256="",
        noise_rate=0.4,
        transition=torch.eye(dataset.num_classes, device=CUDA),
        trusted=torch.arange(100 * bool(cell.method.trusted_per_class), device=CUDA),
    )


def peak(cells: list[Cell], flags: tuple[str, ...]) -> int:
    """Return the most bytes that PyTorch takes to train a pack for two epochs, without its data."""
    release_memory(CUDA)
    data = invented(cells[0])
    held = torch.cuda.memory_reserved(CUDA)
    epochs = train(team_of(cells, [data] * len(cells), len(cells), flags))
    for _ in range(2):
        next(epochs)
    return torch.cuda.max_memory_reserved(CUDA) - held


def main() -> None:
    """Print a line for each pack."""
    loop.GPU_KEPT_PIXELS = 0  # images that stay normalised are counted as data
    for dataset, model, precision, method, width, flags in PACKS:
        specs = {"dataset": dataset, "noise": "symmetric(rate=0.4)", "method": method}
        specs |= {"model": model, "recipe": "small", "precision": precision}
        cells = [Cell.build(specs | {"seed": seed}) for seed in range(width)]
        name = f"{model} {method} {precision} {' '.join(flags)} of {width}"
        found = {"peak": peak(cells, flags), "estimate": of_training(cells[0], width, flags)}
        print(json.dumps({"name": name, **found}), flush=True)


if __name__ == "__main__":
    main()

"""What every baseline is given: a cell's first weights, precision, optimiser, learning rates."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.datasets import DATASETS
from benchmarks.engine.arithmetic import exact_products, products_of_evaluation
from benchmarks.engine.data import CellData
from benchmarks.engine.networks import autocast
from benchmarks.models import initialised
from benchmarks.sweep import Cell

Shown = tuple[Tensor, Tensor, Tensor]
"""Logits of the training, validation and test images after an epoch."""


def network_of(cell: Cell, device: torch.device) -> nn.Module:
    """Return the network that the engine starts this cell from; products are as exact as its."""
    exact_products(device)
    salt = (DATASETS.name(cell.dataset), cell.seed, 0, 0)
    network = initialised(cell.model, cell.dataset.shape, cell.dataset.num_classes, salt)
    return network.to(device)


def sgd_of(cell: Cell, network: nn.Module, **extra: bool) -> torch.optim.SGD:
    """Return the recipe's optimiser."""
    recipe = cell.recipe
    return torch.optim.SGD(
        network.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, **extra
    )


def scheduled(cell: Cell, optimizer: torch.optim.Optimizer) -> Iterator[int]:
    """Yield the epochs, each with its learning rate set."""
    for epoch in range(cell.recipe.epochs):
        for group in optimizer.param_groups:
            group["lr"] = cell.recipe.lr_at(epoch, cell.recipe.epochs)
        yield epoch


def held(problem: CellData) -> tuple[Tensor, Tensor, Tensor]:
    """Return the images that every epoch ends with."""
    return problem.train, problem.val, problem.test.image


def trained(cell: Cell, network: nn.Module, image: Tensor) -> Tensor:
    """Return the logits of a training batch, by the arithmetic that the cell asks for."""
    with autocast(cell.precision, image.device):
        logits: Tensor = network(image)
    return logits.to(image.dtype)


@torch.no_grad()
def evaluated(cell: Cell, network: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Return the logits of batches of images, as exact as the engine's; none of no images."""
    device = next(network.parameters()).device
    with products_of_evaluation(cell.precision, device):
        outputs = [network(image) for image in batches]
    return torch.cat(outputs) if outputs else torch.empty(0, cell.dataset.num_classes)

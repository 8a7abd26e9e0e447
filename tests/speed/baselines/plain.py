"""B1, as the tutorials train: normalised tensors, a DataLoader, one process."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.engine.data import CellData
from benchmarks.sweep import Cell
from tests.speed.baselines.start import (
    Shown,
    evaluated,
    held,
    network_of,
    scheduled,
    sgd_of,
    trained,
)


def train(cell: Cell, problem: CellData) -> Iterator[Shown]:
    """Train a cell and yield after each epoch."""
    torch.manual_seed(cell.seed)
    labels = problem.noisy, problem.val_noisy, problem.test.label
    sets = [
        TensorDataset(problem.pixels(image), label)
        for image, label in zip(held(problem), labels, strict=True)
    ]
    loader = DataLoader(sets[0], batch_size=cell.recipe.batch, shuffle=True)
    network, criterion = network_of(cell, problem.noisy.device), nn.CrossEntropyLoss()
    optimizer = sgd_of(cell, network)
    for _ in scheduled(cell, optimizer):
        network.train()
        for image, label in loader:
            loss = criterion(trained(cell, network, image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        loaders = [DataLoader(some, batch_size=256) for some in sets]
        every = ((image for image, _ in loader) for loader in loaders)
        yield tuple(evaluated(cell, network, images) for images in every)

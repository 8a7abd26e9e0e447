"""B2, one cell as fast as a careful author makes it: resident tensors, indexing, fused SGD."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import CellData
from benchmarks.seeds import generator
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
    """Train a cell and yield after each epoch; the order of the data is the engine's."""
    device, name = problem.noisy.device, DATASETS.name(cell.dataset)
    layout = torch.channels_last
    kept = [problem.pixels(image).contiguous(memory_format=layout) for image in held(problem)]
    network = network_of(cell, device).to(memory_format=layout)
    optimizer = sgd_of(cell, network, fused=True)
    for epoch in scheduled(cell, optimizer):
        source = generator("order", name, cell.seed, epoch)
        order = torch.randperm(len(problem.noisy), generator=source).to(device)
        network.train()
        for ids in order.split(cell.recipe.batch):
            loss = F.cross_entropy(trained(cell, network, kept[0][ids]), problem.noisy[ids])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        every = (image.split(256) for image in kept)
        yield tuple(evaluated(cell, network, images) for images in every)

"""B0, as most official repositories train: PIL images, a DataLoader with workers, ``.item()``."""

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

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

WORKERS = 2


class NoisyImages(Dataset):
    """Images with given labels, transformed one by one."""

    def __init__(self, cell: Cell, image: Tensor, label: Tensor) -> None:
        self.image = image.cpu().permute(0, 2, 3, 1).numpy()
        self.label = label.tolist()
        mean, std = (
            [x / 255 for x in numbers] for numbers in (cell.dataset.mean, cell.dataset.std)
        )
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(mean, std)]
        )

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self.image[index]
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return self.transform(image), self.label[index]

    def __len__(self) -> int:
        return len(self.label)


def train(cell: Cell, problem: CellData) -> Iterator[Shown]:
    """Train a cell and yield after each epoch."""
    device = problem.noisy.device
    torch.manual_seed(cell.seed)
    labels = problem.noisy, problem.val_noisy, problem.test.label
    sets = [NoisyImages(cell, *pair) for pair in zip(held(problem), labels, strict=True)]
    options = {"batch_size": cell.recipe.batch, "num_workers": WORKERS}
    loader = DataLoader(sets[0], shuffle=True, **options)
    network, criterion = network_of(cell, device), nn.CrossEntropyLoss()
    optimizer = sgd_of(cell, network)
    for _ in scheduled(cell, optimizer):
        network.train()
        running = 0.0
        for image, label in loader:
            image, label = image.to(device), label.to(device)  # noqa: PLW2901
            loss = criterion(trained(cell, network, image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
        network.eval()
        loaders = [DataLoader(some, **options) for some in sets]
        every = ((image.to(device) for image, _ in loader) for loader in loaders)
        yield tuple(evaluated(cell, network, images) for images in every)

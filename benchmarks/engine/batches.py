"""What one epoch shows to a method: order, augmented views, and its own random numbers."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.datasets import DATASETS
from benchmarks.engine.augment import crop_and_flip, draw, rotate, stream
from benchmarks.engine.problem import Problem
from benchmarks.seeds import generator, seeded
from benchmarks.sweep import Cell
from methods import Batch, Trusted

AT_ONCE = 2**20
"""Pixels that are prepared together, for as many batches as they make."""


def batches(cell: Cell, problem: Problem, epoch: int) -> Iterator[tuple[Tensor, Batch]]:
    """Yield images ``(views, B, channels, H, W)``, normalised, and the batch behind them.

    Order and augmentation are the same for every method; a further view has its own stream. A last
    batch of one joins the one before.
    """
    name, device, size = DATASETS.name(cell.dataset), problem.noisy.device, len(problem.noisy)
    order = torch.randperm(size, generator=generator("order", name, cell.seed, epoch)).to(device)
    views = [_View(cell, problem, epoch, view) for view in range(cell.method.views)]
    spans = list(itertools.pairwise([*range(0, size - 1, cell.recipe.batch), size]))
    with seeded("method", name, cell.seed, epoch):
        draws = [cell.method.draw(stop - start) for start, stop in spans]
    trusted = _trusted(cell, problem, epoch)
    numbers = cell.recipe.batch * problem.train[0].numel() * len(views)
    steps, count = list(zip(spans, draws, strict=True)), max(1, AT_ONCE // numbers)
    for some in (steps[i : i + count] for i in range(0, len(steps), count)):
        first, last = some[0][0][0], some[-1][0][1]
        ids = order[first:last]
        label = problem.noisy[ids]
        image = torch.stack([problem.pixels(view.of(ids)) for view in views])
        for (start, stop), drawn in some:
            own = slice(start - first, stop - first)
            on_device = {key: value.to(device) for key, value in drawn.items()}
            batch = Batch(ids[own], label[own], on_device, trusted=next(trusted, None))
            yield image[:, own], batch


def steps_of(cell: Cell, problem: Problem) -> int:
    """Return how many batches an epoch has."""
    return len(range(0, len(problem.noisy) - 1, cell.recipe.batch))


class _View:
    """One augmentation of the whole training set in one epoch."""

    def __init__(self, cell: Cell, problem: Problem, epoch: int, view: int) -> None:
        source = stream(DATASETS.name(cell.dataset), cell.seed, epoch, view)
        draws = draw(len(problem.noisy), cell.recipe.crop, source)
        offsets, flips, turns = (numbers.to(problem.noisy.device) for numbers in draws)
        self._recipe, self._image = cell.recipe, problem.train
        self._offsets, self._flips, self._turns = offsets, flips & cell.recipe.flip, turns

    def of(self, ids: Tensor) -> Tensor:
        """Return the images at ``ids``, ``(B, channels, H, W)`` uint8."""
        image, recipe = self._image[ids], self._recipe
        if recipe.crop or recipe.flip:
            image = crop_and_flip(image, self._offsets[ids], self._flips[ids], recipe.crop)
        if recipe.rotation:
            image = rotate(image, recipe.rotation * self._turns[ids])
        return image


def _trusted(cell: Cell, problem: Problem, epoch: int) -> Iterator[Trusted]:
    """Yield batches of the clean subset without end, or nothing when the method has none."""
    size = len(problem.trusted)
    if not size:
        return
    salt = ("trusted", DATASETS.name(cell.dataset), cell.seed, epoch)
    source = generator(*salt)
    while True:
        for part in torch.randperm(size, generator=source).split(cell.recipe.batch):
            ids = problem.trusted[part.to(problem.trusted.device)]
            yield Trusted(problem.pixels(problem.train[ids]), problem.clean[ids])

"""The batches of an epoch: their order, augmented views, and the method's random numbers."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.datasets import DATASETS
from benchmarks.engine.augmentation import crop_and_flip, draw, rotate, stream
from benchmarks.engine.data import CellData
from benchmarks.seeds import generator, seeded
from benchmarks.sweep import Cell
from methods import Batch, Method, Trusted
from methods.base import NOTHING

AT_ONCE = 2**20
"""Pixels that are prepared together, for as many batches as they make."""


class BatchOfChunk(NamedTuple):
    """One batch of a chunk: where its images are, and what comes with them."""

    places: slice  # in the chunk
    draws: Mapping[str, Tensor]  # what the method drew for it
    trusted: Trusted | None


class Chunk(NamedTuple):
    """Consecutive batches whose images are prepared together."""

    image: Tensor  # (views, n, channels, H, W), normalised
    ids: Tensor  # (n,) int64
    label: Tensor  # (n,) int64
    batches: Sequence[BatchOfChunk]


def batches(cell: Cell, data: CellData, epoch: int) -> Iterator[tuple[Tensor, Batch]]:
    """Yield images ``(views, B, channels, H, W)``, normalised, and the batch behind them."""
    for image, ids, label, of_chunk in chunks(cell, data, epoch):
        for own, draws, trusted in of_chunk:
            yield image[:, own], Batch(ids[own], label[own], draws, trusted=trusted)


def chunks(cell: Cell, data: CellData, epoch: int) -> Iterator[Chunk]:
    """Yield the batches of an epoch, some at a time.

    Order and augmentation are the same for every method; a further view has its own stream. A last
    batch of one joins the one before.
    """
    name, device, size = DATASETS.name(cell.dataset), data.noisy.device, len(data.noisy)
    order = torch.randperm(size, generator=generator("order", name, cell.seed, epoch)).to(device)
    views = [_view(cell, data, epoch, view) for view in range(cell.method.views)]
    spans = list(itertools.pairwise([*range(0, size - 1, cell.recipe.batch), size]))
    draws = _draws(cell, epoch, [stop - start for start, stop in spans], device)
    trusted = _trusted(cell, data, epoch)
    numbers = cell.recipe.batch * data.train[0].numel() * len(views)
    count = max(1, AT_ONCE // numbers)
    for some in (slice(i, i + count) for i in range(0, len(spans), count)):
        (first, _), (_, last) = spans[some][0], spans[some][-1]
        ids = order[first:last]
        image = torch.stack([data.pixels(view(ids)) for view in views])
        batches = [
            BatchOfChunk(slice(start - first, stop - first), drawn, next(trusted, None))
            for (start, stop), drawn in zip(spans[some], draws[some], strict=True)
        ]
        yield Chunk(image, ids, data.noisy[ids], batches)


def _draws(
    cell: Cell, epoch: int, sizes: Sequence[int], device: torch.device
) -> Sequence[Mapping[str, Tensor]]:
    """Return what the method draws for each batch of an epoch."""
    if type(cell.method).draw is Method.draw:
        return [NOTHING] * len(sizes)
    with seeded("method", DATASETS.name(cell.dataset), cell.seed, epoch):
        drawn = [cell.method.draw(size) for size in sizes]
    return [{key: value.to(device) for key, value in one.items()} for one in drawn]


def steps_of(cell: Cell, size: int) -> int:
    """Return how many batches an epoch of so many examples has."""
    return len(range(0, size - 1, cell.recipe.batch))


def _view(cell: Cell, data: CellData, epoch: int, view: int) -> Callable[[Tensor], Tensor]:
    """Return one augmentation of the training set: from places to uint8 images."""
    recipe, every = cell.recipe, data.train
    if not recipe.augments:
        return every.__getitem__
    source = stream(DATASETS.name(cell.dataset), cell.seed, epoch, view)
    draws = draw(len(data.noisy), recipe.crop, source)
    offsets, flips, turns = (numbers.to(data.noisy.device) for numbers in draws)
    if recipe.alternate:
        source = stream(DATASETS.name(cell.dataset), cell.seed, 0, view)
        first = draw(len(data.noisy), recipe.crop, source).flips.to(data.noisy.device)
        flips = first ^ bool(epoch % 2)
    flips = flips & recipe.flip

    def of(ids: Tensor) -> Tensor:
        image = every[ids]
        if recipe.crop or recipe.flip:
            image = crop_and_flip(image, offsets[ids], flips[ids], recipe.crop)
        return rotate(image, recipe.rotation * turns[ids]) if recipe.rotation else image

    return of


def _trusted(cell: Cell, data: CellData, epoch: int) -> Iterator[Trusted]:
    """Yield batches of the clean subset without end, or nothing when the method has none."""
    size = len(data.trusted)
    if not size:
        return
    salt = ("trusted", DATASETS.name(cell.dataset), cell.seed, epoch)
    source = generator(*salt)
    while True:
        for part in torch.randperm(size, generator=source).split(cell.recipe.batch):
            ids = data.trusted[part.to(data.trusted.device)]
            yield Trusted(data.pixels(data.train[ids]), data.clean[ids])

"""The batches of an epoch: their order, augmented views, and the method's random numbers."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from benchmarks.datasets import DATASETS
from benchmarks.engine.augmentation import (
    Draws,
    VectorDraws,
    crop_and_flip,
    draw,
    draw_vectors,
    jittered,
    masked_to_mean,
    rotate,
    stream,
)
from benchmarks.engine.data import CellData
from benchmarks.recipes import Recipe
from benchmarks.seeds import generator, seeded
from benchmarks.sweep import Cell
from methods import Batch, Method, Trusted
from methods.base import NOTHING

Tree = TypeVar("Tree")

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


class EpochDraws(NamedTuple):
    """All that is random in an epoch of a cell, on its device."""

    order: Tensor  # (N,) int64
    views: Sequence[Draws | VectorDraws | None]  # None where nothing is augmented
    of_method: Sequence[Mapping[str, Tensor]]  # of each batch, or nothing
    trusted: Sequence[Tensor]  # of each batch, places in the clean subset; nothing without one


def batches(
    cells: Sequence[Cell], data: Sequence[CellData], epoch: int
) -> Iterator[tuple[tuple[Tensor, Batch], ...]]:
    """Yield for every cell images ``(views, B, channels, H, W)``, and the batch behind them."""
    for of_cells in chunks(cells, data, epoch):
        for steps in zip(*(chunk.batches for chunk in of_cells), strict=True):
            yield tuple(
                (chunk.image[:, own], Batch(chunk.ids[own], chunk.label[own], draws, trusted=more))
                for chunk, (own, draws, more) in zip(of_cells, steps, strict=True)
            )


def chunks(
    cells: Sequence[Cell], data: Sequence[CellData], epoch: int
) -> Iterator[tuple[Chunk, ...]]:
    """Yield the batches of an epoch for every cell, some at a time.

    Order and augmentation are the same for every method; a further view has its own stream. A last
    batch of one joins the one before.
    """
    drawn = [_drawn(*pair, epoch) for pair in zip(cells, data, strict=True)]
    orders = [own.order for own in drawn]
    draws = on_device(drawn, data[0].noisy.device)
    return zip(*map(_chunks, cells, data, draws, orders), strict=True)


def _chunks(cell: Cell, data: CellData, drawn: EpochDraws, order: Tensor) -> Iterator[Chunk]:
    """Yield the batches of an epoch of a cell, some at a time; ``order`` is that on the CPU."""
    spans = _spans(cell, data)
    of_method = drawn.of_method or [NOTHING] * len(spans)
    numbers = cell.recipe.batch * data.train.shape[1:].numel() * len(drawn.views)
    count = max(1, AT_ONCE // numbers)
    trusted = (
        Trusted(data.pixels(data.train[ids]), data.clean[ids])
        for ids in (data.trusted[places] for places in drawn.trusted)
    )
    for some in (slice(i, i + count) for i in range(0, len(spans), count)):
        (first, _), (_, last) = spans[some][0], spans[some][-1]
        ids = drawn.order[first:last]
        raw = data.train[ids if isinstance(data.train, Tensor) else order[first:last]]
        shown = [_view(cell.recipe, data, raw, ids, draws) for draws in drawn.views]
        image = torch.stack(shown) if len(shown) > 1 else shown[0][None]  # which copies nothing
        batches = [
            BatchOfChunk(slice(start - first, stop - first), draws, next(trusted, None))
            for (start, stop), draws in zip(spans[some], of_method[some], strict=True)
        ]
        yield Chunk(image, ids, data.noisy[ids], batches)


def _spans(cell: Cell, data: CellData) -> list[tuple[int, int]]:
    """Return where each batch of an epoch begins and ends in its order."""
    size = len(data.noisy)
    return list(itertools.pairwise([*range(0, size - 1, cell.recipe.batch), size]))


def _drawn(cell: Cell, data: CellData, epoch: int) -> EpochDraws:
    """Draw an epoch on the CPU, each part from a stream of its own."""
    name, spans = DATASETS.name(cell.dataset), _spans(cell, data)
    order = torch.randperm(len(data.noisy), generator=generator("order", name, cell.seed, epoch))
    views = [_view_drawn(cell, data, epoch, view) for view in range(cell.method.views)]
    of_method: Sequence[Mapping[str, Tensor]] = []
    if type(cell.method).draw is not Method.draw:
        with seeded("method", name, cell.seed, epoch):
            of_method = [cell.method.draw(stop - start) for start, stop in spans]
    trusted = list(itertools.islice(_trusted_order(cell, data, epoch), len(spans)))
    return EpochDraws(order, views, of_method, trusted)


def _view_drawn(cell: Cell, data: CellData, epoch: int, view: int) -> Draws | VectorDraws | None:
    """Draw an augmentation of the training set; nothing of what the recipe does not do."""
    recipe, name, count = cell.recipe, DATASETS.name(cell.dataset), len(data.noisy)
    if cell.changes_vectors:
        share = recipe.masked if view in cell.method.strong_views else None
        size = data.train.shape[1:].numel()
        return draw_vectors(count, size, share, stream(name, cell.seed, epoch, view))
    if not recipe.augments:
        return None
    draws = draw(count, recipe.crop, stream(name, cell.seed, epoch, view))
    if recipe.alternate:
        first = draw(count, recipe.crop, stream(name, cell.seed, 0, view)).flips
        draws = draws._replace(flips=first ^ bool(epoch % 2))
    turns = draws.turns if recipe.rotation else torch.empty(0)
    return draws._replace(flips=draws.flips & recipe.flip, turns=turns)


def steps_of(cell: Cell, size: int) -> int:
    """Return how many batches an epoch of so many examples has."""
    return len(range(0, size - 1, cell.recipe.batch))


def _view(
    recipe: Recipe, data: CellData, image: Tensor, ids: Tensor, draws: Draws | VectorDraws | None
) -> Tensor:
    """Return one augmentation of training images, whose places are ``ids``, normalised."""
    if isinstance(draws, VectorDraws):
        mean, deviation = data.feature_moments()
        vector = jittered(data.pixels(image), draws, ids, recipe.jitter * deviation)
        return masked_to_mean(vector, draws, ids, mean) if len(draws.masked) else vector
    return data.pixels(image if draws is None else _augmented(recipe, image, ids, draws))


def _augmented(recipe: Recipe, image: Tensor, ids: Tensor, draws: Draws) -> Tensor:
    """Crop, flip and rotate images as the recipe says."""
    if recipe.crop or recipe.flip:
        image = crop_and_flip(
            image, draws.offsets[ids], draws.flips[ids], recipe.crop, mirror=recipe.mirror
        )
    return rotate(image, recipe.rotation * draws.turns[ids]) if recipe.rotation else image


def _trusted_order(cell: Cell, data: CellData, epoch: int) -> Iterator[Tensor]:
    """Yield places in the clean subset without end, a batch at a time, or nothing without one."""
    if not (size := len(data.trusted)) or not cell.method.looks_ahead():
        return
    source = generator("trusted", DATASETS.name(cell.dataset), cell.seed, epoch)
    while True:
        yield from torch.randperm(size, generator=source).split(cell.recipe.batch)


def on_device(tree: Tree, device: torch.device) -> Tree:
    """Return the same nested tensors on a device: one transfer for each of their types.

    A GPU gets them from pinned memory, and the host does not wait for it.
    """
    if device.type == "cpu":
        return tree
    leaves, form = tree_flatten(tree)
    by_type: dict[torch.dtype, list[int]] = {}
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            by_type.setdefault(leaf.dtype, []).append(i)
    for places in by_type.values():
        own = [leaves[i] for i in places]
        flat = torch.cat([tensor.reshape(-1) for tensor in own])
        flat = flat.pin_memory() if device.type == "cuda" else flat
        parts = flat.to(device, non_blocking=True).split([tensor.numel() for tensor in own])
        for i, part, tensor in zip(places, parts, own, strict=True):
            leaves[i] = part.view(tensor.shape)
    moved: Tree = tree_unflatten(leaves, form)
    return moved

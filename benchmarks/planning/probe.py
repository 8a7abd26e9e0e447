"""Measure how fast this machine trains, at every width of a pack, on a few batches of real data."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import in_words, team_of
from benchmarks.engine.loop import train
from benchmarks.planning.throughput import Measured, SecondsPerImage, Throughput, work_of
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

WIDTHS = (1, 4, 16, 32)
"""The cells of a pack that are tried: one by one, and several at once."""

BATCHES = 8
"""Of training images; and as many images again are evaluated, 1,000 at most of each kind."""

ENOUGH_SECONDS = 0.5


def probe_widths(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Iterator[tuple[Cell, str, SecondsPerImage]]:
    """Measure each kind of work at every width, and keep it for the plan.

    Args:
        cells: those that a run would train.
        root: the folder of the image files.
        device: where.
        flags: what to train with.

    Yields:
        a cell of the kind, the width in words, and what an image took.
    """
    for cell in {work_of(cell, device): cell for cell in cells}.values():
        data, widths = few_images(cell, root, device), {}
        for width in WIDTHS:
            widths[width] = probe_pack(cell, data, width, flags)
            yield cell, in_words(width, flags), widths[width]
        Throughput.read().add(work_of(cell, device, flags), Measured(widths, {}))


def few_images(cell: Cell, root: Path, device: torch.device) -> CellData:
    """Return a small part of a cell's data, to measure on."""
    data = load_cell_data(cell, root, device)
    size = min(len(data.noisy), BATCHES * cell.recipe.batch)
    train = {name: getattr(data, name)[:size] for name in ("train", "noisy", "clean", "position")}
    val = {name: getattr(data, name)[:1000] for name in ("val", "val_noisy", "val_clean")}
    test = type(data.test)(data.test.image[:1000], data.test.label[:1000])
    trusted = data.trusted[data.trusted < size]
    return data._replace(**train, **val, test=test, trusted=trusted)


def probe_pack(
    cell: Cell,
    data: CellData,
    width: int,
    flags: Sequence[str] = (),
    others: "Barrier | None" = None,
) -> SecondsPerImage:
    """Train for half a second after a first epoch and return what an image of a cell took.

    Args:
        cell: of the kind.
        data: what it trains on.
        width: how many at once.
        flags: what to train with.
        others: where to wait after the first epoch for processes that measure at the same time.
    """
    cells = [replace(cell, seed=seed) for seed in range(width)]
    epochs = train(team_of(cells, [data] * width, width, flags))
    trained, evaluated, count = 0.0, 0.0, 0
    next(epochs)  # the first is slower
    if others:
        others.wait()
    for of_cells in epochs:
        padded = len(of_cells) / width
        trained += of_cells[0].train_seconds * padded
        evaluated += of_cells[0].eval_seconds * padded
        count += 1
        if (trained + evaluated) * width > ENOUGH_SECONDS:
            break
    shown = len(data.noisy) + len(data.val) + len(data.test.label)
    return SecondsPerImage(trained / count / len(data.noisy), evaluated / count / shown)

"""Measure how fast this machine trains, on a few batches of real data, and keep it for the plan.

Tried are packs of growing width, until they get slower or fill the memory. Every measurement is
kept at once, and so is why there is none.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import plugin_errors
from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import in_words, team_of
from benchmarks.engine.loop import train
from benchmarks.engine.record import PackSetup, release_memory
from benchmarks.errors import RefusedError
from benchmarks.planning import memory
from benchmarks.planning.options import flags_of_cell
from benchmarks.planning.throughput import (
    BRANCHES,
    Measured,
    SecondsPerImage,
    Throughput,
    work_of,
)
from benchmarks.sweep import Cell

WIDTHS = (1, 4, 16, 32)
"""The cells of a pack that are tried: one by one, and several at once."""

WIDTHS_ON_CUDA = (1, 4, 16, 64, 256)
WIDTHS_OF_BRANCHES = (1, 2, 4, 8, 16)

WORSE = 1.5
"""A width at which a cell takes so many times as long as at the best one is the last."""

BATCHES = 8
"""The training batches of a measurement; as many images are evaluated, at most 1,000 a set."""

ENOUGH_SECONDS = 0.5

Probed = Iterator[tuple[Cell, str, SecondsPerImage | str]]
"""Measurements: a cell of the kind of work, the driver in words, and what an image took; or why
it cannot be measured.
"""


def probe(
    cells: Sequence[Cell], root: Path, device: torch.device, flags: Sequence[str] = ()
) -> Probed:
    """Measure each kind of work, yield what was measured, and keep it.

    Args:
        cells: those that a run would train.
        root: the folder of the image files, which are there.
        device: where.
        flags: what to train with.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        with _on(device):
            for cell in {work_of(cell, device): cell for cell in cells}.values():
                own = flags_of_cell(cell, flags)
                yield from probe_widths(cell, PackSetup(root, device, keep_all=False, flags=own))
    finally:
        torch.set_num_threads(threads)


def probe_widths(cell: Cell, setup: PackSetup) -> Probed:
    """Measure one kind of work at growing widths, yield what was measured, and keep it."""
    work, known = work_of(cell, setup.device, setup.flags), Measured({}, {})
    data = None
    for width in _widths(setup):
        words = in_words(width, setup.flags)
        reason = _too_large(cell, setup, width)
        full = bool(reason)
        if not full:
            try:
                data = data or few_images(cell, setup)
                known.widths[width] = _probe_pack(cell, data, setup._replace(width=width))
            except RefusedError:
                raise  # of the data, which every width needs
            except Exception as error:  # noqa: BLE001  the other widths are measured all the same
                reason, full = plugin_errors.reason(error), memory.is_out_of_memory(error)
            release_memory(setup.device)
        if reason:
            known.cannot[width] = reason
        Throughput.read().add(work, known)
        yield cell, words, reason or known.widths[width]
        if full or _is_worse(known, width):
            break


def _widths(setup: PackSetup) -> Sequence[int]:
    if setup.device.type != "cuda":
        return WIDTHS
    return WIDTHS_OF_BRANCHES if BRANCHES in setup.flags else WIDTHS_ON_CUDA


def _too_large(cell: Cell, setup: PackSetup, width: int) -> str:
    """Say that a pack needs more than the free memory; nothing where it does not, or is one."""
    free = memory.free_bytes(setup.device)
    most = memory.widest(cell, free, setup.flags)
    if free is None or width <= most:
        return ""
    return f"at most {most} would fit into the {free / 2**30:.1f} GiB of memory that are free"


def _is_worse(known: Measured, width: int) -> bool:
    """Tell whether a width is clearly slower than the best one."""
    if width not in known.widths:
        return False
    best = min(cost.train + cost.evaluate for cost in known.widths.values())
    return known.widths[width].train + known.widths[width].evaluate > WORSE * best


def few_images(cell: Cell, setup: PackSetup) -> CellData:
    """Return a small part of a cell's data, to measure on: among it images of a clean subset."""
    data = load_cell_data(cell, setup.root, setup.device)
    size = min(len(data.noisy), BATCHES * cell.recipe.batch)
    places, trusted = torch.arange(size), data.trusted[: size // 2].cpu()
    places[: len(trusted)] = trusted
    there = places.to(setup.device)
    train = {name: getattr(data, name)[there] for name in ("train", "noisy", "clean")}
    val = {name: getattr(data, name)[:1000] for name in ("val", "val_noisy", "val_clean")}
    test = type(data.test)(data.test.image[:1000], data.test.label[:1000])
    own = torch.arange(len(trusted), device=setup.device)
    return data._replace(**train, **val, position=data.position[places], test=test, trusted=own)


def _probe_pack(cell: Cell, data: CellData, setup: PackSetup) -> SecondsPerImage:
    """Train for half a second after a first epoch and return what an image of a cell took."""
    width, recipe = setup.width, replace(cell.recipe, evaluate_every=1)
    cells = [replace(cell, recipe=recipe, seed=seed) for seed in range(width)]
    epochs = train(team_of(cells, [data] * width, width, setup.flags))
    trained, evaluated, count = 0.0, 0.0, 0
    next(epochs)  # the first is slower
    for of_cells in epochs:
        padded = len(of_cells) / width
        trained += of_cells[0].train_seconds * padded
        evaluated += of_cells[0].eval_seconds * padded
        count += 1
        if (trained + evaluated) * width > ENOUGH_SECONDS:
            break
    shown = len(data.noisy) + len(data.val) + len(data.test.label)
    return SecondsPerImage(trained / count / len(data.noisy), evaluated / count / shown)


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a GPU is the one that CUDA's streams and graphs are of."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()

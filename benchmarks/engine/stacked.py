"""What the cells of a pack see in one step, stacked."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.engine.batches import chunks
from benchmarks.engine.data import CellData
from benchmarks.engine.mapped import Given
from benchmarks.sweep import Cell
from methods import State, Trusted


def together(
    cells: Sequence[Cell], problems: Sequence[CellData], epoch: int
) -> Iterator[tuple[Tensor, Given]]:
    """Yield the batches of all cells in step: images and what is given with them, stacked."""
    streams = [chunks(cell, problem, epoch) for cell, problem in zip(cells, problems, strict=True)]
    for parts in zip(*streams, strict=True):
        image, ids, label = (
            torch.stack([getattr(part, name) for part in parts])
            for name in ("image", "ids", "label")
        )
        for steps in zip(*(part.steps for part in parts), strict=True):
            own = steps[0].own
            given: Given = {"ids": ids[:, own], "label": label[:, own]}
            if steps[0].draws:
                given["draws"] = stacked([step.draws for step in steps])
            if steps[0].trusted:
                every = (step.trusted for step in steps if step.trusted)
                given["trusted"] = Trusted(*map(torch.stack, zip(*every, strict=True)))
            yield image[:, :, own], given


def stacked(states: Sequence[Mapping[str, Tensor]]) -> State:
    """Return the tensors of every cell by name, ``(K, ...)``."""
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}

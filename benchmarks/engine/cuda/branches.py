"""The team of a pack whose cells are trained side by side, on a CUDA stream each.

All that such cells share is the clock: their kernels are those of a cell by itself, so convolutions
need not be grouped. Recorded as one CUDA graph the streams are its branches, which fill a device
that a single small network leaves mostly idle.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from benchmarks.engine.data import CellData
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.sweep import Cell
from methods import Batch

Result = TypeVar("Result")


class Branches(OneByOne):
    """Cells one by one, whose steps do not wait for each other."""

    def __init__(
        self, cells: Sequence[Cell], data: Sequence[CellData], *, capturable: bool = False
    ) -> None:
        super().__init__(cells, data, capturable=capturable)
        self._device = data[0].noisy.device
        self.streams = [torch.cuda.Stream(self._device) for _ in cells]

    def step(self, batches: Sequence[tuple[Tensor, Batch]], epoch: Tensor) -> Tensor:
        """Take one step of every cell and return the losses ``(K,)``."""
        pairs = zip(self.members, batches, strict=True)
        calls = [partial(member.step, *batch, epoch) for member, batch in pairs]
        return torch.stack(self._each(calls))

    def update_averages(self) -> None:
        """Let averaged weights follow a step."""
        if self.members[0].averages:
            self._each([member.update_averages for member in self.members])

    def _each(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """Make a call for every cell, on its stream, and let the main one wait for all."""
        main, results = torch.cuda.current_stream(self._device), []
        for stream, call in zip(self.streams, calls, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                results.append(call())
        for stream in self.streams:
            main.wait_stream(stream)
        return results

"""The team of a pack whose cells are trained side by side, on a CUDA stream each.

All that such cells share is the clock: their kernels are those of a cell by itself, so convolutions
need not be grouped. Recorded as one CUDA graph the streams are its branches, which fill a device
that a single small network leaves mostly idle.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.engine.data import CellData
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.sweep import Cell
from methods import Batch


class Branches(OneByOne):
    """Cells one by one, whose steps do not wait for each other."""

    def __init__(
        self, cells: Sequence[Cell], data: Sequence[CellData], *, capturable: bool = False
    ) -> None:
        super().__init__(cells, data, capturable=capturable)
        device = data[0].noisy.device
        self.streams = [torch.cuda.Stream(device) for _ in cells]

    def step(self, batches: Sequence[tuple[Tensor, Batch]], epoch: Tensor) -> Tensor:
        """Take one step of every cell and return the losses ``(K,)``."""
        main, losses = torch.cuda.current_stream(), []
        for member, stream, batch in zip(self.members, self.streams, batches, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                losses.append(member.step(*batch, epoch))
        for stream in self.streams:
            main.wait_stream(stream)
        return torch.stack(losses)

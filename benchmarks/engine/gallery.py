"""The images that a pack is evaluated on."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from benchmarks.engine.data import CellData
from benchmarks.engine.reference import EVALUATION_BATCH

KEPT = 2**24
"""Pixels of a pack that are kept as numbers between evaluations; more are made anew each time."""


class Gallery:
    """What all cells are evaluated on, in chunks; normalised once if it is little."""

    def __init__(self, problems: Sequence[CellData]) -> None:
        self._problems = problems
        self._sets = [(p.train, p.val, p.test.image) for p in problems]
        few = sum(image.numel() for images in self._sets for image in images) <= KEPT
        self._kept = [list(self._chunks(i)) for i in range(3)] if few else None

    def sets(self) -> Iterator[Iterable[Tensor]]:
        """Yield the chunks of training, validation and test images."""
        for which in range(3):
            yield self._kept[which] if self._kept else self._chunks(which)

    def _chunks(self, which: int) -> Iterator[Tensor]:
        """Yield ``(K, n, channels, H, W)``."""
        every = (images[which].split(EVALUATION_BATCH) for images in self._sets)
        for parts in zip(*every, strict=True):
            pairs = zip(self._problems, parts, strict=True)
            yield torch.stack([problem.pixels(part) for problem, part in pairs])

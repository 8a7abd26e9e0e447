"""Moving averages of the tensors that steps leave behind."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Follower:
    """Tensors that follow others: the moving average of what the steps left behind.

    It is the plain mean of all, until these reach as far back as the decay. A few kernels move all
    tensors, and the device counts the steps, so nobody waits for it and a graph can hold an update.
    What is not of real numbers, such as a count of batches, is what it was last.
    """

    def __init__(self, tensors: Sequence[Tensor], decay: float) -> None:
        """Follow from tensors that no step has moved yet; they are written to."""
        self._real = [value.is_floating_point() for value in tensors]
        self._means, self._last = self._split(tensors)
        self._begun, self._least = False, 1 - decay
        self._count = torch.zeros((), device=tensors[0].device)  # steps so far

    def _split(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        pairs = list(zip(tensors, self._real, strict=True))
        return [value for value, real in pairs if real], [
            value for value, real in pairs if not real
        ]

    @torch.no_grad()
    def update(self, tensors: Sequence[Tensor], *, first_as_it_is: bool = False) -> None:
        """Mix in what a step left behind, in place.

        Args:
            tensors: in the order of those to begin with.
            first_as_it_is: copy what the first step left, which the formula gives but for rounding.
        """
        means, last = self._split(tensors)
        if last:
            torch._foreach_copy_(self._last, last)
        if first_as_it_is and not self._begun:
            torch._foreach_copy_(self._means, means)
        else:
            weight = (1 / (self._count + 1)).clamp(min=self._least)
            moves = torch._foreach_sub(means, self._means)  # noqa: SLF001  as torch.optim does
            torch._foreach_mul_(moves, weight)
            torch._foreach_add_(self._means, moves)
        self._begun = True
        self._count += 1

    @property
    def count(self) -> Tensor:
        """How many steps were mixed in, 0-d."""
        return self._count

    def resume(self, count: Tensor) -> None:
        """Go on after so many steps, whose average the tensors hold."""
        self._count.copy_(count)
        self._begun = bool(count)

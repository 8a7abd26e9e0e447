"""Moving averages of weights and running statistics, for methods that peek or predict with them.

They are plain means of what the steps left behind, until these reach as far back as the decay does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averages_of(networks: Sequence[nn.Module], decay: float) -> list[AveragedModel]:
    """Return the average of each network, to be updated after every step."""

    def mixed(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        return old + (new - old) * max(1 - decay, 1 / (int(count) + 1))

    return [AveragedModel(network, avg_fn=mixed, use_buffers=True).eval() for network in networks]


@dataclass
class StackedAverage:
    """The moving averages of stacked networks, and of their buffers."""

    decay: float
    params: dict[str, Tensor]
    buffers: dict[str, Tensor]
    count: Tensor  # 0-d, steps so far

    @classmethod
    def of(
        cls, params: dict[str, Tensor], buffers: dict[str, Tensor], decay: float
    ) -> "StackedAverage":
        """Start from tensors that no step has moved yet."""
        count = torch.zeros((), device=next(iter(params.values())).device)
        params, buffers = (
            {name: value.detach().clone() for name, value in tree.items()}
            for tree in (params, buffers)
        )
        return cls(decay, params, buffers, count)

    @torch.no_grad()
    def update(self, params: dict[str, Tensor], buffers: dict[str, Tensor]) -> None:
        """Mix in what a step left behind, in place: a graph may read the averages."""
        weight = (1 / (self.count + 1)).clamp(min=1 - self.decay)
        for old, new in ((self.params, params), (self.buffers, buffers)):
            for name, value in old.items():
                value.copy_(value + (new[name] - value) * weight)
        self.count += 1

"""Choosing examples by rank, and the base of methods that train on the easy part of each batch."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Method, State, Task
from methods.bounds import Added, Epochs, Fraction
from methods.loss_spec import LossSpec
from methods.parts.labels import one_hot


@dataclass(frozen=True)
class SmallLoss(Method):
    """Forget a share of each batch that rises linearly from 0 over ``ramp`` epochs (0: at once).

    ``rate="fixed"``: to ``forget_rate``. ``rate="true"``: to the true share of wrong labels, a
    privilege, as in the published experiments; ``forget_rate`` is then not read. ``loss``: what
    ranks and teaches.

    State:
        kept: (2, N) bool, whether each network learnt from an example at its last visit.
        forget: 0-d, the final share.
    """

    networks: ClassVar[int] = 2
    forget_rate: Fraction = 0.2
    ramp: Epochs = 10
    rate: Annotated[Literal["fixed", "true"], Added("fixed")] = "fixed"
    loss_: Annotated[LossSpec, Added("cross_entropy")] = "cross_entropy"

    @property
    def privileges(self) -> tuple[str, ...]:
        """The privilege of the true rate, when that is the share to forget."""
        return ("rate",) if self.rate == "true" else ()

    def init(self, task: Task) -> State:
        """Keep no example before the first visit."""
        label = task.label
        known = task.rate if self.rate == "true" else None
        forget = self.forget_rate if known is None else known
        return {
            "kept": torch.zeros(2, len(label), dtype=torch.bool, device=label.device),
            "forget": torch.tensor(forget, device=label.device),
        }

    def count(self, size: Tensor | int, state: State, epoch: Tensor) -> Tensor:
        """Return how many of ``size`` examples are kept: rounded, at least one."""
        ramped = (epoch / self.ramp).clamp(max=1.0) if self.ramp else torch.ones_like(epoch)
        return ((1 - state["forget"] * ramped) * size).round().clamp(min=1)


def small_loss_mask(loss: Tensor, count: Tensor) -> Tensor:
    """Return a mask ``(..., B)`` of the ``count`` smallest losses ``(..., B)`` of each network."""
    rank = loss.detach().argsort(dim=-1, stable=True).argsort(dim=-1)  # 0 is the easiest
    return rank < count


def rank_within(label: Tensor, score: Tensor, classes: int) -> Tensor:
    """Rank examples downwards by ``score`` ``(N, K)`` among those of the same label, from 0."""
    first = score.argsort(dim=0, descending=True, stable=True)  # (N, K)
    order = first.gather(0, label[first].argsort(dim=0, stable=True))  # by label, then downwards
    size = one_hot(label, torch.zeros(1, classes, device=label.device)).sum(0).long()
    place = torch.arange(len(label), device=label.device)[:, None]
    rank = place - (size.cumsum(0) - size)[label[order]]
    return torch.empty_like(rank).scatter(0, order, rank)

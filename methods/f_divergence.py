"""Losses from f-divergences."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between
from methods.parts.warm_up import warmup_stages

Pair = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]

VARIATIONAL: Mapping[str, Pair] = {
    "total_variation": (lambda p: p.tanh() / 2, lambda p: p.tanh() / 2),
    "jensen_shannon": (
        lambda p: math.log(2) - (-p).exp().log1p(),
        lambda p: p + (-p).exp().log1p() - math.log(2),
    ),
    "pearson": (lambda p: p, lambda p: p.square() / 4 + p),
    "kl": (lambda p: p, lambda p: (p - 1).exp()),
    "jeffrey": (lambda p: p, lambda p: p + p.square() / 4 + p**3 / 16),
}
"""The functions ``g`` and ``h`` of each divergence."""


@dataclass(frozen=True)
class FDivergence(Method, label="f-divergence", family="outputs"):
    """Raise the divergence of images with their labels from images with those of others.

    First stage, ``warmup`` of the epochs: ``-log p[y]``. Second stage:
    ``loss = -g(p(x_i)[y_i]) + h(p(x_i)[y_j])``, with ``j`` drawn at random. Its mean is minus the
    variational form of an f-divergence between the joint distribution of images and labels and the
    product of both, in which ``g`` is bounded and ``h`` its conjugate:

    * ``total_variation``: ``g = h = tanh(p) / 2``
    * ``jensen_shannon``: ``g = log 2 - log(1 + e^-p)``, ``h = p + log(1 + e^-p) - log 2``
    * ``pearson``: ``g = p``, ``h = p^2 / 4 + p``
    * ``kl``: ``g = p``, ``h = e^(p - 1)``
    * ``jeffrey``: ``g = p``, ``h = p + p^2 / 4 + p^3 / 16``

    State:
        start: 0-d int64, the first epoch of the second stage.

    Source:
        Jiaheng Wei & Yang Liu, "When optimizing f-divergence is robust with label noise", ICLR
        2021. https://arxiv.org/abs/2011.03687 (equation 4, table 1). The authors' code
        weijiaheng/Robust-f-divergence-measures, ``CIFAR-10/runner.py``, was read at commit 93d9efe;
        of the same peers, loss and gradient differ by 1e-16 in float64.

    Differs from that code:
        It draws peers from the whole training set, images and labels apart, by another pass; here
        the batch's images get the labels of a permutation. It warms up for as many epochs as the
        second stage has, and chooses the epoch by the divergence on held-out labels. The correction
        of the bias, which needs the transition matrix and which the authors find negligible, is
        left out.
    """

    divergence: Literal["total_variation", "jensen_shannon", "pearson", "kl", "jeffrey"] = (
        "total_variation"
    )
    warmup: Annotated[float, Between(0.01, 0.99)] = 0.5

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a warm-up, and training on from its weights."""
        return warmup_stages(self.warmup, epochs, anew=False)

    def init(self, task: Task) -> State:
        """Note when the warm-up ends."""
        first = self.stages(task.epochs)[0].epochs
        return {"start": torch.tensor(first, device=task.label.device)}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw whose label each image is paired with."""
        return {"partner": torch.randperm(size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Make the partner's label the target."""
        return image, batch._replace(target=batch.label[batch.draws["partner"]])

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy, later the divergence's share of each example."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        p, (g, h) = logits.softmax(-1), VARIATIONAL[self.divergence]
        own, other = (
            p.gather(1, y[:, None]).squeeze(1) for y in (batch.label, batch.prepared_target())
        )
        return torch.where(epoch < state["start"], hard, h(other) - g(own)), state

"""Peer loss."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Added, Fraction, NonNegative

LINES = {
    "uniform": (
        (20, 39, 0.0, 0.1),
        (40, 89, 1.0, 2.0),
        (90, 139, 2.0, 2.5),
        (140, 239, 2.5, 3.3),
        (240, 339, 3.3, 5.0),
    ),
    "sparse": (
        (20, 39, 0.0, 1.0),
        (40, 89, 1.0, 2.0),
        (90, 139, 2.0, 5.0),
        (140, 239, 5.0, 10.0),
        (240, 339, 10.0, 20.0),
    ),
}
"""The weights of the authors' code: from an epoch of 300 to another, from a value to another."""


@dataclass(frozen=True)
class PeerLoss(Method, label="Peer loss", family="weights"):
    """Subtract the loss of a random image on a random label: blind agreement pays nothing.

    ``loss = (-log p(x_i)[y_i] + a * log p(x_j)[y_k]) / (1 + a)`` with ``j`` and ``k`` drawn apart;
    ``a`` rises from 0 to ``alpha`` between the shares ``warmup`` and ``full`` of training, and
    ``schedule="hold"`` keeps it there; ``uniform`` and ``sparse`` take ``alpha`` times what the
    authors' code has on CIFAR-10 for symmetric noise and for noise between few pairs of classes,
    with its 300 epochs as shares: 0 at first, 1 from epoch 40 on and 4.3 or 16 in the end. Over a
    batch, two permutations pair images and labels just as one does, so one is drawn.

    At 5 from the beginning the reward outweighs the labels, and a network on small images ends at
    chance, so 1 is the default.

    State:
        epochs: 0-d int64, all there are.

    Source:
        Yang Liu & Hongyi Guo, "Peer loss functions: learning from noisy labels without knowing
        noise rates", ICML 2020. https://arxiv.org/abs/1910.03231 (equation 5; ``alpha``: section
        5.3).

    Differs from the authors' code (weijiaheng/Multi-class-Peer-Loss-functions, CIFAR-10,
    ``runner.py`` at commit 3efb8ac):
        It draws peers from the whole training set, by two more passes. Common are ``p + 1e-5`` in
        the logarithm, without which the loss has no minimum, and ``1 + a``, by which it divides the
        learning rate: the same as long as the optimiser has no weight decay.
    """

    alpha: NonNegative = 1.0
    warmup: Fraction = 0.07
    full: Fraction = 0.13
    schedule: Annotated[Literal["hold", "uniform", "sparse"], Added("hold")] = "hold"

    def init(self, task: Task) -> State:
        """Remember how long training is."""
        return {"epochs": torch.tensor(task.epochs, device=task.label.device)}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw whose label each image is paired with."""
        return {"partner": torch.randperm(size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Make the partner's label the target."""
        return image, batch._replace(target=batch.label[batch.draws["partner"]])

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the loss on the own label less that on the partner's."""
        peer = batch.prepared_target()
        each = -(logits.softmax(-1) + 1e-5).log()  # (B, C)
        own, other = (each.gather(1, y[:, None]).squeeze(1) for y in (batch.label, peer))
        share = epoch / state["epochs"]
        alpha = self.alpha * self._raised(share)
        return (own - alpha * other) / (1 + alpha), state

    def _raised(self, share: Tensor) -> Tensor:
        """Return ``a / alpha`` at a share of training."""
        if self.schedule == "hold":
            return ((share - self.warmup) / max(self.full - self.warmup, 1e-9)).clamp(0, 1)
        at, weight = 300 * share, torch.zeros_like(share)
        for start, end, low, high in LINES[self.schedule]:
            line = low + (high - low) * ((at - start) / (end - start)).clamp(0, 1)
            weight = torch.where(at > start - 0.5, line, weight)
        return weight

"""Peer loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Fraction, NonNegative


@dataclass(frozen=True)
class PeerLoss(Method, label="Peer loss", family="weights"):
    """Subtract the loss of a random image on a random label: blind agreement pays nothing.

    ``loss = (-log p(x_i)[y_i] + a * log p(x_j)[y_k]) / (1 + a)`` with ``j`` and ``k`` drawn apart;
    ``a`` rises from 0 to ``alpha`` between the shares ``warmup`` and ``full`` of training. Over a
    batch, two permutations pair images and labels just as one does, so one is drawn.

    State:
        epochs: 0-d int64, all there are.

    Source:
        Yang Liu & Hongyi Guo, "Peer loss functions: learning from noisy labels without knowing
        noise rates", ICML 2020. https://arxiv.org/abs/1910.03231 (equation 5; ``alpha``: section
        5.3).

    Differs from the authors' code (weijiaheng/Multi-class-Peer-Loss-functions, CIFAR-10,
    ``runner.py`` at commit 3efb8ac):
        It draws peers from the whole training set, by two more passes. It raises ``a`` on, from 1
        at epoch 40 of 300 to 20; here it stays. Common are ``p + 1e-5`` in the logarithm, without
        which the loss has no minimum, and ``1 + a``, by which it divides the learning rate.
    """

    alpha: NonNegative = 1.0
    warmup: Fraction = 0.07
    full: Fraction = 0.13

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
        rise = (epoch / state["epochs"] - self.warmup) / max(self.full - self.warmup, 1e-9)
        alpha = self.alpha * rise.clamp(0, 1)
        return (own - alpha * other) / (1 + alpha), state

"""VolMinNet: the transition matrix of least volume."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Between, NonNegative
from methods.parts.adam import adam, adam_state
from methods.parts.transition import forward_cross_entropy


@dataclass(frozen=True)
class VolMinNet(Method, label="VolMinNet", family="transition"):
    """Learn ``T`` with the network, and of all that fit the one whose simplex has least volume.

    ``loss = -log sum_k p_k T[k, y] + weight * log det T``, with
    ``T = rows scaled to 1 of (I + sigmoid(W) off the diagonal)`` and ``W`` learnt by Adam. No
    anchor points are needed; predictions are ``p``. ``W`` starts equal, with ``diagonal`` on the
    diagonal of ``T``: 0.48 is the paper's start with 10 classes (-2) and with 100 (-4.5).

    State:
        free: (C, C), ``W``, learnable, with Adam's moments.
        transition: (C, C), ``T``.

    Source:
        Xuefeng Li, Tongliang Liu, Bo Han, Gang Niu & Masashi Sugiyama, "Provably end-to-end
        label-noise learning without anchor points", ICML 2021. https://arxiv.org/abs/2102.02400
        (equation 4; section 3.3).

    Differs from the authors' code (xuefeng-li1, ``main.py``):
        It learns ``W`` by SGD on CIFAR-10 and by Adam elsewhere, at rates that fall in steps; here
        it is Adam at one rate.
    """

    learnable: ClassVar[tuple[str, ...]] = ("free",)
    weight: NonNegative = 1e-4
    diagonal: Annotated[float, Between(0.01, 0.99)] = 0.48
    lr: NonNegative = 0.01

    def init(self, task: Task) -> State:
        """Expect the same noise of every class."""
        classes, device = task.num_classes, task.label.device
        odds = torch.tensor((1 / self.diagonal - 1) / (classes - 1)).clamp(max=0.99)
        free = odds.logit().to(device).expand(classes, classes).clone()
        return {**adam_state("free", free), "transition": _matrix(free)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy after the prediction went through the noise, plus the volume."""
        transition = _matrix(state["free"])
        volume = torch.linalg.slogdet(transition).logabsdet
        return forward_cross_entropy(logits, batch.label, transition) + self.weight * volume, state

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Take a step of Adam on ``W``."""
        state = adam(state, "free", slopes["free"], self.lr)
        return {**state, "transition": _matrix(state["free"])}


def _matrix(free: Tensor) -> Tensor:
    """Return the transition matrix that free numbers stand for."""
    one = torch.eye(len(free), dtype=free.dtype, device=free.device)
    raw = one + (1 - one) * free.sigmoid()
    scaled: Tensor = raw / raw.sum(-1, keepdim=True)
    return scaled

"""Sparse over-parameterisation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import NonNegative
from methods.parts.labels import one_hot

EPOCHS = 300
"""The epochs that the published rates belong to."""


@dataclass(frozen=True)
class SOP(Method, label="SOP", family="early"):
    """Give every example parameters of its own that explain away the noise in its label.

    With ``U = u_i^2 * onehot(y_i)`` and ``V = v_i^2 * (1 - onehot(y_i))``, both at most 1:
    the network and ``u`` minimise ``-log q[y_i]``, ``q = p + U - V`` clipped to at least 1e-4 and
    scaled to sum to 1; ``v`` minimises ``|onehot(argmax p) + U - V - onehot(y_i)|^2``. Small
    initial values and plain gradient steps make ``U`` and ``V`` sparse: both multiply at each
    visit, ``v`` by up to ``1 + 4 * lr_v / B``, so that some 70 visits pass before they count. The
    rates are those of 300 epochs with batches of 128, as published; in ``E`` epochs a step is
    ``300 / E`` times as long, so that ``U`` and ``V`` wake at about the same share of training.

    State:
        u: (N,), learnable; v: (N, C), learnable; both from N(0, 1e-8^2).
        pace: 0-d, ``300 / E``.

    Source:
        Sheng Liu, Zhihui Zhu, Qing Qu & Chong You, "Robust training under label noise by
        over-parameterization", ICML 2022. https://arxiv.org/abs/2202.14026 (equations 4 to 7,
        algorithm 1).

    Differs from the authors' code (shengliu66/SOP, ``model/loss.py``):
        There ``u`` also follows the gradient of the squared error, and under asymmetric noise its
        rate is 0.1 for that; here, as in algorithm 1, it does not, and the rate that goes with
        algorithm 1 is 1. The defaults are the rates of CIFAR-10 and symmetric noise.

    Left out: SOP+, with further losses on two views and on class balance.
    """

    version: ClassVar[int | str] = 2

    learnable: ClassVar[tuple[str, ...]] = ("u", "v")
    lr_u: NonNegative = 10.0
    lr_v: NonNegative = 10.0

    def init(self, task: Task) -> State:
        """Draw tiny parameters."""
        size, device = len(task.label), task.label.device
        u, v = torch.randn(size), torch.randn(size, task.num_classes)
        pace = torch.tensor(EPOCHS / task.epochs, device=device)
        return {"u": (1e-8 * u).to(device), "v": (1e-8 * v).to(device), "pace": pace}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return both objectives added: each parameter sees the gradient of its own."""
        hot, guess = one_hot(batch.label, logits), one_hot(logits.argmax(-1), logits)  # (B, C)
        u = (state["u"][batch.ids, None].square() * hot).clamp(max=1.0)
        v = (state["v"][batch.ids].square() * (1 - hot)).clamp(max=1.0)
        q = (logits.softmax(-1) + u - v.detach()).clamp(min=1e-4)
        explained = (q / q.sum(-1, keepdim=True)).clamp(min=1e-4)
        fit = -explained.gather(1, batch.label[:, None]).squeeze(1).log()
        error = (guess + u.detach() - v - hot).square().sum(-1)
        return fit + error, state

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Take a plain gradient step on both."""
        rates = {"u": self.lr_u, "v": self.lr_v}
        after = {
            name: torch.addcmul(state[name], state["pace"], slopes[name], value=-rate)
            for name, rate in rates.items()
        }
        return {**state, **after}

"""Bi-tempered logistic loss."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between, Fraction

ITERATIONS = 30
"""The steps of Newton's method: probabilities of 1,000 classes sum to 1 within rounding."""


@dataclass(frozen=True)
class BiTempered(Method, label="Bi-tempered", family="bounded"):
    """Bound the loss by one temperature, and give the softmax heavy tails by another.

    With ``log_t(u) = (u^(1 - t) - 1) / (1 - t)`` and its inverse ``exp_t``, both the usual at
    ``t = 1``, the network predicts ``p_k = exp_t2(z_k - c)``, where ``c`` makes ``sum_k p_k = 1``,
    and ``loss = -log_t1(p_y) - (1 - sum_k p_k^(2 - t1)) / (2 - t1)``. It is cross-entropy at
    ``t1 = t2 = 1``, and GCE with ``q = 1 - t1`` but for the last term at ``t2 = 1``.

    Source:
        Ehsan Amid, Manfred K. Warmuth, Rohan Anil & Tomer Koren, "Robust bi-tempered logistic loss
        based on Bregman divergences", NeurIPS 2019. https://arxiv.org/abs/1906.03361 (equations 4
        and 5, algorithm 1; the defaults are its CIFAR-100 values, MNIST has ``t1=0.5, t2=4``). The
        authors' code google/bi-tempered-loss was read at commit 1c65c77, ``tensorflow/loss.py``.

    Differs from that code:
        It stops after 5 steps of a fixed point, up to 0.2 from ``sum_k p_k = 1``; here Newton's
        method goes to the end. Its label smoothing is left out. MNIST's values were used with an
        adaptive optimiser: their gradient is a thousandth of the default's.
    """

    t1: Fraction = 0.8
    t2: Annotated[float, Between(1.0, 4.0)] = 1.2

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the divergence of the label from the tempered prediction."""
        log_p = self._log_tempered(logits)
        right = -F.nll_loss(log_p, batch.label, reduction="none")
        slack = 1 - self.t1
        fit = torch.expm1(slack * right) / slack if slack else right
        spread = ((1 + slack) * log_p).exp().sum(-1)
        return -fit - (1 - spread) / (1 + slack), state

    def predict(self, outputs: Tensor) -> Tensor:
        """Return the logarithm of the tempered prediction."""
        return self._log_tempered(outputs[0])

    def _log_tempered(self, logits: Tensor) -> Tensor:
        """Return ``log p``, whose gradient knows how ``c`` moves: by the mean under ``p^t2``."""
        heavy = self.t2 - 1
        if not heavy:
            return logits.log_softmax(-1)
        shift = _normaliser(logits.detach(), heavy)  # (B, 1)
        escort = (-(1 + 1 / heavy) * _log_base(logits.detach() - shift, heavy)).softmax(-1)
        shift = shift + (escort * (logits - logits.detach())).sum(-1, keepdim=True)
        return -_log_base(logits - shift, heavy) / heavy


def _log_base(centred: Tensor, heavy: float) -> Tensor:
    """Return ``log(1 - heavy * centred)``, which is ``-heavy * log exp_t2(centred)``."""
    return (-heavy * centred).clamp(min=0.0).log1p()


def _normaliser(logits: Tensor, heavy: float) -> Tensor:
    """Return ``c`` of each row, by Newton's method from below, where it never overshoots."""
    shift = logits.amax(-1, keepdim=True)
    for _ in range(ITERATIONS):
        log_base = _log_base(logits - shift, heavy)
        total = (-log_base / heavy).exp().sum(-1, keepdim=True)
        slope = (-(1 + 1 / heavy) * log_base).exp().sum(-1, keepdim=True)
        shift = shift + (total - 1) / slope
    return shift

"""Normalised cross-entropy and the asymmetric generalised cross-entropy."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from methods.bounds import Between, NonNegative
from methods.parts.active_passive import ActivePassive
from methods.parts.losses import absolute_error


@dataclass(frozen=True)
class NCEAGCE(ActivePassive, label="NCE+AGCE", family="normalised"):
    """Bend the absolute error so that the most frequent label wins, however little ahead it is.

    ``loss = alpha * NCE + beta * AGCE``, with ``NCE = log p_y / sum_k log p_k`` and
    ``AGCE = ((a + 1)^q - (a + p_y)^q) / q``: asymmetric, that is, minimised by the class with the
    largest share of the labels, where ``a`` and ``q`` are large enough for the noise.

    Source:
        Xiong Zhou, Xianming Liu, Junjun Jiang, Xin Gao & Xiangyang Ji, "Asymmetric loss functions
        for learning with noisy labels", ICML 2021. https://arxiv.org/abs/2106.03110; the authors'
        code hitcszx/ALFs was read at commit 61245e9, ``lnl/losses.py`` and ``lnl/config.py``. The
        defaults are those of CIFAR-100, for a learning rate of 0.1; CIFAR-10, at 0.01, has
        ``alpha=1, beta=4, a=6, q=1.5``.
    """

    alpha: NonNegative = 10.0
    beta: NonNegative = 0.1
    a: Annotated[float, Between(0.0, 100.0)] = 1.8
    q: Annotated[float, Between(0.01, 10.0)] = 3.0

    def passive(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the asymmetric generalised cross-entropy."""
        p = 1 - absolute_error(logits, label)
        base = (self.a + p).clamp(min=torch.finfo(p.dtype).eps)  # a power of 0 may have no slope
        loss: Tensor = ((self.a + 1) ** self.q - base**self.q) / self.q
        return loss

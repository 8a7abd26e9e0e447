"""Normalised cross-entropy and the asymmetric unhinged loss."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from methods.bounds import Between, NonNegative
from methods.parts.active_passive import ActivePassive
from methods.parts.losses import absolute_error


@dataclass(frozen=True)
class NCEAUL(ActivePassive, label="NCE+AUL", family="normalised"):
    """Bend the absolute error so that the most frequent label wins, however little ahead it is.

    ``loss = alpha * NCE + beta * AUL``, with ``NCE = log p_y / sum_k log p_k`` and
    ``AUL = ((a - p_y)^q - (a - 1)^q) / q``: asymmetric, that is, minimised by the class with the
    largest share of the labels, where ``a`` is large enough for the noise.

    Source:
        Xiong Zhou, Xianming Liu, Junjun Jiang, Xin Gao & Xiangyang Ji, "Asymmetric loss functions
        for learning with noisy labels", ICML 2021. https://arxiv.org/abs/2106.03110; the authors'
        code hitcszx/ALFs was read at commit 61245e9, ``lnl/losses.py`` and ``lnl/config.py``. The
        defaults are those of CIFAR-100, for a learning rate of 0.1; CIFAR-10, at 0.01, has
        ``alpha=1, beta=4, a=6.3, q=1.5``.
    """

    alpha: NonNegative = 10.0
    beta: NonNegative = 0.015
    a: Annotated[float, Between(1.0, 100.0)] = 6.0
    q: Annotated[float, Between(0.01, 10.0)] = 3.0

    def passive(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the asymmetric unhinged loss."""
        rest = absolute_error(logits, label)
        base = (self.a - 1 + rest).clamp(min=torch.finfo(rest.dtype).eps)  # 0 may have no slope
        loss: Tensor = (base**self.q - (self.a - 1) ** self.q) / self.q
        return loss

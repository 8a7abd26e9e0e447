"""Normalised cross-entropy and the asymmetric exponential loss."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from methods.bounds import Between, NonNegative
from methods.parts.active_passive import ActivePassive
from methods.parts.losses import absolute_error


@dataclass(frozen=True)
class NCEAEL(ActivePassive, label="NCE+AEL", family="normalised"):
    """Bend the absolute error so that the most frequent label wins, however little ahead it is.

    ``loss = alpha * NCE + beta * AEL``, with ``NCE = log p_y / sum_k log p_k`` and
    ``AEL = exp(-p_y / a)``: asymmetric, that is, minimised by the class with the largest share of
    the labels, where ``a`` is large enough for the noise.

    Source:
        Xiong Zhou, Xianming Liu, Junjun Jiang, Xin Gao & Xiangyang Ji, "Asymmetric loss functions
        for learning with noisy labels", ICML 2021. https://arxiv.org/abs/2106.03110; the authors'
        code hitcszx/ALFs was read at commit 61245e9, ``lnl/losses.py`` and ``lnl/config.py``. The
        defaults are those of CIFAR-10.
    """

    beta: NonNegative = 4.0
    a: Annotated[float, Between(0.01, 100.0)] = 5.0

    def passive(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the asymmetric exponential loss."""
        return ((absolute_error(logits, label) - 1) / self.a).exp()

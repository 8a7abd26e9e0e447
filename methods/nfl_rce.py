"""Active passive loss: normalised focal loss and reverse cross-entropy."""

from dataclasses import dataclass

from torch import Tensor

from methods.bounds import NonNegative
from methods.parts.active_passive import FocalPassive
from methods.parts.losses import reverse_cross_entropy


@dataclass(frozen=True)
class NFLRCE(FocalPassive, label="NFL+RCE", family="normalised"):
    """Pair a robust loss that raises the label with one that lowers the other classes.

    ``loss = alpha * NFL + beta * RCE``, with ``RCE = 9.21 * (1 - p_y)`` and
    ``NFL = f_y / sum_k f_k``, ``f_k = -(1 - p_k)^gamma * log p_k``. ``detach`` treats the factors
    of ``f`` as constants, as the authors' code does.

    Source:
        Xingjun Ma, Hanxun Huang, Yisen Wang, Simone Romano, Sarah Erfani & James Bailey,
        "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equations 5 and 11; table 2). The authors' code
        HanxunH/Active-Passive-Losses was read at commit 04bce53, ``loss.py``. The defaults are
        those of CIFAR-100, for a learning rate of 0.1; CIFAR-10, at 0.01, has ``alpha=1, beta=1``.

    Differs from the paper:
        It takes -4 for the logarithm of 0; the authors' code takes that of 1e-4, -9.21, and so does
        this.
    """

    alpha: NonNegative = 10.0
    beta: NonNegative = 0.1

    def passive(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the reverse cross-entropy."""
        return reverse_cross_entropy(logits, label)

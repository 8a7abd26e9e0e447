"""Symmetric cross-entropy."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between, NonNegative


@dataclass(frozen=True)
class SCE(Method, label="SCE", family="normalised"):
    """Add cross-entropy with label and prediction exchanged, which is bounded.

    ``loss = -alpha * log p_y + beta * RCE`` with
    ``RCE = -sum_k p_k * log onehot(y)_k = -log_zero * (1 - p_y)``, where ``log_zero`` stands for
    the logarithm of 0.

    Source:
        Yisen Wang, Xingjun Ma, Zaiyi Chen, Yuan Luo, Jinfeng Yi & James Bailey, "Symmetric cross
        entropy for robust learning with noisy labels", ICCV 2019. https://arxiv.org/abs/1908.06112
        (equations 5 to 7).

    Differs from the paper:
        It sets ``log_zero = -4``; the authors' code clips labels at 1e-4, which is -9.21, and
        published numbers stand on the code. The defaults are those of CIFAR-10.
    """

    alpha: NonNegative = 0.1
    beta: NonNegative = 1.0
    log_zero: Annotated[float, Between(-100.0, 0.0)] = -9.210340371976182

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted sum of both directions of cross-entropy."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        reverse = -self.log_zero * -(-hard).expm1()  # 1 - p_y, also where p_y is nearly 1
        return self.alpha * hard + self.beta * reverse, state

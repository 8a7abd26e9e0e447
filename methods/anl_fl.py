"""Active negative loss made of the focal loss."""

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from methods.base import Batch, Method, State, Weights
from methods.bounds import Between, NonNegative
from methods.parts.losses import focal, negative_loss, normalise


@dataclass(frozen=True)
class ANLFL(Method):
    """Raise the label's share of the losses of all classes, and hold the weights together by L1.

    With ``f(p) = -(1 - p)^gamma * log p`` and ``A = f(1e-7)``, at which ``f`` is cut off:
    ``loss = alpha * f(p_y) / sum_k f(p_k) + beta * (1 - (A - f(p_y)) / sum_k (A - f(p_k)))``.
    To the gradient of every weight and bias is added that of ``delta * sum |w|``. ``detach`` treats
    the factors ``(1 - p)^gamma`` as constants, as the authors' code does.

    Source:
        Ye et al., "Active negative loss functions for learning with noisy labels", NeurIPS 2023.
        https://mlanthology.org/neurips/2023/ye2023neurips-active
        The authors' code Virusdoll/Active-Negative-Loss was read at commit 0c50009, ``loss.py``
        and ``trainer.py``. The defaults are those of CIFAR-10.

    Differs from that code:
        There the L1 term stands in place of weight decay; here the recipe's stays as it is.
    """

    alpha: NonNegative = 5.0
    beta: NonNegative = 5.0
    delta: NonNegative = 5e-5
    gamma: Annotated[float, Between(0.0, 10.0)] = 0.5
    detach: bool = False

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Weighted sum of the active and the negative part."""
        every = focal(logits, self.gamma, detach=self.detach)  # (B, C)
        active = normalise(every, batch.label)
        worst = -((1 - 1e-7) ** self.gamma) * math.log(1e-7)
        return self.alpha * active + self.beta * negative_loss(every, batch.label, worst), state

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Add the slope of the L1 norm."""
        return {name: grad + self.delta * params[name].sign() for name, grad in grads.items()}

"""Active negative loss made of the focal loss."""

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from methods.bounds import Between
from methods.parts.active_passive import ActiveNegative
from methods.parts.losses import focal


@dataclass(frozen=True)
class ANLFL(ActiveNegative, label="ANL-FL", family="normalised"):
    """Raise the label's share of the losses of all classes, and hold the weights together by L1.

    With ``f(p) = -(1 - p)^gamma * log p`` and ``A = f(1e-7)``, at which ``f`` is cut off:
    ``loss = alpha * f(p_y) / sum_k f(p_k) + beta * (1 - (A - f(p_y)) / sum_k (A - f(p_k)))``.
    To the gradient of every weight and bias is added that of ``delta * sum |w|``. ``detach`` treats
    the factors ``(1 - p)^gamma`` as constants, as the authors' code does.

    Source:
        Xichen Ye, Xiaoqiang Li, Songmin Dai, Tong Liu, Yan Sun & Weiqin Tong, "Active negative loss
        functions for learning with noisy labels", NeurIPS 2023.
        https://mlanthology.org/neurips/2023/ye2023neurips-active; the authors' code
        Virusdoll/Active-Negative-Loss was read at commit 0c50009, ``loss.py`` and ``trainer.py``.
        The defaults are those of CIFAR-10.

    Differs from that code:
        There the L1 term stands in place of weight decay; here the recipe's stays as it is.
    """

    gamma: Annotated[float, Between(0.0, 10.0)] = 0.5
    detach: bool = False

    @property
    def worst(self) -> float:
        """The focal loss at a probability of 1e-7."""
        worst: float = -((1 - 1e-7) ** self.gamma) * math.log(1e-7)
        return worst

    def every(self, logits: Tensor) -> Tensor:
        """Return the focal loss of every class."""
        return focal(logits, self.gamma, detach=self.detach)

"""Joint asymmetric loss made of normalised cross-entropy."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import State, Weights
from methods.bounds import NonNegative
from methods.parts.active_passive import ActivePassive, with_l1_slope
from methods.parts.labels import one_hot


@dataclass(frozen=True)
class JALCE(ActivePassive, label="JAL-CE", family="bounded"):
    """Pair normalised cross-entropy with a squared error that asks for more than probability 1.

    ``loss = alpha * log p_y / sum_k log p_k + beta * mean_k (a * onehot(y)_k - p_k)^2``. The second
    part is asymmetric, that is, minimised by the class with the largest share of the labels, where
    ``a`` is large enough for the noise. To the gradient of every weight and bias is added that of
    ``delta * sum |w|``.

    Source:
        Jialiang Wang, Xianming Liu, Xiong Zhou, Gangfeng Hu, Deming Zhai, Junjun Jiang & Xiangyang
        Ji, "Joint asymmetric loss for learning with noisy labels", ICCV 2025.
        https://arxiv.org/abs/2507.17692; the authors' code cswjl/joint-asymmetric-loss was read at
        commit 0f9eb7b, ``losses.py`` and ``config.py``. The defaults are those of Clothing1M, for
        no other goes with a learning rate of 0.1 and few classes; CIFAR-10, at 0.01, has ``alpha=1,
        beta=1, a=30``.

    Differs from that code:
        There the L1 term stands in place of weight decay; here the recipe's stays as it is.
    """

    alpha: NonNegative = 5.0
    beta: NonNegative = 0.1
    a: NonNegative = 5.0
    delta: NonNegative = 5e-5

    def passive(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the asymmetric squared error."""
        error = self.a * one_hot(label, logits) - logits.softmax(-1)  # (B, C)
        return error.square().mean(-1)

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Add the slope of the L1 norm."""
        return with_l1_slope(params, grads, self.delta)

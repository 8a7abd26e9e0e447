"""Joint asymmetric loss made of normalised cross-entropy."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, Method, State, Weights
from methods.bounds import NonNegative
from methods.parts.labels import one_hot
from methods.parts.losses import normalise


@dataclass(frozen=True)
class JALCE(Method):
    """Pair normalised cross-entropy with a squared error that asks for more than probability 1.

    ``loss = alpha * log p_y / sum_k log p_k + beta * mean_k (a * onehot(y)_k - p_k)^2``. The second
    part is asymmetric, that is, minimised by the class with the largest share of the labels, where
    ``a`` is large enough for the noise. To the gradient of every weight and bias is added that of
    ``delta * sum |w|``.

    Source:
        Wang et al., "Joint asymmetric loss for learning with noisy labels", ICCV 2025.
        https://arxiv.org/abs/2507.17692. The authors' code cswjl/joint-asymmetric-loss was read at
        commit 0f9eb7b, ``losses.py`` and ``config.py``. The defaults are those of
        Clothing1M, for no other goes with a learning rate of 0.1 and few classes; CIFAR-10, at
        0.01, has ``alpha=1, beta=1, a=30``.

    Differs from that code:
        There the L1 term stands in place of weight decay; here the recipe's stays as it is.
    """

    alpha: NonNegative = 5.0
    beta: NonNegative = 0.1
    a: NonNegative = 5.0
    delta: NonNegative = 5e-5

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Weighted sum of the active and the passive part."""
        active = normalise(-logits.log_softmax(-1), batch.label)
        error = self.a * one_hot(batch.label, logits) - logits.softmax(-1)  # (B, C)
        return self.alpha * active + self.beta * error.square().mean(-1), state

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Add the slope of the L1 norm."""
        return {name: grad + self.delta * params[name].sign() for name, grad in grads.items()}

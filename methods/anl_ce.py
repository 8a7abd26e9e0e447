"""Active negative loss made of cross-entropy."""

import math
from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, Method, State, Weights
from methods.bounds import NonNegative
from methods.parts.losses import negative_loss, normalise


@dataclass(frozen=True)
class ANLCE(Method):
    """Raise the label's share of the losses of all classes, and hold the weights together by L1.

    ``loss = alpha * NCE + beta * NNCE`` with ``NCE = log p_y / sum_k log p_k`` and
    ``NNCE = 1 - (A + log p_y) / sum_k (A + log p_k)``, ``p`` cut off at 1e-7, ``A = -log 1e-7``.
    To the gradient of every weight and bias is added that of ``delta * sum |w|``.

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

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Weighted sum of the active and the negative part."""
        hard = -logits.log_softmax(-1)  # (B, C), of every class
        active = normalise(hard, batch.label)
        negative = negative_loss(hard, batch.label, -math.log(1e-7))
        return self.alpha * active + self.beta * negative, state

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Add the slope of the L1 norm."""
        return {name: grad + self.delta * params[name].sign() for name, grad in grads.items()}

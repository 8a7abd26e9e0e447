"""Active passive loss: normalised and reverse cross-entropy."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, Method, State
from methods.bounds import NonNegative
from methods.parts.losses import LOG_ZERO, absolute_error, normalise


@dataclass(frozen=True)
class NCERCE(Method):
    """Pair a robust loss that raises the label with one that lowers the other classes.

    ``loss = alpha * NCE + beta * RCE``, with ``NCE = log p_y / sum_k log p_k`` and
    ``RCE = -sum_k p_k * log onehot(y)_k = 9.21 * (1 - p_y)``. Summed over the labels, both are
    constant.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equations 5 and 11; table 2). The authors' code
        HanxunH/Active-Passive-Losses was read at commit 04bce53, ``loss.py``. The defaults are
        those of CIFAR-100, for a learning rate of 0.1; CIFAR-10, at 0.01, has ``alpha=1, beta=1``.

    Differs from the paper:
        It takes -4 for the logarithm of 0; the authors' code takes that of 1e-4, -9.21, and
        published numbers stand on the code.
    """

    alpha: NonNegative = 10.0
    beta: NonNegative = 0.1

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Weighted sum of the active and the passive part."""
        active = normalise(-logits.log_softmax(-1), batch.label)
        passive = -LOG_ZERO * absolute_error(logits, batch.label)
        return self.alpha * active + self.beta * passive, state

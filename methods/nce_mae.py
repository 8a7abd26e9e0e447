"""Active passive loss: normalised cross-entropy and mean absolute error."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, Method, State
from methods.bounds import NonNegative
from methods.parts.losses import absolute_error, normalise


@dataclass(frozen=True)
class NCEMAE(Method):
    """Pair a robust loss that raises the label with one that lowers the other classes.

    ``loss = alpha * NCE + beta * MAE``, with ``NCE = log p_y / sum_k log p_k`` and
    ``MAE = 1 - p_y``. Summed over the labels, both are constant.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equations 5 and 11; table 2). The authors' code
        HanxunH/Active-Passive-Losses was read at commit 04bce53, ``loss.py``. The defaults are
        those of CIFAR-10.

    Differs from the paper:
        It writes ``MAE = 2 * (1 - p_y)``; the authors' code, on which its numbers stand, has half
        of that, and so has this. The code of later papers has twice, under the same ``beta``.
    """

    alpha: NonNegative = 1.0
    beta: NonNegative = 1.0

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Weighted sum of the active and the passive part."""
        active = normalise(-logits.log_softmax(-1), batch.label)
        return self.alpha * active + self.beta * absolute_error(logits, batch.label), state

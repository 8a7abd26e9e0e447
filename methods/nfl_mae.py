"""Active passive loss: normalised focal loss and mean absolute error."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from methods.base import Batch, Method, State
from methods.bounds import Between, NonNegative
from methods.parts.losses import absolute_error, focal, normalise


@dataclass(frozen=True)
class NFLMAE(Method):
    """Pair a robust loss that raises the label with one that lowers the other classes.

    ``loss = alpha * NFL + beta * MAE``, with ``MAE = 1 - p_y`` and
    ``NFL = f_y / sum_k f_k``, ``f_k = -(1 - p_k)^gamma * log p_k``. ``detach`` treats the factors
    of ``f`` as constants, as the authors' code does.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equations 5 and 11; table 2). The authors' code
        HanxunH/Active-Passive-Losses was read at commit 04bce53, ``loss.py``. The defaults are
        those of CIFAR-10.

    Differs from the paper:
        It writes ``MAE = 2 * (1 - p_y)``; the authors' code has half of that, and so has this.
    """

    alpha: NonNegative = 1.0
    beta: NonNegative = 1.0
    gamma: Annotated[float, Between(0.0, 10.0)] = 0.5
    detach: bool = False

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Weighted sum of the active and the passive part."""
        active = normalise(focal(logits, self.gamma, detach=self.detach), batch.label)
        passive = absolute_error(logits, batch.label)
        return self.alpha * active + self.beta * passive, state

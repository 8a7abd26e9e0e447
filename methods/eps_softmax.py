"""Epsilon-softmax."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import NonNegative
from methods.parts.labels import one_hot
from methods.parts.losses import absolute_error


@dataclass(frozen=True)
class EpsSoftmax(Method, label="Eps-softmax", family="outputs"):
    """Push the prediction close to one-hot before the loss, for which any loss is symmetric.

    ``q = (p + m * onehot(argmax p)) / (m + 1)``, cut off at 1e-8, and
    ``loss = -alpha * log q_y + beta * 2 * (1 - p_y)``: CE_eps + MAE. Predictions use ``p``.

    Source:
        Jialiang Wang, Xiong Zhou, Deming Zhai, Junjun Jiang, Xiangyang Ji & Xianming Liu,
        "epsilon-Softmax: approximating one-hot vectors for mitigating label noise", NeurIPS 2024.
        https://openreview.net/forum?id=vjsd8Bcipv; the authors' code cswjl/eps-softmax was read at
        commit f81685c, ``losses.py`` and ``config.py``. The defaults are those of CIFAR-100 and
        symmetric noise of 0.4, for a learning rate of 0.1; CIFAR-10, at 0.01, has ``alpha=0.01,
        beta=5, m=1e5``. The paper has one setting for each noise.
    """

    alpha: NonNegative = 0.03
    beta: NonNegative = 1.0
    m: NonNegative = 1e4

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy of the pushed prediction plus the error of the plain one."""
        rest = absolute_error(logits, batch.label)
        first = one_hot(logits.argmax(-1), logits).gather(1, batch.label[:, None]).squeeze(1)
        pushed = (1 - rest + self.m * first) / (self.m + 1)
        return -self.alpha * pushed.clamp(min=1e-8).log() + self.beta * 2 * rest, state

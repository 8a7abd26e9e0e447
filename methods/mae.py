"""Mean absolute error."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.parts.losses import absolute_error


@dataclass(frozen=True)
class MAE(Method, label="MAE", family="bounded"):
    """Count by how much the label's probability falls short of 1.

    ``loss = 1 - p_y``. Summed over the labels it is a constant, so symmetric noise moves no
    minimum; but its gradient vanishes with ``p_y``, so that with many classes it hardly learns.

    Source:
        Aritra Ghosh, Himanshu Kumar & P. S. Sastry, "Robust loss functions under label noise for
        deep neural networks", AAAI 2017. https://arxiv.org/abs/1712.09482 (equation 7).

    Differs from the paper:
        Its ``sum_k |onehot(y)_k - p_k| = 2 * (1 - p_y)`` is twice this, which is the scale that
        losses with an absolute error in them use.
    """

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return ``1 - p_y`` of each example."""
        return absolute_error(logits, batch.label), state

"""Sums of a loss that raises the label and one that lowers the other classes."""

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Weights
from methods.bounds import Between, NonNegative
from methods.parts.losses import absolute_error, focal, negative_loss, normalise


@dataclass(frozen=True)
class ActivePassive(Method):
    """The sum ``alpha * active + beta * passive``, of normalised cross-entropy and absolute error.

    A method overrides the part that it replaces. Both parts are robust alone, and fit slowly
    alone; together they do not.
    """

    alpha: NonNegative = 1.0
    beta: NonNegative = 1.0

    def active(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the part that raises the label, ``(B,)``: ``log p_y / sum_k log p_k``."""
        return normalise(-logits.log_softmax(-1), label)

    def passive(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the part that lowers the other classes, ``(B,)``: ``1 - p_y``."""
        return absolute_error(logits, label)

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted sum of the active and the passive part."""
        active = self.active(logits, batch.label)
        return self.alpha * active + self.beta * self.passive(logits, batch.label), state


@dataclass(frozen=True)
class FocalPassive(ActivePassive):
    """The sum whose active part is the normalised focal loss ``f_y / sum_k f_k``.

    ``f_k = -(1 - p_k)^gamma * log p_k``. ``detach`` treats the factors of ``f`` as constants, as
    the code behind the published numbers does.
    """

    gamma: Annotated[float, Between(0.0, 10.0)] = 0.5
    detach: bool = False

    def active(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the label's share of the focal losses of all classes, ``(B,)``."""
        return normalise(focal(logits, self.gamma, detach=self.detach), label)


@dataclass(frozen=True)
class ActiveNegative(Method):
    """The sum of a normalised loss and of what it makes of all classes but the label.

    ``alpha * l_y / sum_k l_k + beta * (1 - (A - l_y) / sum_k (A - l_k))`` for a loss ``l`` of each
    class, cut off at ``A``: cross-entropy, unless a method overrides it. To the gradient of every
    weight and bias is added that of ``delta * sum |w|``.
    """

    alpha: NonNegative = 5.0
    beta: NonNegative = 5.0
    delta: NonNegative = 5e-5

    def every(self, logits: Tensor) -> Tensor:
        """Return the loss ``l`` of every class, ``(B, C)``: ``-log p_k``."""
        return -logits.log_softmax(-1)

    @property
    def worst(self) -> float:
        """The value ``A`` at which the loss is cut off: that at a probability of 1e-7."""
        return -math.log(1e-7)

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted sum of the active and the negative part."""
        every = self.every(logits)
        active = normalise(every, batch.label)
        return self.alpha * active + self.beta * negative_loss(
            every, batch.label, self.worst
        ), state

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Add the slope of the L1 norm."""
        return with_l1_slope(params, grads, self.delta)


def with_l1_slope(params: Weights, grads: Weights, delta: float) -> Weights:
    """Return the gradient plus that of ``delta * sum |w|``."""
    return {name: grad + delta * params[name].sign() for name, grad in grads.items()}

"""Taylor cross-entropy."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between
from methods.parts.losses import absolute_error


@dataclass(frozen=True)
class TaylorCE(Method, label="Taylor-CE", family="bounded"):
    """Break off the Taylor series of cross-entropy, which bounds it.

    ``loss = sum_(i = 1 .. order) (1 - p_y)^i / i``: the mean absolute error at ``order = 1``,
    cross-entropy as ``order`` grows.

    Source:
        Lei Feng, Senlin Shu, Zhuoyi Lin, Fengmao Lv, Li Li & Bo An, "Can cross entropy loss be
        robust to label noise?", IJCAI 2020. https://doi.org/10.24963/ijcai.2020/305 (its ``t`` is
        ``order``, chosen there by noisy validation labels for each dataset and rate).
    """

    order: Annotated[int, Between(1, 1000)] = 2

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the sum of the first terms of the series."""
        rest = absolute_error(logits, batch.label)
        series = torch.zeros_like(rest)
        for i in range(self.order, 0, -1):  # Horner's rule
            series = rest * (1 / i + series)
        return series, state

"""Jensen-Shannon loss."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between


@dataclass(frozen=True)
class JS(Method, label="JS", family="outputs"):
    """Measure the divergence of label and prediction from their weighted mean.

    With ``m = pi * onehot(y) + (1 - pi) * p``,
    ``loss = (pi * KL(onehot(y) | m) + (1 - pi) * KL(p | m)) / Z``,
    ``Z = -(1 - pi) * log(1 - pi)``: cross-entropy as ``pi`` goes to 0, and the bounded, noise-
    tolerant ``1 - p_y`` as it goes to 1.

    Source:
        Erik Englesson & Hossein Azizpour, "Generalized Jensen-Shannon divergence loss for learning
        with noisy labels", NeurIPS 2021. https://arxiv.org/abs/2105.04522 (equations 3 and 4; the
        form with several views is another method).

    Differs from the paper:
        It tunes ``pi`` for every noise rate; here it is one value.
    """

    pi: Annotated[float, Between(0.001, 0.999)] = 0.5

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the divergence of label and prediction from their mean; only ``p_y`` enters."""
        rest, log_rest = 1 - self.pi, math.log(1 - self.pi)
        hard = F.cross_entropy(logits, batch.label, reduction="none")  # -log p_y
        log_m = torch.logaddexp(log_rest - hard, torch.full_like(hard, math.log(self.pi)))
        right = (-hard).exp()
        divergence = right * (-hard - log_m) - (1 - right) * log_rest
        return (-self.pi * log_m + rest * divergence) / (-rest * log_rest), state

"""Generalised Jensen-Shannon loss."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between
from methods.parts.labels import one_hot


@dataclass(frozen=True)
class GJS(Method, label="GJS", family="outputs"):
    """Bring the label and the predictions on two views of an image to agreement.

    With ``w = (1 - pi) / 2`` and ``m = pi * onehot(y) + w * p_1 + w * p_2``,
    ``loss = (pi * KL(onehot(y) | m) + w * KL(p_1 | m) + w * KL(p_2 | m)) / Z``,
    ``Z = -(1 - pi) * log(1 - pi)``. It tends to cross-entropy with a consistency term as ``pi``
    falls to 0, and to a bounded, noise-tolerant loss as it rises to 1.

    Source:
        Erik Englesson & Hossein Azizpour, "Generalized Jensen-Shannon divergence loss for learning
        with noisy labels", NeurIPS 2021. https://arxiv.org/abs/2105.04522 (equations 3 to 5).

    Differs from the paper:
        It tunes ``pi`` for every noise rate, and its views are strong augmentations
        (RandAugment and Cutout); here ``pi`` is one value and the views are the recipe's. Without
        augmentation both views are the same image and the loss is the plain Jensen-Shannon one.
    """

    views: ClassVar[int] = 2
    pi: Annotated[float, Between(0.001, 0.999)] = 0.5

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted divergence of label and predictions from their mean."""
        weight, scale = (1 - self.pi) / 2, -(1 - self.pi) * math.log(1 - self.pi)
        log_p = logits.log_softmax(-1)  # (2, B, C)
        predicted = log_p.logsumexp(0) + math.log(weight)  # log of both views' part of m
        labelled = torch.logaddexp(predicted, torch.full_like(predicted, math.log(self.pi)))
        hot = one_hot(batch.label, predicted)  # (B, C)
        log_m = torch.where(hot > 0, labelled, predicted)
        from_label = F.nll_loss(log_m, batch.label, reduction="none")
        from_views = (log_p.exp() * (log_p - log_m)).sum(-1).sum(0)
        return (self.pi * from_label + weight * from_views) / scale, state

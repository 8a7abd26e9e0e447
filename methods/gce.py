"""Generalised cross-entropy."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between


@dataclass(frozen=True)
class GCE(Method, label="GCE", family="bounded"):
    """Bend cross-entropy towards the absolute error, which symmetric noise cannot mislead.

    ``loss = (1 - p[y]^q) / q``: cross-entropy as ``q`` goes to 0, ``1 - p[y]`` at ``q = 1``. Its
    gradient is cross-entropy's times ``p[y]^q``, so labels the network finds absurd pull little.

    Source:
        Zhilu Zhang & Mert R. Sabuncu, "Generalized cross entropy loss for training deep neural
        networks with noisy labels", NeurIPS 2018. https://arxiv.org/abs/1805.07836 (equation 6; its
        truncated form is another method).
    """

    q: Annotated[float, Between(1e-6, 1.0)] = 0.7

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return ``(1 - p[y]^q) / q`` of each example, exact for small ``q`` and small ``p``."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")  # -log p[y]
        return -torch.expm1(-self.q * hard) / self.q, state

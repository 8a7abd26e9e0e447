"""Generalised cross-entropy."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, State
from methods.bounds import Between
from methods.parts.papers import ZHANG_2018


@dataclass(frozen=True)
class GCE(Method):
    """Bend cross-entropy towards the absolute error, which symmetric noise cannot mislead.

    ``loss = (1 - p[y]^q) / q``: cross-entropy as ``q`` goes to 0, ``1 - p[y]`` at ``q = 1``. Its
    gradient is cross-entropy's times ``p[y]^q``, so labels the network finds absurd pull little.

    Source:
        ``paper`` (equation 6; its truncated form is another method).
    """

    label = "GCE"
    family = "bounded"
    paper = ZHANG_2018

    q: Annotated[float, Between(1e-6, 1.0)] = 0.7

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Return ``(1 - p[y]^q) / q`` of each example, exact for small ``q`` and small ``p``."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")  # -log p[y]
        return -torch.expm1(-self.q * hard) / self.q, state

"""Partially Huberised cross-entropy."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between


@dataclass(frozen=True)
class PHuberCE(Method, label="PHuber-CE", family="bounded"):
    """Follow cross-entropy until its slope reaches ``-tau``, then go on along the tangent.

    ``loss = -log p_y`` where ``p_y > 1 / tau``, else ``log tau + 1 - tau * p_y``: bounded, so that
    a label which the network finds absurd cannot pull without end, as under clipped gradients.

    Source:
        Aditya Krishna Menon, Ankit Singh Rawat, Sashank J. Reddi & Sanjiv Kumar, "Can gradient
        clipping mitigate label noise?", ICLR 2020. https://openreview.net/forum?id=rklB76EKPr
        (equation 9). The reproduction dmizr/phuber was read at commit 56e5f71, ``phuber/loss.py``.
        The default is that of CIFAR-10; the paper's for MNIST and CIFAR-100 is 10.
    """

    tau: Annotated[float, Between(1.0, 1e6)] = 2.0

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy above ``1 / tau``, its tangent below."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")  # -log p_y
        tangent = math.log(self.tau) + 1 - self.tau * (-hard).exp()
        return torch.where(hard < math.log(self.tau), hard, tangent), state

"""Focal loss."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import NonNegative
from methods.parts.losses import focal


@dataclass(frozen=True)
class Focal(Method, label="Focal loss", family="baseline"):
    """Care less for examples that are fitted already.

    ``loss = -(1 - p_y)^gamma * log p_y``. It makes hard examples count for more, mislabelled ones
    among them, and stands here as a baseline. ``detach`` treats the factor as a constant, as the
    code behind every published number for noisy labels does.

    Source:
        Tsung-Yi Lin, Priya Goyal, Ross Girshick, Kaiming He & Piotr Dollár, "Focal loss for dense
        object detection", ICCV 2017. https://arxiv.org/abs/1708.02002 (equation 4).

    Differs from the paper:
        Its ``gamma`` is 2; papers on noisy labels use 0.5, with detached factors
        (HanxunH/Active-Passive-Losses at commit 04bce53, ``loss.py``).
    """

    gamma: NonNegative = 0.5
    detach: bool = False

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the label's focal loss."""
        every = focal(logits, self.gamma, detach=self.detach)  # (B, C)
        return -F.nll_loss(every, batch.label, reduction="none"), state

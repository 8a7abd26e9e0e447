"""Label Wave."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State


@dataclass(frozen=True)
class LabelWave(Method, label="Label Wave", family="baseline"):
    """Train as usual, and stop where the predictions on the training images change least.

    The loss is ``-log p[y]``. With ``c_t`` the number of training images whose predicted class is
    another one than an epoch before, what the selection ``last`` shows is the epoch at which the
    moving average ``(c_t + c_(t-1) + c_(t-2)) / 3`` has its first minimum; no label is held out for
    it. The curves go on to the last epoch of the recipe. A run too short for an average does not
    stop early.

    Source:
        Suqin Yuan, Lei Feng & Tongliang Liu, "Early stopping against label noise without validation
        data", ICLR 2024. https://arxiv.org/abs/2502.07551 (its abstract, and what others say of its
        smoothing). The authors' code (tmllab/2024_ICLR_LabelWave, ``main.py``) was read at commit
        cf3e9eb; it prints the counts and stops nowhere.

    Differs from that code:
        Counts are of images without augmentation after each evaluated epoch, there of augmented
        images while the epoch trains. How many counts the paper averages could not be read.
    """

    stops_early: ClassVar[Literal["", "val", "label_wave"]] = "label_wave"

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the given labels."""
        return F.cross_entropy(logits, batch.label, reduction="none"), state

"""Early stopping."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State


@dataclass(frozen=True)
class EarlyStopping(Method, label="Early stopping", family="baseline"):
    """Train as usual, and stop where the noisy labels of held-out images are predicted best.

    The loss is ``-log p[y]``. What the selection ``last`` shows is the first epoch with the highest
    accuracy on the noisy validation labels, so it uses no clean label; a recipe without a
    validation split is refused. The curves go on to the last epoch of the recipe, for it takes all
    of them to know that none was better: there is no patience to tune.

    Source:
        Lutz Prechelt, "Early stopping - but when?", Neural Networks: Tricks of the Trade 1998.
        https://doi.org/10.1007/3-540-49430-8_3, and Chen et al., "Robustness of accuracy metric and
        its inspirations in learning with noisy labels", AAAI 2021. https://arxiv.org/abs/2012.04193
        (why noisy accuracy tells).
    """

    stops_early: ClassVar[Literal["", "val", "label_wave"]] = "val"

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the given labels."""
        return F.cross_entropy(logits, batch.label, reduction="none"), state

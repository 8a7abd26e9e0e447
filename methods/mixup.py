"""Mixup."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State
from methods.bounds import Between
from methods.parts.mixing import draw_pairs, mix_pairs


@dataclass(frozen=True)
class Mixup(Method, label="Mixup", family="mixed"):
    """Train on convex combinations of pairs of images and of their labels.

    ``x = m * x_i + (1 - m) * x_j``, ``target = m * onehot(y_i) + (1 - m) * onehot(y_j)``,
    ``loss = -sum_k target_k * log p_k(x)``, with ``m`` from ``Beta(alpha, alpha)``, one for each
    batch, and ``j`` a permutation of the batch.

    Source:
        Hongyi Zhang, Moustapha Cisse, Yann N. Dauphin & David Lopez-Paz, "mixup: beyond empirical
        risk minimization", ICLR 2018. https://arxiv.org/abs/1710.09412 (equation 2; label noise:
        section 3.4, which also tries ``alpha`` of 8 and 32).
    """

    alpha: Annotated[float, Between(0.01, 1000.0)] = 1.0

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the weight of the first image and the partner of each."""
        return draw_pairs(self.alpha, size)

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Mix images; the target is the partner's label."""
        mix, partner = batch.draws["mix"].to(image.dtype), batch.draws["partner"]
        mixed = mix_pairs(image, mix, partner, dim=1)
        return mixed, batch._replace(target=batch.label[partner])

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to both labels, weighted."""
        mix = batch.draws["mix"].to(logits.dtype)
        own = F.cross_entropy(logits, batch.label, reduction="none")
        other = F.cross_entropy(logits, batch.prepared_target(), reduction="none")
        return mix * own + (1 - mix) * other, state

"""RENT: resampling by a transition matrix."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, State
from methods.parts.transition import LossCorrection


@dataclass(frozen=True)
class RENT(LossCorrection, label="RENT", family="weights"):
    """Draw the batch anew, each example as likely as its label is to be right.

    With ``w_i = p_i[y_i] / sum_k T[k, y_i] p_i[k]``, computed without gradient from the network as
    it is, as many examples as the batch has are drawn from it with replacement, ``P(i) = w_i /
    sum_j w_j``. Of ``n_i`` draws of example ``i``, the loss is ``n_i * -log p_i[y_i]``, of which
    the batch takes the mean. Reweighting multiplies by ``w_i`` instead; resampling has the same
    mean, and more variance, which the authors show to be what helps.

    ``source``, ``warmup``, ``anchor_quantile`` and ``estimator`` say where ``T`` comes from, as in
    ``forward``; until it is there the loss is ``-log p[y]``.

    State:
        transition: (C, C), ``T``; the identity until it is estimated.
        label: (N,) int64, the noisy labels.
        start: 0-d int64, the epoch at which ``T`` is estimated.

    Source:
        HeeSun Bae, Seungjae Shin, Byeonghu Na & Il-Chul Moon, "Dirichlet-based per-sample weighting
        by transition matrix for noisy label learning", ICLR 2024.
        https://openreview.net/forum?id=A4mJuFRMN8 (algorithm 1). The authors' code BaeHeeSun/RENT,
        ``RENT/library/method_utils.py``, was read at commit d40f3c4; of the same draws, loss and
        gradient differ by 4e-16 in float64.

    Differs from that code:
        It warms up for 10 epochs and goes on with the same network, and looks for the anchor of a
        class among the examples that are given it; here as the other corrections do, with a new
        network and among all examples.
    """

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw an order of the examples, and where each draw falls among their weights."""
        return {"points": torch.rand(size, 2)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Hand the random numbers on with the examples."""
        return image, batch._replace(target=batch.draws["points"])

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy of each example as often as it was drawn."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        p = logits.detach().softmax(-1)
        right = p.gather(1, batch.label[:, None]).squeeze(1)
        weight = right / ((p @ state["transition"]).gather(1, batch.label[:, None])[:, 0] + 1e-12)
        count = drawn_counts(weight, batch.prepared_target())
        if self.source == "estimated":
            count = torch.where(epoch < state["start"], torch.ones_like(count), count)
        return count * hard, state


def drawn_counts(weight: Tensor, points: Tensor) -> Tensor:
    """Return how often each of ``B`` examples is drawn in ``B`` draws, with replacement.

    Args:
        weight: ``(B,)``, at least 0; examples without any are as likely as all others.
        points: ``(B, 2)`` uniform in [0, 1): the examples lie on a line in the order of the first
            column, each as long as its weight; the second says where the draws fall on it.
    """
    weight = weight + torch.finfo(weight.dtype).tiny
    order = points[:, 0].argsort()
    ends = weight[order].cumsum(0)
    ends = ends / ends[-1:]
    place = (points[:, 1:] >= ends[:-1]).sum(-1)  # (B,), from 0 to B - 1
    hit = (place[:, None] == torch.arange(len(order), device=order.device)).sum(0)
    return hit[order.argsort()].to(weight.dtype)

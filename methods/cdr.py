"""Robust early-learning."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task, Weights
from methods.bounds import Fraction, NonNegative


@dataclass(frozen=True)
class CDR(Method, label="CDR", family="early"):
    """Let only the weights that matter learn; the others decay, for they are what fits noise.

    A weight ``w`` with gradient ``g`` matters if ``|g * w|`` is among the largest ``1 - rate`` of
    all. Then its gradient is ``(1 - rate) * g + d * w``, otherwise ``d * w``, with the weight decay
    ``d``. Biases and normalisation, which have one dimension, learn as usual. The loss is
    cross-entropy.

    ``source="fixed"``: ``rate`` is the field. ``source="given"``: the true share of wrong labels,
    a privilege.

    State:
        rate: 0-d, the share in use.

    Source:
        Xiaobo Xia, Tongliang Liu, Bo Han, Chen Gong, Nannan Wang, Zongyuan Ge & Yi Chang, "Robust
        early-learning: hindering the memorization of noisy labels", ICLR 2021.
        https://openreview.net/forum?id=Eql5b1_hTE4 (algorithm 1).

    Differs from the authors' code (xiaoboxia/CDR, ``main.py``):
        It always takes the true rate. It lowers the share linearly over the first epochs and then
        overwrites that by the constant, as here; its weight decay of 1e-3 is the optimiser's and
        falls on every tensor, here on those that are selected from, beside the recipe's. It runs
        every batch through the network twice, which moves running statistics twice. The paper
        reports the epoch that is best on noisy validation labels: the selection ``val``. Its decay
        is for 100 epochs of CIFAR; the few steps of small data need more, say 0.01.
    """

    source: Literal["fixed", "given"] = "fixed"
    rate: Fraction = 0.2
    weight_decay: NonNegative = 1e-3

    @property
    def privileges(self) -> tuple[str, ...]:
        """The true noise rate, when it is given."""
        return ("rate",) if self.source == "given" else ()

    def init(self, task: Task) -> State:
        """Remember the rate."""
        rate = self.rate if self.source == "fixed" or task.rate is None else task.rate
        return {"rate": torch.tensor(float(rate), device=task.label.device)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the given labels."""
        return F.cross_entropy(logits, batch.label, reduction="none"), state

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Keep the gradient of the weights that matter."""
        share = 1 - state["rate"]
        score = {n: (g * params[n]).abs() for n, g in grads.items() if g.dim() > 1}
        ordered = torch.cat([s.flatten() for s in score.values()]).sort(descending=True).values
        last = (share * len(ordered)).floor().clamp(min=1).long() - 1
        threshold = ordered.gather(0, last[None]).squeeze(0)
        kept = {n: share * torch.where(s >= threshold, grads[n], 0.0) for n, s in score.items()}
        return {**grads, **{n: g + self.weight_decay * params[n] for n, g in kept.items()}}

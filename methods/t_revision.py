"""T-Revision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.adam import adam, adam_state
from methods.parts.transition import estimate_transition, state_before_estimate


@dataclass(frozen=True)
class TRevision(Method, label="T-Revision", family="transition"):
    """Weight examples by an estimated ``T``, then go on learning a correction of it.

    ``loss = w_i * -log p[y_i]`` with ``w_i = p[y_i] / sum_k p_k T[k, y_i]``, in three stages:
    ``warmup`` of the epochs with ``T`` the identity, so ``w = 1``; then ``T`` as estimated from the
    softmax on the training images; in the last part, ``revision`` of what is left, ``T`` plus a
    correction, learnt by Adam from the same loss.

    State:
        correction: (C, C), learnable, with Adam's moments; 0 before the last stage.
        estimate: (C, C), ``T`` as estimated; the identity in the first stage.
        transition: (C, C), the corrected ``T``, no entry negative, rows scaled to sum to 1.
        label: (N,) int64, the noisy labels.
        start, revise: 0-d int64, the epochs at which the later stages start.

    Source:
        Xiaobo Xia, Tongliang Liu, Nannan Wang, Bo Han, Chen Gong, Gang Niu & Masashi Sugiyama, "Are
        anchor points really indispensable in label-noise learning?", NeurIPS 2019.
        https://arxiv.org/abs/1906.00189 (section 3; algorithm 1).

    Differs from the authors' code (xiaoboxia/T-Revision, ``main.py`` at b1f4e7d, ``loss.py``):
        Its stages have 20, 200 and 200 epochs, the best of each by noisy validation accuracy; here
        they share the budget of any method. In the last, its network learns by Adam at 5e-7, as the
        correction does, over 78,000 steps; here by the recipe, and ``lr`` is for fewer steps. So
        ``w`` is a constant to the network in every stage: its gradient would let it give up labels.
        It does not scale the rows of the corrected matrix.
    """

    learnable: ClassVar[tuple[str, ...]] = ("correction",)
    warmup: Annotated[float, Between(0.01, 0.99)] = 0.2
    revision: Annotated[float, Between(0.0, 0.99)] = 0.5
    lr: NonNegative = 1e-3
    anchor_quantile: Fraction = 0.97
    estimator: Literal["anchor", "dual"] = "anchor"

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a warm-up, reweighting and revision, the last if there are epochs for it."""
        first = min(max(round(self.warmup * epochs), 1), epochs - 1)
        last = min(round(self.revision * (epochs - first)), epochs - first - 1)
        return [Stage(length) for length in (first, epochs - first - last, last) if length]

    def init(self, task: Task) -> State:
        """Estimate and correct nothing yet."""
        lengths = [stage.epochs for stage in self.stages(task.epochs)]
        state = state_before_estimate(task, lengths[0])
        none = torch.zeros_like(state["transition"])
        revise = state["start"] + lengths[1]
        state |= {"estimate": state["transition"], "revise": revise}
        return {**state, **adam_state("correction", none)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted cross-entropy; the gradient of the weights is the correction's."""
        transition = _scaled(state["estimate"] + state["correction"])
        p = logits.detach().softmax(-1)  # (B, C)
        clean, noisy = (q.gather(1, batch.label[:, None]) for q in (p, p @ transition))
        weight = (clean / noisy.clamp(min=torch.finfo(p.dtype).tiny)).squeeze(1)
        return weight * F.cross_entropy(logits, batch.label, reduction="none"), state

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Take a step of Adam on the correction, in the last stage; no entry gets negative."""
        after = adam(state, "correction", slopes["correction"], self.lr)
        after["correction"] = torch.maximum(after["correction"], -state["estimate"])
        late = epoch >= state["revise"]
        state = {name: torch.where(late, after[name], state[name]) for name in state}
        transition = _scaled(state["estimate"] + state["correction"]).clamp(min=0)
        return {**state, "transition": transition}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Estimate ``T``, once, when the warm-up ends."""
        posterior = outputs[0].softmax(-1)
        new = estimate_transition(posterior, state["label"], self.estimator, self.anchor_quantile)
        estimate = torch.where(epoch == state["start"], new, state["estimate"])
        transition = _scaled(estimate + state["correction"]).clamp(min=0)
        return {**state, "estimate": estimate, "transition": transition}


def _scaled(matrix: Tensor) -> Tensor:
    """Return the matrix with rows that sum to 1."""
    total = matrix.sum(-1, keepdim=True).clamp(min=torch.finfo(matrix.dtype).tiny)
    scaled: Tensor = matrix / total
    return scaled

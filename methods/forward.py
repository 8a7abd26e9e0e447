"""Forward loss correction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from methods.base import Batch, Method, Stage, State, Task
from methods.bounds import Between, Fraction
from methods.parts.transition import anchor_transition


@dataclass(frozen=True)
class Forward(Method):
    """Predict the clean label, and compare what the noise would make of it with the given one.

    ``loss = -log sum_k p_k T[k, y]`` with ``T[k, y] = P(given y | true k)``.

    ``source="estimated"``: a first stage of ``warmup`` of the epochs fits the noisy labels by
    cross-entropy; ``T`` is read off its softmax on the training images at anchor points, and new
    networks train with it. ``source="given"``: the true ``T``, a privilege, from the first epoch.

    State:
        transition: (C, C), ``T``; the identity in the first stage, which makes it cross-entropy.
        start: 0-d int64, the epoch at which ``T`` is estimated.

    Reference:
        Patrini et al., "Making deep neural networks robust to label noise: a loss correction
        approach", CVPR 2017. https://arxiv.org/abs/1609.03683 (theorem 2; equations 12 and 13).

    Differs from the paper:
        It stops the first stage by validation loss; here its length is a field.
    """

    source: Literal["estimated", "given"] = "estimated"
    warmup: Annotated[float, Between(0.01, 0.99)] = 0.2
    anchor_quantile: Fraction = 0.97

    @property
    def privileges(self) -> tuple[str, ...]:
        """The true transition matrix, when it is given."""
        return ("T",) if self.source == "given" else ()

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Warm-up and training proper from new weights, unless ``T`` is known."""
        if self.source == "given":
            return [Stage(epochs)]
        first = min(max(round(self.warmup * epochs), 1), epochs - 1)
        return [Stage(first), Stage(epochs - first, fresh_networks=True)]

    def init(self, task: Task) -> State:
        """Start from the given matrix, or from none."""
        device = task.label.device
        start = torch.tensor(self.stages(task.epochs)[0].epochs, device=device)
        known = task.transition if self.source == "given" else None
        none = torch.eye(task.num_classes, device=device)
        return {"transition": none if known is None else known, "start": start}

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Cross-entropy after the prediction went through the noise."""
        smallest = torch.finfo(logits.dtype).tiny  # a label that T calls impossible stays finite
        log_t = state["transition"].clamp(min=smallest).log()
        reached = log_t.T[batch.label]  # (B, C), from each true class to the given label
        return -(logits.log_softmax(-1) + reached).logsumexp(-1), state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Estimate ``T``, once, when the warm-up ends."""
        if self.source == "given":
            return state
        found = anchor_transition(outputs[0].softmax(-1), self.anchor_quantile)
        now = epoch == state["start"]
        return {**state, "transition": torch.where(now, found, state["transition"])}

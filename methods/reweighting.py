"""Importance reweighting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Added, Between, Fraction
from methods.parts.transition import (
    clean_posterior,
    estimate_transition,
    state_before_estimate,
)
from methods.parts.warm_up import warmup_stages


@dataclass(frozen=True)
class Reweighting(Method, label="Importance reweighting", family="weights"):
    """Weight each example by how likely its label would be in a clean world.

    ``loss = w_i * -log p[y_i]`` with
    ``w_i = P_clean(y_i | x_i) / P_noisy(y_i | x_i) = P(y_i is right | x_i, y_i) / T[y_i, y_i]``,
    which makes the weighted risk on noisy data an estimate of the risk on clean data. The division
    by ``T[y, y]`` is what a mere probability of being right lacks when classes differ in noise.

    What is estimated from what: a first stage of ``warmup`` of the epochs fits the noisy labels by
    cross-entropy and is stopped there, before it memorises. Its softmax on the training images is
    ``P_noisy(. | x)``. The flip rates ``T`` are read off that posterior at anchor points (in the
    paper, with two classes, its minimum; ``estimator="dual"``: see ``dual_t``). ``P_clean(. | x)``
    solves ``P_noisy = T' P_clean``.
    New networks then train with these weights, held fixed. No clean label is used.

    State:
        weight: (N,), the weights; 1 in the first stage.
        label: (N,) int64, the noisy labels.
        transition: (C, C), ``T``; the identity until it is estimated.
        start: 0-d int64, the epoch at which that happens.

    Source:
        Tongliang Liu & Dacheng Tao, "Classification with noisy labels by importance reweighting",
        TPAMI 2016. https://arxiv.org/abs/1411.7718 (section 4, equation 4; rates: theorem 3).

    Differs from the paper:
        Its experiments have two classes and estimate the posterior by a density-ratio fit; here a
        network does it for ``C`` classes.
    """

    warmup: Annotated[float, Between(0.01, 0.99)] = 0.2
    anchor_quantile: Fraction = 0.97
    estimator: Annotated[Literal["anchor", "dual"], Added("anchor")] = "anchor"

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a warm-up, then training proper from new weights."""
        return warmup_stages(self.warmup, epochs)

    def init(self, task: Task) -> State:
        """Weigh everything alike until the warm-up is over."""
        weight = torch.ones(len(task.label), device=task.label.device)
        return state_before_estimate(task, self.stages(task.epochs)[0].epochs) | {"weight": weight}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted cross-entropy of each example."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        return state["weight"][batch.ids] * hard, state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Estimate the weights, once, when the warm-up ends."""
        noisy = outputs[0].softmax(-1)  # (N, C)
        label = state["label"]
        transition = estimate_transition(noisy, label, self.estimator, self.anchor_quantile)
        clean = clean_posterior(noisy, transition).gather(1, label[:, None])
        odds = (clean / noisy.gather(1, label[:, None]).clamp(min=1e-6)).squeeze(1)
        now = epoch == state["start"]
        return {
            **state,
            "weight": torch.where(now, odds, state["weight"]),
            "transition": torch.where(now, transition, state["transition"]),
        }

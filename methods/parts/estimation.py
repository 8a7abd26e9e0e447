"""The base of methods that first estimate the noise, then train with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from methods.base import Method, Stage, State, Task
from methods.bounds import Added, Between, Fraction
from methods.parts.transition import anchor_transition, dual_transition


def warmup_stages(warmup: float, epochs: int) -> list[Stage]:
    """Divide the epochs into a warm-up and training proper from new weights."""
    first = min(max(round(warmup * epochs), 1), epochs - 1)
    return [Stage(first), Stage(epochs - first, fresh_networks=True)]


def state_before_estimate(task: Task, start: int) -> State:
    """Return the state before ``T`` is estimated: the identity, the labels, and the epoch of it."""
    device = task.label.device
    transition = torch.eye(task.num_classes, device=device)
    at = torch.tensor(start, device=device)
    return {"transition": transition, "label": task.label, "start": at}


def estimate_transition(
    posterior: Tensor, label: Tensor, estimator: str, quantile: float
) -> Tensor:
    """Return the transition matrix that the estimator ``anchor`` or ``dual`` finds."""
    if estimator == "dual":
        return dual_transition(posterior, label, quantile)
    return anchor_transition(posterior, quantile)


@dataclass(frozen=True)
class LossCorrection(Method):
    """Correct the loss by a transition matrix ``T[k, y] = P(given y | true k)``.

    ``source="estimated"``: a first stage of ``warmup`` of the epochs fits the noisy labels by
    cross-entropy; ``T`` is read off its softmax on the training images by ``estimator``, and new
    networks train with it. ``source="given"``: the true ``T``, a privilege, from the first epoch.

    State:
        transition: (C, C), ``T``; the identity in the first stage, which makes it cross-entropy.
        label: (N,) int64, the noisy labels.
        start: 0-d int64, the epoch at which ``T`` is estimated.
    """

    source: Literal["estimated", "given"] = "estimated"
    warmup: Annotated[float, Between(0.01, 0.99)] = 0.2
    anchor_quantile: Fraction = 0.97
    estimator: Annotated[Literal["anchor", "dual"], Added("anchor")] = "anchor"

    @property
    def privileges(self) -> tuple[str, ...]:
        """The true transition matrix, when it is given."""
        return ("T",) if self.source == "given" else ()

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a warm-up and training proper from new weights, unless ``T`` is known."""
        return [Stage(epochs)] if self.source == "given" else warmup_stages(self.warmup, epochs)

    def init(self, task: Task) -> State:
        """Start from the given matrix, or from none."""
        state = state_before_estimate(task, self.stages(task.epochs)[0].epochs)
        if self.source == "given" and task.transition is not None:
            state["transition"] = task.transition
        return state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Estimate ``T``, once, when the warm-up ends."""
        if self.source == "given":
            return state
        posterior = outputs[0].softmax(-1)
        now = epoch == state["start"]
        new = estimate_transition(posterior, state["label"], self.estimator, self.anchor_quantile)
        return {**state, "transition": torch.where(now, new, state["transition"])}

"""Estimates of a transition matrix, losses through it, and the base of methods that need one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from methods.base import Method, Stage, State, Task
from methods.bounds import Added, Between, Fraction
from methods.parts.labels import one_hot
from methods.parts.warm_up import warmup_stages


def anchor_transition(posterior: Tensor, quantile: float) -> Tensor:
    """Estimate ``T[i, j] = P(noisy j | clean i)`` from anchor points.

    Row ``i`` is the noisy posterior of the example that looks most surely like class ``i``: the one
    at the given quantile of ``posterior[:, i]``, as the very largest are outliers.

    Args:
        posterior: ``(N, C)`` estimates of ``P(noisy label | x)``; rows sum to 1.
        quantile: 1 takes the maximum; 0.97 passes over the top 3 %.

    Source:
        Patrini et al., "Making deep neural networks robust to label noise: a loss correction
        approach", CVPR 2017. https://arxiv.org/abs/1609.03683 (equations 12 and 13).
    """
    passed_over = round((1 - quantile) * (len(posterior) - 1))
    anchor = posterior.argsort(dim=0, descending=True, stable=True)[passed_over]  # (C,) example ids
    return posterior[anchor]


def dual_transition(posterior: Tensor, label: Tensor, quantile: float) -> Tensor:
    """Estimate ``T`` as a product of two matrices, through the class that is predicted.

    With ``l`` the class that the network predicts, ``T[i, j] = sum_l A[i, l] * B[l, j]``: ``A[i] =
    P(l | clean i)`` is the posterior at an anchor point, which for ``l`` is exact by definition;
    ``B[l, j] = P(noisy j | l)`` is counted, and so free of the network's errors. A class that is
    never predicted has the row of the identity in ``B``.

    Source:
        Yao et al., "Dual T: reducing estimation error for transition matrix in label-noise
        learning", NeurIPS 2020. https://arxiv.org/abs/2006.07805 (equations 4 to 6, algorithm 1)
    """
    given, predicted = one_hot(label, posterior), one_hot(posterior.argmax(-1), posterior)
    count = predicted.T @ given  # (C, C)
    size = count.sum(-1, keepdim=True)
    none = torch.eye(len(count), dtype=count.dtype, device=count.device)
    share = torch.where(size > 0, count / size.clamp(min=1), none)
    return anchor_transition(posterior, quantile) @ share


def forward_cross_entropy(logits: Tensor, label: Tensor, transition: Tensor) -> Tensor:
    """Return the cross-entropy ``(B,)`` of a prediction that went through the noise.

    ``-log sum_k p_k T[k, y]``, from logarithms, so small probabilities survive.
    """
    smallest = torch.finfo(logits.dtype).tiny  # a label that T calls impossible stays finite
    log_t = transition.clamp(min=smallest).log()
    reached = log_t.T[label]  # (B, C), from each true class to the given label
    loss: Tensor = -(logits.log_softmax(-1) + reached).logsumexp(-1)
    return loss


def clean_posterior(posterior: Tensor, transition: Tensor) -> Tensor:
    """Solve ``P(noisy | x) = T' P(clean | x)`` for the clean posterior.

    Estimates disagree, so the solution may leave the simplex: negative entries become 0 and rows
    are scaled to sum to 1. A singular ``T`` gives the least-squares solution.
    """
    clean = (posterior @ torch.linalg.pinv(transition)).clamp(min=0)
    total = clean.sum(-1, keepdim=True).clamp(min=torch.finfo(clean.dtype).tiny)
    scaled: Tensor = clean / total
    return scaled


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

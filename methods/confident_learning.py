"""Confident learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between
from methods.parts.labels import one_hot
from methods.parts.small_loss import rank_within


@dataclass(frozen=True)
class ConfidentLearning(Method, label="Confident learning", family="selection"):
    """Judge each label by networks that have not seen it, drop the wrong ones, train on the rest.

    The training set is divided into ``folds``. For each, new networks train on the others, all
    together for the share ``judging`` of the epochs, and predict it. By these predictions labels
    are counted as wrong and pruned (``prune``: see ``label_error_mask`` below); new networks
    then train on what is left: ``loss = mean_i -log p[y_i] / T[y_i, y_i]``, where ``T[k, k]`` is
    the estimated share of class ``k`` that is labelled so, to make up for what was pruned.

    State:
        fold: (N,) int64; posterior: (N, C), what was predicted of each fold; label: (N,) int64.
        weight: (N,), 0 for what is held out or pruned; kept: (N,) bool, what is not pruned.
        transition: (C, C), the estimated ``T``; the identity before.
        folds, every: 0-d int64, how many folds there are, and the epochs of each.

    Source:
        Curtis G. Northcutt, Lu Jiang & Isaac L. Chuang, "Confident learning: estimating uncertainty
        in dataset labels", JAIR 2021. https://arxiv.org/abs/1911.00068 (section 3).

    Differs from the paper:
        All stages share the budget of any other method, so those that judge are short; in the paper
        each has a full one. With 2 epochs nothing is held out.
        Its software cleanlab also keeps every label that is the most likely class.
    """

    folds: Annotated[int, Between(2, 20)] = 4
    judging: Annotated[float, Between(0.01, 0.99)] = 0.5
    prune: Literal["noise_rate", "class", "both"] = "noise_rate"

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a stage for each fold, and one for the examples that are left."""
        folds = min(self.folds, epochs - 1)
        every = min(max(round(self.judging * epochs / folds), 1), (epochs - 1) // folds)
        judges = [Stage(every, fresh_networks=k > 0) for k in range(folds)]
        return [*judges, Stage(epochs - folds * every, fresh_networks=True)]

    def init(self, task: Task) -> State:
        """Draw the folds and hold the first out."""
        stages, size, device = self.stages(task.epochs), len(task.label), task.label.device
        folds = len(stages) - 1
        fold = (torch.randperm(size) % folds).to(device)
        held = fold.eq(0) if folds > 1 else torch.zeros_like(fold, dtype=torch.bool)
        return {
            "fold": fold,
            "posterior": torch.zeros(size, task.num_classes, device=device),
            "label": task.label,
            "weight": (~held).to(torch.get_default_dtype()),
            "kept": torch.ones_like(held),
            "transition": torch.eye(task.num_classes, device=device),
            "folds": torch.tensor(folds, device=device),
            "every": torch.tensor(stages[0].epochs, device=device),
        }

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean weighted cross-entropy of the examples that are trained on."""
        weight = state["weight"][batch.ids]
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        return (weight * hard).sum() / (weight != 0).sum().clamp(min=1), state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Keep the predictions for a fold when its stage ends; prune when the last has ended."""
        stage, label = epoch // state["every"], state["label"]
        begins = (epoch % state["every"] == 0) & (stage <= state["folds"])
        unseen = (state["fold"] == stage - 1) | (state["folds"] == 1)
        keeps = (begins & unseen)[:, None]
        posterior = torch.where(keeps, outputs[0].softmax(-1), state["posterior"])
        joint = confident_joint(label, posterior)
        kept = ~label_error_mask(label, posterior, joint, self.prune)
        transition = transition_from_joint(joint)
        final = begins & (stage == state["folds"])
        share = transition.diagonal()[label].clamp(min=1e-3)
        weight = torch.where(final, kept / share, (state["fold"] != stage).to(share.dtype))
        return {
            **state,
            "posterior": posterior,
            "weight": torch.where(begins, weight, state["weight"]),
            "kept": torch.where(final, kept, state["kept"]),
            "transition": torch.where(final, transition, state["transition"]),
        }


def confident_joint(label: Tensor, posterior: Tensor) -> Tensor:
    """Estimate how many examples have given label ``i`` and true label ``j``.

    An example is counted as ``j`` if ``j`` is its most likely class among those whose probability
    reaches the mean of ``posterior[:, j]`` over the examples labelled ``j``. Rows are scaled to sum
    to the numbers of given labels (equations 1 to 3). The counts ``(C, C)`` are not whole; before
    scaling, those on the diagonal are at least 1, as in the authors' cleanlab, which also rounds.
    """
    given = one_hot(label, posterior)  # (N, C)
    size, none = given.sum(0), torch.full_like(posterior, -1.0)
    threshold = (given * posterior).sum(0) / size.clamp(min=1)
    threshold = torch.where(size > 0, threshold, 2.0)  # no example can be of a class without labels
    sure = torch.where(posterior >= threshold - 1e-6, posterior, none)
    counted = (sure.amax(-1, keepdim=True) >= 0) * one_hot(sure.argmax(-1), posterior)
    count = given.T @ counted
    one = torch.eye(len(count), dtype=count.dtype, device=count.device)
    count = torch.maximum(count, one)
    joint: Tensor = count / count.sum(-1, keepdim=True) * size[:, None]
    return joint


def transition_from_joint(joint: Tensor) -> Tensor:
    """Return ``T[i, j] = P(given j | true i)`` of counts ``(given, true)``, ``(C, C)``."""
    size = joint.sum(0)
    one = torch.eye(len(joint), dtype=joint.dtype, device=joint.device)
    return torch.where(size > 0, joint / size.clamp(min=1), one).T


def label_error_mask(label: Tensor, posterior: Tensor, joint: Tensor, by: str) -> Tensor:
    """Return a mask ``(N,)`` of the labels that are judged wrong.

    ``class``: of the examples labelled ``i``, as many as ``joint`` has off its diagonal, those with
    the smallest ``posterior[i]``. ``noise_rate``: for each other class ``j``, ``joint[i, j]`` of
    them, those with the largest ``posterior[j] - posterior[i]``. ``both``: those that both find.
    Counts are rounded; one of each class always stays.
    """
    own = posterior.gather(1, label[:, None])  # (N, 1)
    margin = posterior - own
    wrong = torch.ones_like(label, dtype=torch.bool)
    if by in {"class", "both"}:
        count = (joint.sum(-1) - joint.diagonal().clamp(min=1) + 0.5).floor()
        wrong &= rank_within(label, -own, len(joint)).squeeze(1) < count[label]
    if by in {"noise_rate", "both"}:
        one = torch.eye(len(joint), dtype=joint.dtype, device=joint.device)
        others = ((1 - one) * joint + 0.5).floor()
        wrong &= (rank_within(label, margin, len(joint)) < others[label]).any(-1)
    return wrong

"""Retraining on predicted labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between
from methods.parts.warm_up import warmup_stages


@dataclass(frozen=True)
class Retraining(Method, label="Retraining", family="targets"):
    """Train on the given labels, then train a new network on those that the first one predicts.

    First stage, ``first`` of the epochs: ``-log p[y]``. Then ``y' = argmax_k p[k]`` on the images
    without augmentation, and a new network trains by ``-log p[y']``: of every example with
    ``labels="full"``; with ``labels="consensus"`` of those with ``y' = y`` alone, of which the
    batch takes the mean.

    State:
        kept: (N,) bool, whether an example is trained on.
        target: (N,) int64, the labels in use; given: (N,), the given ones.
        start: 0-d int64, the first epoch of the second stage.

    Source:
        Rudrajit Das, Inderjit S. Dhillon, Alessandro Epasto, Adel Javanmard, Jieming Mao, Vahab
        Mirrokni, Sujay Sanghavi & Peilin Zhong, "Retraining with predicted hard labels provably
        increases model accuracy", ICML 2025. https://arxiv.org/abs/2406.11206 (sections 3 and 5, as
        its abstract sums them up; no code of the authors is public).
    """

    labels: Literal["consensus", "full"] = "consensus"
    first: Annotated[float, Between(0.01, 0.99)] = 0.5

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a first network and a second one."""
        return warmup_stages(self.first, epochs)

    def init(self, task: Task) -> State:
        """Believe the given labels."""
        label, start = task.label, self.stages(task.epochs)[0].epochs
        return {
            "kept": torch.ones_like(label, dtype=torch.bool),
            "target": label,
            "given": label,
            "start": torch.tensor(start, device=label.device),
        }

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Take over the predictions of the first network, once, when it is trained."""
        predicted, now = outputs[0].argmax(-1), epoch == state["start"]
        agrees = (predicted == state["given"]) | (self.labels == "full")
        return {
            **state,
            "target": torch.where(now, predicted, state["target"]),
            "kept": torch.where(now, agrees, state["kept"]),
        }

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean cross-entropy of the kept examples; none have none."""
        hard = F.cross_entropy(logits, state["target"][batch.ids], reduction="none")
        kept = state["kept"][batch.ids].to(hard.dtype)
        return (kept * hard).sum() / kept.sum().clamp(min=1), state

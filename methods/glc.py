"""GLC: gold loss correction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Stage, State, Task
from methods.bounds import Between
from methods.parts.clean_subset import CleanSubset
from methods.parts.labels import one_hot
from methods.parts.transition import forward_cross_entropy
from methods.parts.warm_up import warmup_stages


@dataclass(frozen=True)
class GLC(CleanSubset, label="GLC", family="transition"):
    """Read the noise off the predictions on a few examples of known class, and correct the loss.

    First stage, ``warmup`` of the epochs, without the trusted examples: ``-log p[y]``, of which the
    batch takes the mean over all. Row ``k`` of ``T`` is then the mean prediction on the trusted
    examples of true class ``k``, an estimate of ``P(given j | true k)``. A new network trains by
    ``-log sum_k p[k] T[k, y]``, and on trusted examples by ``-log p[true]``.

    State:
        transition: (C, C), ``T``; the identity until it is estimated.
        trusted: (M,) int64, places of the trusted examples; truth: (M,) int64, their true labels.
        known: (N,) int64, the true label of a trusted example, -1 of any other.
        start: 0-d int64, the first epoch of the second stage.

    Source:
        Dan Hendrycks, Mantas Mazeika, Duncan Wilson & Kevin Gimpel, "Using trusted data to train
        deep networks on labels corrupted by severe noise", NeurIPS 2018.
        https://arxiv.org/abs/1802.05300 (algorithm 1). The authors' code mmazeika/glc,
        ``CIFAR/train_ours.py``, was read at commit 5b456a0; loss, gradient and matrix differ by
        2e-16 in float64.

    Differs from that code:
        Its second network starts from the first one's initial weights, here from others. Both of
        its stages have all epochs. A class without trusted examples has the row of the identity.
    """

    warmup: Annotated[float, Between(0.01, 0.99)] = 0.5

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan the estimate, and training proper from new weights."""
        return warmup_stages(self.warmup, epochs)

    def init(self, task: Task) -> State:
        """Note which examples are trusted."""
        label, (places, truth) = task.label, task.trusted_labels()
        start = self.stages(task.epochs)[0].epochs
        return {
            "transition": torch.eye(task.num_classes, device=label.device),
            "trusted": places,
            "truth": truth,
            "known": torch.full_like(label, -1).index_copy(0, places, truth),
            "start": torch.tensor(start, device=label.device),
        }

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Estimate ``T``, once, when the first stage ends."""
        now, p = epoch == state["start"], outputs[0].softmax(-1)[state["trusted"]]
        group = one_hot(state["truth"], p)  # (M, C)
        size, none = group.sum(0)[:, None], torch.eye(p.shape[1], dtype=p.dtype, device=p.device)
        mean = torch.where(size > 0, group.T @ p / size.clamp(min=1), none)
        return {**state, "transition": torch.where(now, mean, state["transition"])}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the loss on given labels, or of what is known of trusted examples."""
        known = state["known"][batch.ids]
        trusted, late = known >= 0, epoch >= state["start"]
        silver = forward_cross_entropy(logits, batch.label, state["transition"])
        gold = F.cross_entropy(logits, known.clamp(min=0), reduction="none")
        gold = torch.where(late, gold, torch.zeros_like(gold))
        return torch.where(trusted, gold, silver), state

"""Self-adaptive training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Fraction
from methods.parts.labels import one_hot


@dataclass(frozen=True)
class SAT(Method, label="SAT", family="early"):
    """Replace labels, step by step, by a running average of the network's own predictions.

    From ``warmup`` of the epochs on, at each visit ``t[i] <- m * t[i] + (1 - m) * p[i]``, from
    ``t[i] = onehot(y_i)``, and with ``w_i = max_k t[i, k]``
    ``loss = sum_i w_i * -sum_k t[i, k] * log p[i, k] / sum_i w_i``. Before, cross-entropy.

    State:
        target: (N, C), ``t``; start: 0-d int64, the first epoch after the warm-up.

    Source:
        Lang Huang, Chao Zhang & Hongyang Zhang, "Self-adaptive training: beyond empirical risk
        minimization", NeurIPS 2020. https://arxiv.org/abs/2002.10319 (algorithm 1).

    Differs from the authors' code (LayneH/self-adaptive-training, ``losses/loss.py``):
        Its warm-up is 60 of 200 epochs on CIFAR-10, hence the share.
    """

    momentum: Fraction = 0.9
    warmup: Fraction = 0.3

    def init(self, task: Task) -> State:
        """Believe every label."""
        like = torch.zeros(1, task.num_classes, device=task.label.device)
        start = torch.tensor(round(self.warmup * task.epochs), device=task.label.device)
        return {"target": one_hot(task.label, like), "start": start}

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the targets, weighted by their largest entry."""
        late, old = epoch >= state["start"], state["target"][batch.ids]  # (B, C)
        moved = self.momentum * old + (1 - self.momentum) * logits.detach().softmax(-1)
        target = torch.where(late, moved, old)
        weight = target.amax(-1)
        soft = -(target * logits.log_softmax(-1)).sum(-1)
        after = {**state, "target": state["target"].index_copy(0, batch.ids, target)}
        return (weight * soft).sum() / weight.sum(), after

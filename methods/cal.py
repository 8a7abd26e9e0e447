"""CAL: covariance-assisted learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.warm_up import warmup_stages

SMALL, LARGE = 1e-8, 1e-5
"""What is added to a probability: beside the given label's loss, and in all other terms."""


@dataclass(frozen=True)
class CAL(Method, label="CAL", family="transition"):
    """Take out of the loss how it covaries with wrong labels that depend on the image.

    With ``l_k = -log p_k``, the first stage, ``first`` of the epochs, minimises
    ``(l_y - b * sum_k q_k l_k) / (1 + b)``, where ``q`` are the roots of the shares of the given
    labels, scaled to sum to 1. In its last epoch every example is given a class ``s``, taken as
    true: the given label ``y`` where ``l_y - mean_k l_k < -threshold``, else the prediction. The
    second stage, of new weights, minimises, with the shares themselves for ``q``,

        ``(l_y - b * sum_k q_k l_k - c_i * sum_k ([y = k] - T[s, k]) l_k) / (1 + b)``

    where ``T[s, k]`` is the share of the label ``k`` among the examples of class ``s``, and ``c_i``
    the share of that class in the training set over that in the batch. The last term is the
    covariance of flips and losses within a class, which is 0 in mean where flips depend on nothing
    but the class. ``b`` rises from 0 between the shares ``warmup`` and ``full`` of as many epochs
    as the second stage has: to ``sieve_beta`` in the first, to ``beta`` in the second.

    State:
        prior: (2, C), ``q`` of both stages.
        believed: (N,) int64, ``s``; the given labels until they are judged.
        joint: (C, C), the examples of each class ``s`` by given label.
        transition: (C, C), ``T``; the identity before.
        stage: (2,) int64, the epochs of both stages.

    Source:
        Zhaowei Zhu, Tongliang Liu & Yang Liu, "A second-order approach to learning with
        instance-dependent label noise", CVPR 2021. https://arxiv.org/abs/2012.11854 (equations 4
        to 9, algorithm 1). The authors' code UCSC-REAL/CAL, ``lossfuncs/peerloss.py``,
        ``models/peerreg_CAL.py`` and ``experiments/exptPeerReg.py``, was read at commit bdb376b:
        the threshold, the two values of ``b``, and 66 and 100 epochs are its own.

    Differs from that code:
        Its two trainings are runs of their own, and it goes on with the first one after the classes
        have been judged. It divides the learning rate by ``1 + b``, here the loss. It subtracts a
        constant from every ``l_k`` of the last term, which moves the value and no gradient. Under
        100 classes it multiplies ``q`` by 10, which is ten times the ``b`` in the numerator.
    """

    beta: NonNegative = 1.0
    sieve_beta: NonNegative = 2.0
    threshold: NonNegative = 8.0
    first: Annotated[float, Between(0.01, 0.99)] = 0.4
    warmup: Fraction = 0.1
    full: Fraction = 0.4

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan the judging, and a training of new weights."""
        return warmup_stages(self.first, epochs)

    def init(self, task: Task) -> State:
        """Count the labels, and take them for true."""
        label, classes = task.label, task.num_classes
        share = one_hot(label, torch.zeros(1, classes, device=label.device)).mean(0)
        lengths = [stage.epochs for stage in self.stages(task.epochs)]
        return {
            "prior": torch.stack([share.sqrt() / share.sqrt().sum(), share]),
            "believed": label,
            "joint": torch.zeros(classes, classes, device=label.device),
            "transition": torch.eye(classes, device=label.device),
            "stage": torch.tensor(lengths, device=label.device),
        }

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean loss of the stage; in the last epoch of the first, judge the examples."""
        start, length = state["stage"].unbind()
        late, judges = epoch >= start, epoch == start - 1
        rise = torch.where(late, epoch - start, epoch) / length - self.warmup
        most = late * (self.beta - self.sieve_beta) + self.sieve_beta
        beta = most * (rise / max(self.full - self.warmup, 1e-9)).clamp(0, 1)
        prior = torch.where(late, state["prior"][1], state["prior"][0])
        p = logits.softmax(-1)
        fit, other = -(p + SMALL).log(), -(p + LARGE).log()  # (B, C)
        given, known = one_hot(batch.label, p), state["believed"][batch.ids]
        hard = (given * fit).sum(-1)
        kind = one_hot(known, p)  # (B, C)
        scale = state["joint"].sum(1) / state["joint"].sum().clamp(min=1) / kind.sum(0).clamp(min=1)
        drift = ((given - state["transition"][known]) * other).sum(-1)
        covariance = torch.where(late, (scale[known] * drift).sum(), 0.0)
        loss = (hard.mean() - beta * (other @ prior).mean() - covariance) / (1 + beta)
        sure = hard - fit.mean(-1) < -self.threshold
        found = torch.where(judges, torch.where(sure, batch.label, p.argmax(-1)), known)
        counted = state["joint"] + judges * one_hot(found, given).mT @ given
        size = counted.sum(1, keepdim=True)
        share = torch.where(size > 0, counted / size.clamp(min=1), state["transition"])
        after = {
            **state,
            "believed": state["believed"].index_copy(0, batch.ids, found),
            "joint": counted.detach(),
            "transition": torch.where(judges, share, state["transition"]).detach(),
        }
        return loss, after

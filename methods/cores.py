"""CORES2: confidence regularisation and a sieve."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Fraction, NonNegative
from methods.parts.labels import one_hot


@dataclass(frozen=True)
class CORES(Method, label="CORES2", family="weights"):
    """Reward confident predictions, and train on what is then easier than its average label.

    With ``l_k = -log p_k`` and ``q`` the shares of the given labels, the loss of an example is
    ``(l_y - b * sum_k q_k l_k) / (1 + b)``; ``b`` rises from 0 to ``beta`` between the shares
    ``warmup`` and ``full`` of training. After the share ``sieve``, only those with
    ``l_y <= mean_k l_k`` are kept, of which the loss is the mean.

    State:
        prior: (C,), ``q``.
        kept: (N,) bool, whether an example was trained on at its last visit.
        epochs: 0-d int64, all there are.

    Source:
        Hao Cheng, Zhaowei Zhu, Xingyu Li, Yifei Gong, Xing Sun & Yang Liu, "Learning with
        instance-dependent label noise: a sample sieve approach", ICLR 2021.
        https://arxiv.org/abs/2010.02347 (equations 3 to 5, algorithm 1). The shares are the
        authors' 10, 40 and 30 of 100 epochs.

    Differs from the paper:
        The sieve sees the network as it is, and in the logarithms of the reward and of the mean
        ``p`` is ``p + 1e-8``, which bounds the loss from below; both as in the authors' code
        (UCSC-REAL/cores, ``loss.py`` at commit cf0945e). A batch without kept examples trains on
        none.

    Differs from that code:
        It divides the learning rate by ``1 + b``, here the loss, which is the same under SGD
        without weight decay. Before every epoch it counts the prior anew, over the examples that
        the epoch before kept; here it is that of all given labels, as in the paper. Its ``b``
        reaches ``beta`` an epoch earlier.

    Left out: the semi-supervised second phase of CORES2*.
    """

    version: ClassVar[int | str] = 2

    beta: NonNegative = 2.0
    warmup: Fraction = 0.1
    full: Fraction = 0.4
    sieve: Fraction = 0.3

    def init(self, task: Task) -> State:
        """Count the labels; keep every example."""
        label, classes = task.label, task.num_classes
        prior = one_hot(label, torch.zeros(1, classes, device=label.device)).mean(0)
        kept = torch.ones(len(label), dtype=torch.bool, device=label.device)
        return {
            "prior": prior,
            "kept": kept,
            "epochs": torch.tensor(task.epochs, device=label.device),
        }

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean regularised loss of the kept examples."""
        exact = logits.log_softmax(-1)  # (B, C)
        log_p = (exact.exp() + 1e-8).log()
        hard = -exact.gather(1, batch.label[:, None]).squeeze(1)
        rise = (epoch / state["epochs"] - self.warmup) / max(self.full - self.warmup, 1e-9)
        beta = self.beta * rise.clamp(0, 1)
        regularised = (hard + beta * (log_p @ state["prior"])) / (1 + beta)
        early = epoch <= self.sieve * state["epochs"]
        kept = early | (hard <= -log_p.mean(-1)).detach()
        share = kept.to(hard.dtype) / kept.sum().clamp(min=1)
        after = {**state, "kept": state["kept"].index_copy(0, batch.ids, kept)}
        return (share * regularised).sum(), after

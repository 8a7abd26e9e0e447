"""Decoupling: update by disagreement."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Fraction


@dataclass(frozen=True)
class Decoupling(Method, label="Decoupling", family="selection"):
    """Train two networks on the examples on which they predict different classes.

    The loss is the sum over both networks of ``-log p[y]`` of these examples, divided by their
    number, or by the share ``least`` of the batch if they are fewer. When to learn is so decoupled
    from what to learn: the networks agree on most wrong labels' images, and then do not learn them.

    State:
        kept: (N,) bool, whether an example was trained on at its last visit.

    Source:
        Eran Malach & Shai Shalev-Shwartz, "Decoupling 'when to update' from 'how to
        update'", NeurIPS 2017. https://arxiv.org/abs/1706.02613 (algorithm 1). The authors' code
        emalach/UpdateByDisagreement, ``train.py``, was read at commit 86d01a8: no warm-up, and the
        divisor, with which loss and gradient differ by 9e-16 in float64.
    """

    networks: ClassVar[int] = 2
    least: Fraction = 0.1

    def init(self, task: Task) -> State:
        """Keep no example before the first visit."""
        return {"kept": torch.zeros_like(task.label, dtype=torch.bool)}

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the loss of both networks where they disagree."""
        first, second = logits.argmax(-1)
        apart = first != second  # (B,)
        hard = sum(F.cross_entropy(own, batch.label, reduction="none") for own in logits.unbind())
        share = apart.to(logits.dtype) / apart.sum().clamp(min=max(self.least * len(apart), 1e-9))
        after = {**state, "kept": state["kept"].index_copy(0, batch.ids, apart)}
        return (share * hard).sum(), after

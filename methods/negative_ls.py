"""Negative label smoothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between, NonNegative


@dataclass(frozen=True)
class NegativeLS(Method, label="Negative label smoothing", family="targets"):
    """Warm up by cross-entropy, then sharpen the target beyond the label, in tiny steps.

    First stage, ``warmup`` of the epochs: ``-log p_y``. Second stage:
    ``pace * ((1 - rate) * -log p_y + rate * mean_k -log p_k)``, with ``rate < 0`` for negative and
    ``rate > 0`` for positive smoothing. A negative rate makes the loss unbounded below, so it would
    diverge from scratch. ``pace`` stands for a smaller learning rate, which for gradient descent
    with momentum is the same.

    State:
        start: 0-d int64, the first epoch of the second stage.

    Source:
        Jiaheng Wei, Hangyu Liu, Tongliang Liu, Gang Niu, Masashi Sugiyama & Yang Liu, "To smooth or
        not? When label smoothing meets noisy labels", ICML 2022. https://arxiv.org/abs/2106.04149
        (equation 2). The authors' code UCSC-REAL/negative-label-smoothing was read at commit
        05078f6, ``main_warmup.py`` and ``main_GLS_load.py``: 120 epochs, then 100 at a learning
        rate of 1e-6.

    Differs from that code:
        It chooses ``rate`` among 14 values and the epoch by test accuracy. Its warm-up has another
        optimiser. Its ``pace`` is 1e-5 of the first learning rate over 39,000 steps; the default
        here goes about as far in the hundred steps of a small data set.
    """

    rate: Annotated[float, Between(-8.0, 1.0)] = -1.0
    warmup: Annotated[float, Between(0.01, 0.99)] = 0.55
    pace: NonNegative = 1e-3

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a warm-up, and training on from its weights."""
        first = min(max(round(self.warmup * epochs), 1), epochs - 1)
        return [Stage(first), Stage(epochs - first)]

    def init(self, task: Task) -> State:
        """Note when the warm-up ends."""
        first = self.stages(task.epochs)[0].epochs
        return {"start": torch.tensor(first, device=task.label.device)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy, later that to the sharpened target."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        uniform = -logits.log_softmax(-1).mean(-1)
        sharp = self.pace * ((1 - self.rate) * hard + self.rate * uniform)
        return torch.where(epoch < state["start"], hard, sharp), state

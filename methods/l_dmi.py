"""L_DMI: mutual information by a determinant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between, NonNegative
from methods.parts.labels import one_hot
from methods.parts.warm_up import warmup_stages


@dataclass(frozen=True)
class LDMI(Method, label="L_DMI", family="outputs"):
    """Warm up by cross-entropy, then raise the determinant of predictions and labels together.

    First stage, ``warmup`` of the epochs: ``-log p[y]``. Second stage, over the batch,
    ``pace * -log(|det M| + 0.001)`` with ``M[j, k] = sum_i [y_i = j] p_i[k]``. Noise that does not
    depend on the image multiplies the expected ``M`` by the transition matrix, so it adds a
    constant to the loss and moves no minimum, whatever the matrix. ``pace`` stands for a smaller
    learning rate, which for gradient descent with momentum is the same.

    State:
        start: 0-d int64, the first epoch of the second stage.

    Source:
        Yilun Xu, Peng Cao, Yuqing Kong & Yizhou Wang, "L_DMI: a novel information-theoretic loss
        function for training deep nets robust to label noise", NeurIPS 2019.
        https://arxiv.org/abs/1909.03388 (equation 4). The authors' code Newbeeer/L_DMI,
        ``CIFAR-10/CE.py`` and ``DMI.py``, was read at commit 7d5e4bc: 120 epochs, then 100 at a
        learning rate of 1e-6. Loss and gradient differ by 3e-15 in float64.

    Differs from that code:
        It starts the second stage from the epoch that was best on validation labels, and ends where
        these say. Its ``pace`` is 1e-5 of the first learning rate over 39,000 steps; the default
        here goes about as far in the hundred steps of a small data set. A last batch that is
        smaller counts, too; of fewer examples than classes the loss is constant.
    """

    warmup: Annotated[float, Between(0.01, 0.99)] = 0.55
    pace: NonNegative = 1e-3

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan a warm-up, and training on from its weights."""
        return warmup_stages(self.warmup, epochs, anew=False)

    def init(self, task: Task) -> State:
        """Note when the warm-up ends."""
        first = self.stages(task.epochs)[0].epochs
        return {"start": torch.tensor(first, device=task.label.device)}

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean cross-entropy, later the loss of the determinant."""
        hard = F.cross_entropy(logits, batch.label)
        late = self.pace * determinant_loss(logits, batch.label)
        return torch.where(epoch < state["start"], hard, late), state


def determinant_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Return ``-log(|det M| + 0.001)``, 0-d, from ``M`` divided by its mean diagonal.

    So the determinant neither overflows nor vanishes with the size of the batch.
    """
    size, classes = logits.shape
    scale, numbers = size / classes, torch.finfo(logits.dtype)
    joint = one_hot(label, logits).T @ logits.softmax(-1) / scale
    rise = math.log(1e-3) - classes * math.log(scale)
    least = math.exp(min(max(rise, math.log(numbers.tiny)), math.log(numbers.max)))
    loss: Tensor = -(torch.linalg.det(joint).abs() + least).log() - classes * math.log(scale)
    return loss

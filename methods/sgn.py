"""Shifted Gaussian noise: classification as a regression of log-ratios."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.labels import one_hot

COUNTED = 600
"""Epochs of the authors' training, in which ``alpha`` counts."""


@dataclass(frozen=True)
class SGN(Method, label="SGN", family="targets"):
    """Regress labels as log-ratios, with noise whose mean and size the network tells of each image.

    With ``y'`` the label smoothed by ``smoothing`` and ``H`` the ``C - 1`` orthonormal rows of a
    Helmert matrix, the target is ``t = H log y'``. The network gives a mean ``m`` and a vector
    ``r``, both of ``C - 1`` numbers; its averaged weights give ``m'`` on the same image. The noise
    of a label is taken to be Gaussian with the mean ``s * (t - m')``, which corrects the label, and
    the scale ``S = I + r r^T``, which makes less of an odd example:
    ``loss = |S^-1 (t - m - s * (t - m'))|^2 / 2 + log(1 + |r|^2) + (C - 1) / 2 * log(2 pi)``,
    times ``pace``. After a share ``d`` of training ``s = 1 - alpha^(600 d)``; averages reach back
    the share ``memory`` of it. The averaged weights predict ``softmax(H^T m')``.

    State:
        target: (C, C - 1), ``t`` of each label.
        seen: 0-d int64, examples so far; total: 0-d int64, those of all epochs.

    Source:
        Erik Englesson & Hossein Azizpour, "Robust classification via regression for learning with
        noisy labels", ICLR 2024. https://openreview.net/forum?id=wfgZc3IMqo (section 3). The
        authors' code ErikEnglesson/SGN, ``src/cifar/sgn.py``, was read at commit cebd960, of which
        the defaults are; ``memory`` is that of a decay of 0.9999 in 600 epochs of 351 steps, and
        ``pace`` stands for its learning rate of 0.01, where cross-entropy takes 0.1.

    Differs from that code:
        There averaged weights see a batch in training mode, and have running statistics of their
        own; here they always predict in evaluation mode, with averaged statistics. Their average is
        the plain mean of all steps until it reaches back as far as the memory. That code tests both
        the network and the average, and where it selects, by the average: so here that predicts.
    """

    peeks: ClassVar[bool] = True
    averaged: ClassVar[tuple[str, ...]] = ("peeks", "predictions")

    smoothing: Annotated[float, Between(1e-6, 1.0)] = 0.001
    alpha: Fraction = 0.995
    pace: NonNegative = 0.1
    memory: Annotated[float, Between(1e-6, 1.0)] = 0.047

    def columns(self, classes: int) -> int:
        """Ask for a mean and a factor of the scale, each of one number less than classes."""
        return 2 * (classes - 1)

    def decay(self, steps: int, epochs: int) -> float:
        """Keep what makes the average as long as the memory."""
        return 1 - 1 / max(1.0, self.memory * steps * epochs)

    def init(self, task: Task) -> State:
        """Compute the target of each label."""
        one = torch.ones((), device=task.label.device)
        classes = torch.arange(task.num_classes, device=task.label.device)
        rows = one_hot(classes, one.expand(task.num_classes, task.num_classes))
        smooth = (1 - self.smoothing) * rows + self.smoothing / task.num_classes
        return {
            "target": smooth.log() @ helmert(smooth).T,
            "seen": torch.zeros_like(classes[0]),
            "total": torch.full_like(classes[0], task.epochs * len(task.label)),
        }

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the negative log-likelihood of each label's log-ratios."""
        size = state["target"].shape[1]
        mean, factor = logits[..., :size], logits[..., size:]  # (B, C - 1)
        target, average = state["target"][batch.label], batch.peeked_outputs()[..., :size]
        shift = 1 - self.alpha ** (COUNTED * state["seen"] / state["total"])
        apart = target - mean - shift * (target - average)
        # The inverse and the determinant of identity plus rank one.
        determinant = 1 + factor.square().sum(-1)
        along = (factor * apart).sum(-1) / determinant
        scaled = apart - factor * along[:, None]
        constant = size / 2 * math.log(2 * math.pi)
        losses = self.pace * (scaled.square().sum(-1) / 2 + determinant.log() + constant)
        return losses, {**state, "seen": state["seen"] + len(batch.ids)}

    def predict(self, outputs: Tensor) -> Tensor:
        """Return the logits of the classes that the mean stands for."""
        mean = outputs[0, :, : outputs.shape[-1] // 2]  # (N, C - 1)
        basis = helmert(mean.new_zeros(1, mean.shape[-1] + 1))
        return mean @ basis


def helmert(like: Tensor) -> Tensor:
    """Return an orthonormal basis ``(C - 1, C)`` of what sums to 0, for ``like`` ``(..., C)``.

    Row ``k``, from 1, has ``k`` ones, then ``-k``, divided by ``sqrt(k (k + 1))``.
    """
    column = torch.arange(like.shape[-1], device=like.device)
    row = column[1:, None]
    number = row.to(like.dtype)
    entries = (column < row).to(like.dtype) - number * (column == row)
    return entries / (number * (number + 1)).sqrt()

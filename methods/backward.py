"""Backward loss correction."""

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, State, Task
from methods.parts.transition import LossCorrection


@dataclass(frozen=True)
class Backward(LossCorrection, label="Backward correction", family="transition"):
    """Weigh the losses of all classes so that their mean over the noise is the clean loss.

    ``loss = sum_k (T^-1)[y, k] * -log p_k``, with ``T[k, y] = P(given y | true k)``, which is
    given, or estimated in a first stage (see ``LossCorrection``). It is unbiased: given the true
    class ``k``, its mean over ``y`` is ``-log p_k``. Single losses may be negative.

    State: that of ``LossCorrection``, and inverse: (C, C), of ``T``.

    Source:
        Giorgio Patrini, Alessandro Rozza, Aditya Krishna Menon, Richard Nock & Lizhen Qu, "Making
        deep neural networks robust to label noise: a loss correction approach", CVPR 2017.
        https://arxiv.org/abs/1609.03683 (theorem 1; equations 12 and 13).

    Differs from the paper:
        ``p`` is clipped at 1e-7, as in the authors' code (giorgiop/loss-correction, ``loss.py``):
        without a bound, the negative terms have no minimum. For a singular ``T``, its
        pseudo-inverse stands in.
        The paper stops the first stage by validation loss; here its length is a field.
    """

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the row of the inverse at the given label, times the losses of all classes."""
        each = -logits.log_softmax(-1).clamp(min=-16.118095650958319)  # (B, C), log 1e-7
        return (state["inverse"][batch.label] * each).sum(-1), state

    def init(self, task: Task) -> State:
        """Start from the given matrix, or from none."""
        return _inverted(super().init(task))

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Estimate ``T``, once, when the warm-up ends."""
        return _inverted(super().refit(outputs, state, epoch))


def _inverted(state: State) -> State:
    return {**state, "inverse": torch.linalg.pinv(state["transition"])}

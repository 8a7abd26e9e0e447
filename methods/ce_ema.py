"""Cross-entropy with averaged weights."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between


@dataclass(frozen=True)
class CrossEntropyEMA(Method, label="Cross-entropy (EMA)", family="baseline"):
    """Train as usual, and predict with a moving average of the weights along the way.

    ``average <- d * average + (1 - d) * weights`` after every step, with ``1 / (1 - d)`` steps
    making ``horizon`` of the training; the plain mean of all steps until there are so many. The
    average never steers the training. Running statistics are averaged as the weights are.

    Source:
        Daniel Morales-Brotons, Thijs Vogels & Hadrien Hendrikx, "Exponential moving average of
        weights in deep learning: dynamics and benefits", TMLR 2024.
        https://arxiv.org/abs/2411.18704, and Polyak & Juditsky, "Acceleration of stochastic
        approximation by averaging", SIAM J. Control Optim. 1992. https://doi.org/10.1137/0330046

    Differs from the paper:
        It takes ``d`` of about 0.998, an epoch or so of CIFAR, and picks the epoch on validation
        data. ``horizon`` is a share of the training, so that the last epoch still remembers weights
        from before they fitted the noise.
    """

    averaged: ClassVar[tuple[str, ...]] = ("predictions",)
    horizon: Annotated[float, Between(1e-6, 1.0)] = 0.5

    def decay(self, steps: int, epochs: int) -> float:
        """Keep what makes the average as long as the horizon."""
        return 1 - 1 / max(1.0, self.horizon * steps * epochs)

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the given labels."""
        return F.cross_entropy(logits, batch.label, reduction="none"), state

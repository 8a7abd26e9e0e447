"""Joint optimisation of network and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.recent import no_predictions, with_predictions


@dataclass(frozen=True)
class JointOptimization(Method, label="Joint optimisation", family="targets"):
    """Replace all labels by the network's predictions while it trains, then train anew on them.

    First step, ``first`` of the epochs, at a constant learning rate, which is high so that wrong
    labels are not fitted: ``loss = -sum_k s_i[k] log p_i[k] + alpha * -sum_k log(mean_j p_j[k]) / C
    + beta * H(p_i)``. The second term keeps all classes in use, the third makes predictions
    certain. The targets ``s`` are the given labels; after the share ``begin`` of all epochs, at the
    end of each, they become the mean prediction over the share ``window`` of the epochs that went
    last. Second step: a new network trains by ``-sum_k s_i[k] log p_i[k]``.

    State:
        target: (N, C), ``s``.
        recent: (N, window, C), predictions of the epochs that went last.
        begin: 0-d int64, the first epoch after a change of targets; second: of the second step.

    Source:
        Daiki Tanaka, Daiki Ikami, Toshihiko Yamasaki & Kiyoharu Aizawa, "Joint optimization
        framework for learning with noisy labels", CVPR 2018. https://arxiv.org/abs/1803.11364
        (equations 6 to 13, algorithm 1). The authors' code DaikiTanaka-UT/JointOptimization,
        ``first_step_train.py`` and ``second_step_train.py``, was read at commit 7e7a30d, of which
        the defaults are, as shares of its 200 + 120 epochs: 200, 70 and 10. Over the first step in
        float64 losses, gradients and targets differ by 9e-16.

    Differs from that code:
        It has one learning rate for each noise, 0.03 to 0.08, in the first step and 0.2 in the
        second; here both take the recipe's.
    """

    alpha: NonNegative = 1.0
    beta: NonNegative = 0.5
    first: Annotated[float, Between(0.01, 0.99)] = 0.625
    begin: Fraction = 0.219
    window: Fraction = 0.031

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan both steps."""
        first = min(max(round(self.first * epochs), 1), epochs - 1)
        constant = {"schedule": "constant"}
        return [Stage(first, recipe=constant), Stage(epochs - first, fresh_networks=True)]

    def init(self, task: Task) -> State:
        """Believe the given labels."""
        label, classes, device = task.label, task.num_classes, task.label.device
        begin = max(1, round(self.begin * task.epochs))
        window = min(max(1, round(self.window * task.epochs)), begin)
        return {
            "target": one_hot(label, torch.zeros(1, classes, device=device)),
            "recent": no_predictions(label, classes, window),
            "begin": torch.tensor(begin, device=device),
            "second": torch.tensor(self.stages(task.epochs)[0].epochs, device=device),
        }

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Make the mean predictions the targets, until the second step has begun."""
        now = (epoch >= state["begin"]) & (epoch <= state["second"])
        target = torch.where(now, state["recent"].mean(1), state["target"])
        return {**state, "target": target}

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean cross-entropy to the targets; in the first step, with both others."""
        log_p = logits.log_softmax(-1)
        p, classes = log_p.exp(), logits.shape[-1]
        fit = -(state["target"][batch.ids] * log_p).sum(-1).mean()
        least = torch.finfo(logits.dtype).tiny
        used = -p.mean(0).clamp(min=least).log().sum() / classes
        entropy = -(p * log_p).sum(-1).mean()
        first = fit + self.alpha * used + self.beta * entropy
        recent = with_predictions(state["recent"], batch.ids, p, epoch)
        return torch.where(epoch < state["second"], first, fit), {**state, "recent": recent}

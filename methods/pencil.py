"""Probabilistic end-to-end noise correction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between, NonNegative
from methods.parts.labels import one_hot

Share = Annotated[float, Between(0.01, 0.49)]


@dataclass(frozen=True)
class PENCIL(Method, label="PENCIL", family="targets"):
    """Learn a distribution over labels for every example, along with the network.

    With ``q_i = softmax(s_i)``, from ``s_i = 10 * onehot(y_i)``, in three stages:
    ``-log p[y]`` for ``first`` of the epochs; then for ``second`` of them
    ``KL(p | q) / C + alpha * -log q[y] + beta * H(p) / C``, which moves ``s`` as well, by plain
    gradient steps of ``travel / epochs of this stage``; last ``KL(p | q) / C`` with ``q`` fixed.
    The learning rate is constant in the first two, and follows the recipe in the last.

    ``double_softmax`` takes ``-log softmax(q)[y]`` for ``-log q[y]``, as the authors' code does, by
    which the published numbers came about: it hardly pulls towards a label once that is given up.
    Its ``alpha`` of 0.4 goes with that; for ``-log q[y]``, the paper's, 0.4 keeps wrong labels.

    State:
        soft: (N, C), ``s``, learnable; second, third: 0-d int64, the first epoch of the stages.

    Source:
        Kun Yi & Jianxin Wu, "Probabilistic end-to-end noise correction for learning with noisy
        labels", CVPR 2019. https://arxiv.org/abs/1903.07788 (equations 6 to 11).

    Differs from the authors' code (yikun2019/PENCIL, ``PENCIL.py``):
        On CIFAR-10 its stages end at epochs 70, 200 and 320, and steps on ``s`` are of 600, which
        is ``travel = 600 * 130``; the paper tunes these, ``alpha`` and ``beta`` by the noise. Its
        last stage divides learning rates by ``//``, which under Python 3 makes them 0.
    """

    learnable: ClassVar[tuple[str, ...]] = ("soft",)
    alpha: NonNegative = 0.1
    beta: NonNegative = 0.1
    travel: NonNegative = 78_000.0
    first: Share = 0.22
    second: Share = 0.4
    double_softmax: bool = False

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan three stages: fit labels, learn labels, train on the learnt ones."""
        constant = {"schedule": "constant"}
        first, second = (max(1, int(share * epochs)) for share in (self.first, self.second))
        plan = [Stage(first, recipe=constant), Stage(second, recipe=constant)][: epochs - 1]
        return [*plan, Stage(epochs - sum(stage.epochs for stage in plan))]

    def init(self, task: Task) -> State:
        """Start from the given labels."""
        like = torch.zeros(1, task.num_classes, device=task.label.device)
        lengths = [stage.epochs for stage in self.stages(task.epochs)]
        ends = torch.tensor([lengths[0], sum(lengths[:-1])], device=task.label.device)
        return {"soft": 10 * one_hot(task.label, like), "second": ends[0], "third": ends[1]}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the loss of the stage."""
        log_p, log_q = logits.log_softmax(-1), state["soft"][batch.ids].log_softmax(-1)  # (B, C)
        p, count = log_p.exp(), logits.shape[-1]
        apart = (p * (log_p - log_q)).sum(-1) / count
        reached = log_q.exp().log_softmax(-1) if self.double_softmax else log_q
        given = F.nll_loss(reached, batch.label, reduction="none")
        entropy = -(p * log_p).sum(-1) / count
        middle = apart + self.alpha * given + self.beta * entropy
        hard = F.nll_loss(log_p, batch.label, reduction="none")
        late = torch.where(epoch < state["third"], middle, apart)
        return torch.where(epoch < state["second"], hard, late), state

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Take a plain gradient step, in the second stage."""
        now = (epoch >= state["second"]) & (epoch < state["third"])
        step = self.travel / (state["third"] - state["second"]).clamp(min=1)
        return {**state, "soft": state["soft"] - now * step * slopes["soft"]}

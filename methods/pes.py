"""Progressive early stopping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between
from methods.parts.labels import one_hot

Share = Annotated[float, Between(0.01, 0.3)]
Layers = Annotated[int, Between(1, 1000)]


@dataclass(frozen=True)
class PES(Method, label="PES", family="early"):
    """Stop later layers earlier, for they fit noise first; then learn from what the network trusts.

    Four stages. All weights train by cross-entropy for ``whole`` of the epochs; the last ``upper``
    layers are renewed and train alone for ``second`` of them; then the last ``top`` layers for
    ``third``, both with Adam at ``lr``. In the rest all weights train on the confident examples,
    those whose label the network predicts, chosen again before every epoch. Each class weighs
    ``w_k = mean_j n_j / n_k``, with ``n`` the numbers of confident examples:
    ``loss = sum_i w[y_i] * kept_i * -log p[y_i] / sum_i w[y_i] * kept_i`` over the batch.

    State:
        kept: (N,) bool, whether an example is confident; all before the last stage.
        weight: (C,), ``w``; label: (N,), the noisy labels.
        start: 0-d int64, the first epoch of the last stage.

    Source:
        Yingbin Bai, Erkun Yang, Bo Han, Yanhua Yang, Jiatong Li, Yinian Mao, Gang Niu & Tongliang
        Liu, "Understanding and improving early stopping for learning with noisy labels", NeurIPS
        2021. https://arxiv.org/abs/2106.15853 (algorithm 1; supervised variant).

    Differs from the authors' code (tmllab/2021_NeurIPS_PES, ``PES_cs.py``):
        On CIFAR-10 with ResNet-18 its stages have 25, 7 and 5 to 7 of 200 epochs of 350 steps, the
        rate is 1e-4, and the upper layers are two blocks and the classifier:
        ``second=0.035, third=0.025, upper=3, lr=0.0001``; on CIFAR-100 with ResNet-34 the first has
        30, and the same blocks are ``upper=4``. On few images that is too little for new
        layers to learn anything, hence the longer stages and the higher rate.
        There the optimiser of the last stage still holds the layers before they were renewed, so
        it trains the others only; here it trains all, as the paper says. Predictions that select
        are of one image without augmentation, there the sum over two augmentations.
    """

    whole: Share = 0.125
    second: Share = 0.1
    third: Share = 0.1
    upper: Layers = 2
    top: Layers = 1
    lr: Annotated[float, Between(1e-8, 1.0)] = 3e-3

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Train all, renew, renew less, train all; a stage has an epoch at least, if there are."""
        adam = {"optimizer": "adam", "lr": self.lr, "schedule": "constant", "weight_decay": 0.0}
        shares = (self.whole, self.second, self.third)
        first, second, third = (max(1, int(share * epochs)) for share in shares)
        plan = [
            Stage(first),
            Stage(second, fresh_layers=self.upper, recipe=adam),
            Stage(third, fresh_layers=self.top, recipe=adam),
        ]
        plan = plan[: epochs - 1]
        return [*plan, Stage(epochs - sum(stage.epochs for stage in plan))]

    def init(self, task: Task) -> State:
        """Trust every label."""
        label, first = task.label, sum(stage.epochs for stage in self.stages(task.epochs)[:-1])
        return {
            "kept": torch.ones_like(label, dtype=torch.bool),
            "weight": torch.ones(task.num_classes, device=label.device),
            "label": label,
            "start": torch.tensor(first, device=label.device),
        }

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Find the confident examples, from the last stage on."""
        label, late = state["label"], epoch >= state["start"]
        kept = outputs[0].argmax(-1) == label
        count = (one_hot(label, outputs[0]) * kept[:, None]).sum(0)  # (C,)
        mean = count.sum() / (count > 0).sum().clamp(min=1)
        weight = torch.where(count > 0, mean / count.clamp(min=1), torch.zeros_like(count))
        return {
            **state,
            "kept": torch.where(late, kept, state["kept"]),
            "weight": torch.where(late, weight, state["weight"]),
        }

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy of the confident examples, classes balanced."""
        weight = state["weight"][batch.label] * state["kept"][batch.ids]  # (B,)
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        total = weight.sum()
        return (weight * hard).sum() / torch.where(total > 0, total, torch.ones_like(total)), state

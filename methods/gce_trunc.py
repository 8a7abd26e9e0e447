"""Truncated generalised cross-entropy."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Between, Fraction


@dataclass(frozen=True)
class GCETrunc(Method, label="Truncated GCE", family="bounded"):
    """Generalised cross-entropy without the examples on which the network is far from the label.

    ``loss = (1 - p_y^q) / q`` where an example is kept, else the constant ``(1 - k^q) / q``. All
    are kept until the share ``start`` of the epochs is over; then, and after every further
    ``every`` epochs, those are whose ``p_y`` exceeds ``k`` on the plain training image.

    State:
        kept: (N,) bool, whether an example is trained on.
        start: 0-d int64, the epoch before which nothing is left out.
        label: (N,) int64, the given labels.

    Source:
        Zhilu Zhang & Mert R. Sabuncu, "Generalized cross entropy loss for training deep neural
        networks with noisy labels", NeurIPS 2018. https://arxiv.org/abs/1805.07836 (equations 9 to
        12, algorithm 1; on CIFAR-10 it first prunes at epoch 40 of 120). The reimplementation
        AlanChou/Truncated-Loss was read at commit fef5908.

    Differs from the paper:
        It prunes by the best network so far, which the reimplementation chooses on the test set;
        here the network of the moment prunes.
    """

    q: Annotated[float, Between(1e-6, 1.0)] = 0.7
    k: Annotated[float, Between(0.0, 1.0)] = 0.5
    start: Fraction = 0.33
    every: Annotated[int, Between(1, 100_000)] = 10

    def init(self, task: Task) -> State:
        """Keep all."""
        device, start = task.label.device, round(self.start * task.epochs)
        kept = torch.ones(len(task.label), dtype=torch.bool, device=device)
        label = task.label
        return {"kept": kept, "label": label, "start": torch.tensor(start, device=device)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the bent loss of the kept examples, and a constant for the others."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")  # -log p_y
        bent = -torch.expm1(-self.q * hard) / self.q
        cut = torch.full_like(bent, (1 - self.k**self.q) / self.q)
        return torch.where(state["kept"][batch.ids], bent, cut), state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Choose the examples that are kept again, at the epochs for it."""
        since = epoch - state["start"]
        now = (since >= 0) & (since % self.every == 0)
        hard = F.cross_entropy(outputs[0], state["label"], reduction="none")
        return {**state, "kept": torch.where(now, (-hard).exp() > self.k, state["kept"])}

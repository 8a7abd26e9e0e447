"""Early-learning regularisation."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Fraction, NonNegative


@dataclass(frozen=True)
class ELR(Method, label="ELR", family="early"):
    """Stay close to a running average of the network's own early predictions.

    ``t[i] <- beta * t[i] + (1 - beta) * p[i]``, then
    ``loss = -log p[i, y_i] + weight * log(1 - <p[i], t[i]>)``

    State:
        target: (N, C), the running average ``t``; zero before an example's first visit.

    Source:
        Sheng Liu, Jonathan Niles-Weed, Narges Razavian & Carlos Fernandez-Granda, "Early-learning
        regularization prevents memorization of noisy labels", NeurIPS 2020.
        https://arxiv.org/abs/2007.00151 (equations 6 and 9).

    Differs from the authors' code (shengliu66/ELR, ``ELR/model/loss.py``):
        The defaults are its CIFAR-10 symmetric-noise values on every dataset.
    """

    beta: Fraction = 0.7
    weight: NonNegative = 3.0

    def init(self, task: Task) -> State:
        """Return an empty target for every training example."""
        n, device = len(task.label), task.label.device
        return {"target": torch.zeros(n, task.num_classes, device=device)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy plus the pull towards the running average."""
        p = logits.softmax(-1).clamp(1e-4, 1 - 1e-4)  # keeps log(1 - <p, t>) finite
        seen = p.detach() / p.detach().sum(-1, keepdim=True)
        target = self.beta * state["target"][batch.ids] + (1 - self.beta) * seen  # (B, C)
        pull = (1 - (p * target).sum(-1)).log()
        return (
            F.cross_entropy(logits, batch.label, reduction="none") + self.weight * pull,
            {"target": state["target"].index_copy(0, batch.ids, target)},
        )

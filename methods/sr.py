"""Sparse regularisation."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Between, NonNegative

LOWEST = math.log(1e-7)
"""The logarithm of the smallest probability that the penalty tells from others."""

GROWTH = 80.0
"""The logarithm of the most by which the penalty rises, short of what float32 holds."""


@dataclass(frozen=True)
class SR(Method, label="Sparse regularisation", family="outputs"):
    """Force sparse predictions, among which any loss is symmetric.

    ``loss = -log p_y + lam * rho^floor(epoch / every) * sum_k p_k^norm`` with
    ``p = softmax(z / (|z| * tau))``: a sharpened prediction, and a penalty that is least for a
    one-hot one and weighs more from epoch to epoch. ``normalise=False`` leaves out ``|z|``. In the
    penalty ``p`` is at least 1e-7, below which it pulls no more.

    ``rho`` and ``every`` are those of ``span`` epochs: in ``E`` epochs an epoch counts as
    ``span / E``, so that the penalty weighs the same at the same share of training.

    State:
        weight: (E,), of the penalty in each epoch.

    Source:
        Xiong Zhou, Xianming Liu, Chenyang Wang, Deming Zhai, Junjun Jiang & Xiangyang Ji, "Learning
        with noisy labels via sparse regularization", ICCV 2021. https://arxiv.org/abs/2108.00192
        (equations 9 and 10). The authors' code hitcszx/lnl_sr was read at commit cd3ed32,
        ``main.py``, ``norm.py`` and ``config.py``. The defaults are those of CIFAR-10; MNIST has no
        ``normalise``, ``tau=0.1, lam=4, rho=2, every=5, span=50``. The bound of 1e-7 is the code's.

    Differs from that code:
        It is evaluated by accuracy alone, on which the sharpening has no influence. Here the
        sharpened distribution, which is what was trained, is also what predicts.
    """

    version: ClassVar[int | str] = 2

    tau: Annotated[float, Between(0.001, 1000.0)] = 0.5
    norm: Annotated[float, Between(0.001, 1.0)] = 0.1
    lam: NonNegative = 1.2
    rho: Annotated[float, Between(1.0, 100.0)] = 1.03
    every: Annotated[int, Between(1, 100_000)] = 1
    normalise: bool = True
    span: Annotated[int, Between(1, 100_000)] = 120

    def init(self, task: Task) -> State:
        """Plan how the penalty rises."""
        epochs = torch.arange(task.epochs, dtype=torch.float64)
        # A hair more, lest a whole number be rounded to the one below.
        steps = (epochs * self.span / task.epochs / self.every + 1e-4).floor()
        growth = (steps * math.log(self.rho)).clamp(max=GROWTH).exp()
        return {"weight": (self.lam * growth).to(task.label.device, torch.get_default_dtype())}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy of the sharpened prediction plus the penalty on density."""
        log_p = self._sharpened(logits).log_softmax(-1)
        hard = F.nll_loss(log_p, batch.label, reduction="none")
        sparsity = (self.norm * log_p.clamp(min=LOWEST)).exp().sum(-1)
        return hard + state["weight"].index_select(0, epoch.view(1)) * sparsity, state

    def predict(self, outputs: Tensor) -> Tensor:
        """Return the sharpened logits."""
        return self._sharpened(outputs[0])

    def _sharpened(self, logits: Tensor) -> Tensor:
        direction = F.normalize(logits, dim=-1) if self.normalise else logits
        return direction / self.tau

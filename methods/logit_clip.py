"""Logit clipping."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between
from methods.loss_spec import LossSpec, named_losses


@dataclass(frozen=True)
class LogitClip(Method, label="LogitClip", family="bounded"):
    """Bound the length of the logit vector in training, which bounds any loss.

    ``z <- z * min(1, tau / |z|)`` with the Euclidean norm, then any loss: the paper's is
    cross-entropy, and others can be named. Predictions use the logits as they are.

    ``compat`` clips as both public codes do: what is longer than ``tau`` gets the length
    ``1 / tau``, so that it is cut for ``tau > 1``, stretched for ``tau < 1``, and at 1 as in the
    paper. With it, ``tau`` is ``--temp`` of the authors' code, whose example at symmetric noise of
    0.5 on CIFAR-10 is 1.5, and ``1 / delta`` of Wang et al. 2024 (cswjl/eps-softmax,
    ``losses.py``), whose table has 1 to 0.67 for symmetric and 0.4 for asymmetric noise there: the
    two lie on different sides of 1, and their lengths are each other's inverse. Published numbers
    of either stand on ``compat``; without it, the same ``tau`` is another method.

    Source:
        Hongxin Wei, Huiping Zhuang, Renchunzi Xie, Lei Feng, Gang Niu, Bo An & Yixuan Li,
        "Mitigating memorization of noisy labels by clipping the model prediction", ICML 2023.
        https://arxiv.org/abs/2212.04055 (equation 4). The authors' code hongxin001/LogitClip was
        read at commit 7e45730, ``algorithms/clip.py``.

    Differs from that code:
        Without ``compat`` the length is ``tau``, as the paper has it.
    """

    tau: Annotated[float, Between(0.001, 1000.0)] = 1.0
    compat: bool = False
    loss_: LossSpec = "cross_entropy"

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the loss of the clipped logits."""
        squared = logits.square().sum(-1, keepdim=True)  # (B, 1)
        norm = squared.clamp(min=torch.finfo(logits.dtype).tiny).sqrt()
        length = 1 / self.tau if self.compat else self.tau
        scale = torch.where(norm > self.tau, length / norm, torch.ones_like(norm))
        return named_losses(self.loss_, logits * scale, batch, epoch), state

"""Soft bootstrapping."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Fraction


@dataclass(frozen=True)
class BootstrapSoft(Method, label="Bootstrapping (soft)", family="targets"):
    """Believe the label in part, and the network's own distribution for the rest.

    ``loss = -sum_k (beta * onehot(y)_k + (1 - beta) * p_k) * log p_k``: cross-entropy plus the
    entropy of the prediction, which the gradient lowers. ``detach`` treats the prediction inside
    the target as a constant, as several later implementations do. With ``beta`` at the paper's 0.95
    the label keeps nearly all the say: on small images nothing tells it from cross-entropy.

    Source:
        Scott Reed, Honglak Lee, Dragomir Anguelov, Christian Szegedy, Dumitru Erhan & Andrew
        Rabinovich, "Training deep neural networks on noisy labels with bootstrapping", ICLR
        workshop 2015. https://arxiv.org/abs/1412.6596 (equation 6).
    """

    beta: Fraction = 0.95
    detach: bool = False

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the mixed target."""
        log_p = logits.log_softmax(-1)
        belief = log_p.detach().exp() if self.detach else log_p.exp()
        hard = F.nll_loss(log_p, batch.label, reduction="none")
        return self.beta * hard - (1 - self.beta) * (belief * log_p).sum(-1), state

"""Hard bootstrapping."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Fraction


@dataclass(frozen=True)
class BootstrapHard(Method, label="Bootstrapping (hard)", family="targets"):
    """Believe the label in part, and the network's own best guess for the rest.

    ``loss = -beta * log p_y - (1 - beta) * log max_k p_k``

    Source:
        Scott Reed, Honglak Lee, Dragomir Anguelov, Christian Szegedy, Dumitru Erhan & Andrew
        Rabinovich, "Training deep neural networks on noisy labels with bootstrapping", ICLR
        workshop 2015. https://arxiv.org/abs/1412.6596 (equation 7).
    """

    beta: Fraction = 0.8

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the label and to the predicted class, weighted."""
        log_p = logits.log_softmax(-1)
        given = F.nll_loss(log_p, batch.label, reduction="none")
        guessed = F.nll_loss(log_p, log_p.argmax(-1), reduction="none")
        return self.beta * given + (1 - self.beta) * guessed, state

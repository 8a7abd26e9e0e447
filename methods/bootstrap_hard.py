"""Hard bootstrapping."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, State
from methods.bounds import Fraction
from methods.parts.papers import REED_2015


@dataclass(frozen=True)
class BootstrapHard(Method):
    """Believe the label in part, and the network's own best guess for the rest.

    ``loss = -beta * log p_y - (1 - beta) * log max_k p_k``

    Source:
        ``paper`` (equation 7).
    """

    label = "Bootstrapping (hard)"
    family = "targets"
    paper = REED_2015

    beta: Fraction = 0.8

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Return the cross-entropy to the label and to the predicted class, weighted."""
        log_p = logits.log_softmax(-1)
        given = F.nll_loss(log_p, batch.label, reduction="none")
        guessed = F.nll_loss(log_p, log_p.argmax(-1), reduction="none")
        return self.beta * given + (1 - self.beta) * guessed, state

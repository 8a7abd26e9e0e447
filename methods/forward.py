"""Forward loss correction."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, State
from methods.parts.estimation import LossCorrection
from methods.parts.papers import PATRINI_2017
from methods.parts.transition import forward_cross_entropy


@dataclass(frozen=True)
class Forward(LossCorrection):
    """Predict the clean label, and compare what the noise would make of it with the given one.

    ``loss = -log sum_k p_k T[k, y]`` with ``T[k, y] = P(given y | true k)``, which is given, or
    estimated in a first stage (see ``LossCorrection``, also for the state).

    Source:
        ``paper`` (theorem 2; equations 12 and 13).

    Differs from the paper:
        It stops the first stage by validation loss; here its length is a field.
    """

    label = "Forward correction"
    family = "transition"
    paper = PATRINI_2017

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Return the cross-entropy after the prediction went through the noise."""
        return forward_cross_entropy(logits, batch.label, state["transition"]), state

"""Forward loss correction."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, LossAndState, State
from methods.parts.transition import LossCorrection, forward_cross_entropy


@dataclass(frozen=True)
class Forward(LossCorrection, label="Forward correction", family="transition"):
    """Predict the clean label, and compare what the noise would make of it with the given one.

    ``loss = -log sum_k p_k T[k, y]`` with ``T[k, y] = P(given y | true k)``, which is given, or
    estimated in a first stage (see ``LossCorrection``, also for the state).

    Source:
        Giorgio Patrini, Alessandro Rozza, Aditya Krishna Menon, Richard Nock & Lizhen Qu, "Making
        deep neural networks robust to label noise: a loss correction approach", CVPR 2017.
        https://arxiv.org/abs/1609.03683 (theorem 2; equations 12 and 13).

    Differs from the paper:
        It stops the first stage by validation loss; here its length is a field.
    """

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy after the prediction went through the noise."""
        return forward_cross_entropy(logits, batch.label, state["transition"]), state

"""Sharpness-aware minimisation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Weights
from methods.bounds import NonNegative
from methods.loss_spec import LossSpec, named_losses


@dataclass(frozen=True)
class SAM(Method, label="SAM", family="baseline"):
    """Step along the gradient at the worst weights near by, so that minima are flat.

    With the gradient ``g`` of the batch's loss at the weights ``w``, the gradient is taken again at
    ``w + rho * g / ||g||_2``, of the same batch, and the optimiser moves ``w`` along it; the norm
    is that of all weights of the network together. ``loss`` is any loss; the paper's is
    cross-entropy. A step costs two passes forwards and two backwards.

    Batch normalisation uses the batch in both passes; its running statistics are moved by the first
    one alone, as in the authors' code, so that they belong to ``w``.

    Source:
        Pierre Foret, Ariel Kleiner, Hossein Mobahi & Behnam Neyshabur, "Sharpness-aware
        minimization for efficiently improving generalization", ICLR 2021.
        https://arxiv.org/abs/2010.01412 (algorithm 1, equations 2 and 3).

    Differs from the authors' code (google-research/sam, ``sam_jax/training_utils/
    flax_training.py`` at commit dae9904):
        There, weight decay is a term of the loss, and so a part of ``g``; here it is the
        optimiser's, and a part of the step alone, as in davda54/sam. Where ``g`` is 0 it divides
        by 0; here the weights stay where they are. The loss that is recorded is that at ``w``;
        there, that at the other weights.
    """

    rho: NonNegative = 0.05
    loss_: LossSpec = "cross_entropy"

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the losses that ``loss`` names."""
        return named_losses(self.loss_, logits, batch, epoch), state

    def perturb(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Climb along the gradient by a distance of ``rho``."""
        norm = torch.stack([g.square().sum() for g in grads.values()]).sum().sqrt()
        scale = self.rho / (norm + 1e-12)
        return {**params, **{name: params[name] + scale * g for name, g in grads.items()}}

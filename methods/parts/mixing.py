"""Convex combinations of pairs of examples, as in mixup."""

import torch
from torch import Tensor


def draw_weight(alpha: float, *, heavier: bool = False) -> Tensor:
    """Draw the weight of the first of two examples from ``Beta(alpha, alpha)``, 0-d in [0, 1].

    ``heavier`` takes the larger of the two weights, so that the first example prevails.
    """
    weight = torch.distributions.Beta(alpha, alpha).sample()
    return torch.maximum(weight, 1 - weight) if heavier else weight


def draw_pairs(alpha: float, size: int, *, heavier: bool = False) -> dict[str, Tensor]:
    """Draw the weight ``mix`` for a batch, and the ``partner`` of each of its ``size`` examples."""
    return {"mix": draw_weight(alpha, heavier=heavier), "partner": torch.randperm(size)}


def mix_pairs(value: Tensor, weight: Tensor, partner: Tensor, dim: int = 0) -> Tensor:
    """Return ``weight * value + (1 - weight) * partner's value``; examples lie along ``dim``."""
    return weight * value + (1 - weight) * value.index_select(dim, partner)


def kept_partners(kept: Tensor, order: Tensor) -> Tensor:
    """Return for each example that is kept another one that is; a single one has itself.

    Those that are kept stand in a circle, sorted by ``order``, random numbers in [0, 1), both
    ``(B,)``; the partner is the next.
    """
    line = (order + (~kept).to(order.dtype)).argsort()
    after = line.argsort() + 1
    return line[torch.where(after < kept.sum(), after, torch.zeros_like(after))]

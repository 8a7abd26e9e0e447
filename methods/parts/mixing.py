"""Convex combinations of pairs of examples, as in mixup."""

import torch
from torch import Tensor


def draw_weight(alpha: float) -> Tensor:
    """Draw the weight of the first of two examples from ``Beta(alpha, alpha)``, 0-d in [0, 1]."""
    return torch.distributions.Beta(alpha, alpha).sample()


def draw_heavier_weight(alpha: float) -> Tensor:
    """Draw the larger of the two weights that add up to 1, 0-d in [0.5, 1]."""
    weight = draw_weight(alpha)
    return torch.maximum(weight, 1 - weight)


def mix_pairs(value: Tensor, weight: Tensor, partner: Tensor, dim: int = 0) -> Tensor:
    """Return ``weight * value + (1 - weight) * value of the partner``, in the shape of ``value``.

    Args:
        value: images or targets, with the examples along ``dim``.
        weight: 0-d.
        partner: ``(B,)`` int64, whom each example is mixed with.
        dim: the axis of the examples.
    """
    return weight * value + (1 - weight) * value.index_select(dim, partner)

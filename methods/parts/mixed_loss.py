"""The loss of mixed targets that have weights."""

import torch
from torch import Tensor


def mixed_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy to mixed targets; 0 where all weights are.

    Args:
        logits: ``(..., C)``.
        target: of the same shape; its rows sum to their weights.
    """
    total = target.sum()
    total = torch.where(total > 0, total, torch.ones_like(total))
    return -(target * logits.log_softmax(-1)).sum() / total

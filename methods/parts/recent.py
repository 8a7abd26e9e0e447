"""The predictions of the last few epochs, and their mean."""

import torch
from torch import Tensor


def no_predictions(label: Tensor, classes: int, window: int) -> Tensor:
    """Return room ``(N, window, C)`` for the predictions of so many epochs."""
    return torch.zeros(len(label), window, classes, device=label.device)


def with_predictions(recent: Tensor, ids: Tensor, p: Tensor, epoch: Tensor) -> Tensor:
    """Return the predictions with those of a batch, ``(B, C)``, in the place of their epoch.

    They take the place of those that are as many epochs old as there is room for.
    """
    own = recent[ids]  # (B, window, C)
    place = torch.arange(own.shape[1], device=p.device) == epoch % own.shape[1]
    newer = torch.where(place[:, None], p.detach()[:, None], own)
    return recent.index_copy(0, ids, newer.to(recent.dtype))

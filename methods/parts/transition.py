"""Transition matrices: estimating one, and undoing one."""

import torch
from torch import Tensor


def anchor_transition(posterior: Tensor, quantile: float) -> Tensor:
    """Estimate ``T[i, j] = P(noisy j | clean i)`` from anchor points.

    Row ``i`` is the noisy posterior of the example that looks most surely like class ``i``: the one
    at the given quantile of ``posterior[:, i]``, as the very largest are outliers.

    Args:
        posterior: ``(N, C)`` estimates of ``P(noisy label | x)``; rows sum to 1.
        quantile: 1 takes the maximum; 0.97 passes over the top 3 %.

    Returns:
        ``(C, C)``, rows sum to 1.

    Reference:
        Patrini et al., "Making deep neural networks robust to label noise: a loss correction
        approach", CVPR 2017. https://arxiv.org/abs/1609.03683 (equations 12 and 13).
    """
    passed_over = round((1 - quantile) * (len(posterior) - 1))
    anchor = posterior.argsort(dim=0, descending=True, stable=True)[passed_over]  # (C,) example ids
    return posterior[anchor]


def clean_posterior(posterior: Tensor, transition: Tensor) -> Tensor:
    """Solve ``P(noisy | x) = T' P(clean | x)`` for the clean posterior.

    Estimates disagree, so the solution may leave the simplex: negative entries become 0 and rows
    are scaled to sum to 1. A singular ``T`` gives the least-squares solution.

    Args:
        posterior: ``(N, C)`` estimates of ``P(noisy label | x)``.
        transition: ``(C, C)``, rows sum to 1.
    """
    clean = (posterior @ torch.linalg.pinv(transition)).clamp(min=0)
    total = clean.sum(-1, keepdim=True).clamp(min=torch.finfo(clean.dtype).tiny)
    scaled: Tensor = clean / total
    return scaled

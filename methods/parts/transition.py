"""Estimates of a transition matrix, losses through it, and its inverse."""

import torch
from torch import Tensor

from methods.parts.labels import one_hot


def anchor_transition(posterior: Tensor, quantile: float) -> Tensor:
    """Estimate ``T[i, j] = P(noisy j | clean i)`` from anchor points.

    Row ``i`` is the noisy posterior of the example that looks most surely like class ``i``: the one
    at the given quantile of ``posterior[:, i]``, as the very largest are outliers.

    Args:
        posterior: ``(N, C)`` estimates of ``P(noisy label | x)``; rows sum to 1.
        quantile: 1 takes the maximum; 0.97 passes over the top 3 %.

    Returns:
        ``(C, C)``, rows sum to 1.

    Source:
        Patrini et al., "Making deep neural networks robust to label noise: a loss correction
        approach", CVPR 2017. https://arxiv.org/abs/1609.03683 (equations 12 and 13).
    """
    passed_over = round((1 - quantile) * (len(posterior) - 1))
    anchor = posterior.argsort(dim=0, descending=True, stable=True)[passed_over]  # (C,) example ids
    return posterior[anchor]


def dual_transition(posterior: Tensor, label: Tensor, quantile: float) -> Tensor:
    """Estimate ``T`` as a product of two matrices, through the class that is predicted.

    With ``l`` the class that the network predicts, ``T[i, j] = sum_l A[i, l] * B[l, j]``: ``A[i] =
    P(l | clean i)`` is the posterior at an anchor point, which for ``l`` is exact by definition;
    ``B[l, j] = P(noisy j | l)`` is counted, and so free of the network's errors. A class that is
    never predicted has the row of the identity in ``B``.

    Args:
        posterior: ``(N, C)`` estimates of ``P(noisy label | x)``; rows sum to 1.
        label: ``(N,)`` int64, noisy.
        quantile: as for :func:`anchor_transition`.

    Returns:
        ``(C, C)``, rows sum to 1.

    Source:
        Yao et al., "Dual T: reducing estimation error for transition matrix in label-noise
        learning", NeurIPS 2020. https://arxiv.org/abs/2006.07805 (equations 4 to 6, algorithm 1)
    """
    given, predicted = one_hot(label, posterior), one_hot(posterior.argmax(-1), posterior)
    count = predicted.T @ given  # (C, C)
    size = count.sum(-1, keepdim=True)
    none = torch.eye(len(count), dtype=count.dtype, device=count.device)
    share = torch.where(size > 0, count / size.clamp(min=1), none)
    return anchor_transition(posterior, quantile) @ share


def forward_cross_entropy(logits: Tensor, label: Tensor, transition: Tensor) -> Tensor:
    """Return the cross-entropy of a prediction that went through the noise.

    ``-log sum_k p_k T[k, y]``, from logarithms, so small probabilities survive.

    Args:
        logits: ``(B, C)``.
        label: ``(B,)`` int64, noisy.
        transition: ``(C, C)``, rows sum to 1.

    Returns:
        ``(B,)``.
    """
    smallest = torch.finfo(logits.dtype).tiny  # a label that T calls impossible stays finite
    log_t = transition.clamp(min=smallest).log()
    reached = log_t.T[label]  # (B, C), from each true class to the given label
    loss: Tensor = -(logits.log_softmax(-1) + reached).logsumexp(-1)
    return loss


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

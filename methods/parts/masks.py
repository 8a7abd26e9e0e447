"""Masks that choose examples, and losses over those that are chosen."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.parts.label_errors import rank_within
from methods.parts.labels import one_hot
from methods.parts.small_loss import small_loss_mask


def classwise_small_loss(logits: Tensor, label: Tensor, share: float) -> Tensor:
    """Return a mask ``(N,)`` of the ``share * N / C`` smallest cross-entropies of each class.

    The number is rounded up, and at least 1; a class that has fewer is taken whole.

    Args:
        logits: ``(N, C)``.
        label: ``(N,)`` int64.
        share: in [0, 1].
    """
    loss, classes = F.cross_entropy(logits, label, reduction="none"), logits.shape[1]
    count = max(1, math.ceil(len(label) / classes * share))
    return torch.lt(rank_within(label, -loss[:, None], classes)[:, 0], count)


def confident_mask(logits: Tensor, label: Tensor, tau: float) -> Tensor:
    """Return whether the probability of the label exceeds ``tau``: ``(networks, B)``."""
    return (logits.softmax(-1) * one_hot(label, logits[0])).sum(-1) > tau


def agreement_mask(p: Tensor, known: Tensor, tau: float, fill: float) -> Tensor:
    """Return a mask ``(2, B)`` of what two networks both predict above ``tau``, and alike.

    For each network only what is not known to it, and no more than makes ``fill`` of the batch
    with that: those of the largest mean of both maxima.

    Args:
        p: ``(2, B, C)``, probabilities.
        known: ``(2, B)`` bool.
        tau: what both maxima have to exceed.
        fill: in [0, 1].
    """
    best, (first, second) = p.amax(-1), p.argmax(-1)  # (2, B)
    new = (first == second) & (best > tau).all(0) & ~known
    room = (int(fill * p.shape[1]) - known.sum(-1, keepdim=True)).clamp(min=0)
    sureness = torch.where(new, -best.mean(0), torch.inf)
    chosen: Tensor = new & small_loss_mask(sureness, room)
    return chosen


def partners(chosen: Tensor, order: Tensor) -> Tensor:
    """Return the partner ``(B,)`` of each example: a random one chosen by as many networks.

    Examples stand in a circle, sorted by that number and then by ``order``; the partner is the
    next. Only where the number changes do they differ.

    Args:
        chosen: ``(networks, B)`` bool.
        order: ``(B,)`` in [0, 1), random.
    """
    circle = (order - chosen.sum(0)).argsort()
    partner: Tensor = circle.roll(-1)[circle.argsort()]
    return partner


def mean_loss(log_p: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy ``(networks,)``, a mean over the examples whose target is not 0.

    Over none it is 0.

    Args:
        log_p: ``(networks, B, C)``.
        target: of that shape; rows sum to 1 or 0.
    """
    return -(target * log_p).sum((1, 2)) / target.sum((1, 2)).clamp(min=1)


def running_means(means: Tensor, p: Tensor, chosen: Tensor, step: Tensor) -> Tensor:
    """Return running means ``(2, networks, C)`` of ``p`` over what is chosen, and what is not.

    One that has no example in the batch stays.

    Args:
        means: so far, of the same shape.
        p: ``(networks, B, C)``, probabilities.
        chosen: ``(networks, B)`` bool.
        step: 0-d, the share of the batch in the new mean; above 1 it is 1.
    """
    both = torch.stack([chosen, ~chosen])[..., None].to(p.dtype)  # (2, networks, B, 1)
    size = both.sum(2)
    now = (both * p).sum(2) / size.clamp(min=1)
    return means + (size > 0) * step.clamp(max=1) * (now - means)

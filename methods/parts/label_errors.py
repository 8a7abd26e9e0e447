"""The labels that are wrong, estimated by counting confident predictions."""

import torch
from torch import Tensor

from methods.parts.labels import one_hot


def confident_joint(label: Tensor, posterior: Tensor) -> Tensor:
    """Estimate how many examples have given label ``i`` and true label ``j``.

    An example is counted as ``j`` if ``j`` is its most likely class among those whose probability
    reaches the mean of ``posterior[:, j]`` over the examples labelled ``j``. Rows are scaled to sum
    to the numbers of given labels.

    Args:
        label: ``(N,)`` int64, given.
        posterior: ``(N, C)``, of a network that has not seen the example's label.

    Returns:
        ``(C, C)`` counts, not whole; before scaling, those on the diagonal are at least 1.

    Source:
        Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels",
        JAIR 2021. https://arxiv.org/abs/1911.00068 (equations 1 to 3); the diagonal as in the
        authors' cleanlab, which also rounds to whole numbers.
    """
    given = one_hot(label, posterior)  # (N, C)
    size, none = given.sum(0), torch.full_like(posterior, -1.0)
    threshold = (given * posterior).sum(0) / size.clamp(min=1)
    threshold = torch.where(size > 0, threshold, 2.0)  # no example can be of a class without labels
    sure = torch.where(posterior >= threshold - 1e-6, posterior, none)
    counted = (sure.amax(-1, keepdim=True) >= 0) * one_hot(sure.argmax(-1), posterior)
    count = given.T @ counted
    one = torch.eye(len(count), dtype=count.dtype, device=count.device)
    count = torch.maximum(count, one)
    joint: Tensor = count / count.sum(-1, keepdim=True) * size[:, None]
    return joint


def transition_from_joint(joint: Tensor) -> Tensor:
    """Return ``T[i, j] = P(given j | true i)`` of counts ``(given, true)``, ``(C, C)``."""
    size = joint.sum(0)
    one = torch.eye(len(joint), dtype=joint.dtype, device=joint.device)
    return torch.where(size > 0, joint / size.clamp(min=1), one).T


def label_error_mask(label: Tensor, posterior: Tensor, joint: Tensor, by: str) -> Tensor:
    """Return a mask ``(N,)`` of the labels that are judged wrong.

    ``class``: of the examples labelled ``i``, as many as ``joint`` has off its diagonal, those with
    the smallest ``posterior[i]``. ``noise_rate``: for each other class ``j``, ``joint[i, j]`` of
    them, those with the largest ``posterior[j] - posterior[i]``. ``both``: those that both find.
    Counts are rounded; one of each class always stays.

    Args:
        label: ``(N,)`` int64, given.
        posterior: ``(N, C)``.
        joint: ``(C, C)``, of :func:`confident_joint`.
        by: ``class``, ``noise_rate`` or ``both``.
    """
    own = posterior.gather(1, label[:, None])  # (N, 1)
    margin = posterior - own
    wrong = torch.ones_like(label, dtype=torch.bool)
    if by in {"class", "both"}:
        count = (joint.sum(-1) - joint.diagonal().clamp(min=1) + 0.5).floor()
        wrong &= rank_within(label, -own, len(joint)).squeeze(1) < count[label]
    if by in {"noise_rate", "both"}:
        one = torch.eye(len(joint), dtype=joint.dtype, device=joint.device)
        others = ((1 - one) * joint + 0.5).floor()
        wrong &= (rank_within(label, margin, len(joint)) < others[label]).any(-1)
    return wrong


def rank_within(label: Tensor, score: Tensor, classes: int) -> Tensor:
    """Rank examples downwards by ``score`` ``(N, K)`` among those of the same label, from 0."""
    first = score.argsort(dim=0, descending=True, stable=True)  # (N, K)
    order = first.gather(0, label[first].argsort(dim=0, stable=True))  # by label, then downwards
    size = one_hot(label, torch.zeros(1, classes, device=label.device)).sum(0).long()
    place = torch.arange(len(label), device=label.device)[:, None]
    rank = place - (size.cumsum(0) - size)[label[order]]
    return torch.empty_like(rank).scatter(0, order, rank)

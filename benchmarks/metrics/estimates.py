"""The errors of a method's own judgement: the labels it kept, the matrix it estimated."""

import math

import torch
from torch import Tensor


def selection(kept: Tensor, right: Tensor) -> tuple[float, float]:
    """Measure a choice of training examples against the truth.

    ``precision``: of the kept, the share whose label is right. ``recall``: of those whose label is
    right, the share that was kept. Several networks, each with its own choice, are counted
    together. Precision without choosing is the share of right labels.

    >>> selection(torch.tensor([1, 1, 0, 0]), torch.tensor([True, False, True, True]))
    (0.5, 0.3333333333333333)

    Args:
        kept: ``(N,)`` or ``(networks, N)``, bool or 0 and 1.
        right: ``(N,)`` bool, whether the given label is the true one.

    Returns:
        precision and recall; NaN where nothing was kept, or no label is right.

    Raises:
        ValueError: ``kept`` has another shape, or other values than 0 and 1.

    Source:
        Han et al., NeurIPS 2018, https://arxiv.org/abs/1804.06872 (label precision; they average it
        over mini-batches, here it is counted over the whole training set)
    """
    if kept.dim() not in {1, 2} or kept.shape[-1:] != right.shape:
        raise ValueError(f"kept needs {len(right)} entries per network: {tuple(kept.shape)}")
    if not ((kept == 0) | (kept == 1)).all():
        raise ValueError("kept holds other values than 0 and 1")
    chosen = kept.reshape(-1, len(right)).bool()
    both, every = int((chosen & right).sum()), int(chosen.sum())
    clean = len(chosen) * int(right.sum())
    return both / every if every else math.nan, both / clean if clean else math.nan


def transition_error(estimate: Tensor, noisy: Tensor, clean: Tensor) -> float:
    """Measure an estimated transition matrix against what happened to the training labels.

    ``T_err_l1 = mean_i sum_j |estimate_ij - share of given label j among true class i|`` over the
    classes ``i`` that occur; twice the mean total variation between rows.

    >>> clean = torch.tensor([0, 0, 0, 0, 1, 1])
    >>> transition_error(torch.eye(2), torch.tensor([0, 0, 0, 1, 1, 1]), clean)
    0.25

    Args:
        estimate: ``(C, C)``, of the probability of being given ``j`` where the truth is ``i``.
        noisy: ``(N,)`` given classes.
        clean: ``(N,)`` true classes; negative for an image that belongs to none, which is left out.

    Returns:
        0 to 2; NaN without examples or where an entry is not finite.

    Raises:
        ValueError: ``estimate`` is not square.

    Source:
        Xia et al., NeurIPS 2019, https://arxiv.org/abs/1906.00189 (estimation error). Differs: the
        rows of the realised matrix are the reference, not the nominal ones.
    """
    if estimate.dim() != 2 or estimate.shape[0] != estimate.shape[1]:
        raise ValueError(f"a transition matrix is square, got {tuple(estimate.shape)}")
    if not estimate.isfinite().all():
        return math.nan
    classes, known = len(estimate), clean >= 0
    noisy, clean = noisy[known], clean[known]
    count = torch.bincount(clean * classes + noisy, minlength=classes * classes)
    count = count.view(classes, classes).double()
    size = count.sum(-1)
    error = (estimate.double() - count / size[:, None].clamp(min=1)).abs().sum(-1)
    return float(error[size > 0].mean())

"""Calibration of the probability of every class, not only of the predicted one."""

import torch
from torch import Tensor

from benchmarks.metrics.examples import GRID, predict
from benchmarks.schema import BINS_COUNT


def classwise_ece(logits: Tensor, label: Tensor) -> Tensor:
    """Average over the classes the calibration error of each class's probability.

    ``cwece = mean_k sum_b n_kb / N * |mean of p_k - share with label k|`` over 15 right-closed bins
    of equal width of ``p_k``, all examples counting in every class; a probability of 0 lies in the
    first bin. It is the mean over classes, so about ``1 / C`` of a top-label error.

    Args:
        logits: ``(..., N, C)``.
        label: ``(N,)`` classes, int64.

    Returns:
        float64 ``(...)``, a share; NaN without examples or where a logit of the slice is not
        finite.

    Raises:
        ValueError: there are not ``N`` labels.

    Reference:
        Kull et al., NeurIPS 2019, https://arxiv.org/abs/1910.12656
        Nixon et al., CVPR workshops 2019, https://arxiv.org/abs/1904.01685 (static calibration)
    """
    *leading, examples, classes = logits.shape
    if examples == 0:
        return logits.new_full(leading, torch.nan).double()
    _, _, finite = predict(logits, label)
    share = logits.detach().double().softmax(-1).mul_(GRID).round_().div_(GRID)
    edges = torch.arange(1, BINS_COUNT, dtype=torch.float64, device=logits.device) / BINS_COUNT
    bin_of = torch.bucketize(share, edges.mul_(GRID).round_().div_(GRID))  # 0 to 14
    bin_of += BINS_COUNT * torch.arange(classes, device=logits.device)
    hit = bin_of.gather(-1, label.expand(bin_of.shape[:-1])[..., None])[..., 0]  # (..., N)
    gap = share.new_zeros(*leading, classes * BINS_COUNT)
    gap.scatter_add_(-1, bin_of.flatten(-2), share.flatten(-2))
    gap.scatter_add_(-1, hit, share.new_full(hit.shape, -1.0))
    return (gap.abs().sum(-1) / examples / classes).masked_fill(~finite, torch.nan)

"""The calibration error of the probability of every class, not only of the predicted one."""

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.examples import GRID, Rows, rows_of
from benchmarks.schema import BINS_COUNT


def classwise_ece(logits: Tensor, label: Tensor, rows: Rows | None = None) -> Tensor:
    """Average over the classes the calibration error of each class's probability.

    ``cwece = mean_k sum_b n_kb / N * |mean of p_k - share with label k|`` over 15 right-closed bins
    of equal width of ``p_k``, all examples counting in every class; a probability of 0 lies in the
    first bin. It is the mean over classes, so about ``1 / C`` of a top-label error.

    Args:
        logits: ``(..., N, C)``.
        label: ``(N,)`` classes, int64.
        rows: what ``rows_of`` makes of the two, where it is known already.

    Returns:
        float64 ``(...)``, a share; NaN without examples or where a logit of the slice is not
        finite.

    Raises:
        ValueError: there are not ``N`` labels.

    Source:
        Kull et al., NeurIPS 2019, https://arxiv.org/abs/1910.12656
        Nixon et al., CVPR workshops 2019, https://arxiv.org/abs/1904.01685 (static calibration)
    """
    *leading, examples, classes = logits.shape
    if examples == 0:
        return logits.new_full(leading, torch.nan).double()
    rows = rows or rows_of(logits, label)
    share, finite = rows.share, rows.finite
    edges = torch.arange(1, BINS_COUNT, dtype=torch.float64, device=logits.device) / BINS_COUNT
    edges = edges.mul_(GRID).round_().div_(GRID)
    # With many classes nearly every probability lies in the first bin. So all are summed there
    # first, and only the few above its edge are moved to their own bin: one pass in place of a
    # search for the bin of every probability.
    gap = share.new_zeros(*leading, classes, BINS_COUNT)
    gap[..., 0] = share.sum(-2)
    flat, moved = gap.view(-1), share.flatten()
    place = _places(moved > edges[0])
    column = (place // (examples * classes) * classes + place % classes) * BINS_COUNT
    value = _on_grid(moved.take(place))
    flat.index_add_(0, column, -value)
    flat.index_add_(0, column + torch.bucketize(value, edges), value)
    # The label of each example counts against the bin that its probability lies in.
    hit = _on_grid(share.gather(-1, label.expand(share.shape[:-1])[..., None])[..., 0])  # (..., N)
    bin_of = label * BINS_COUNT + torch.bucketize(hit, edges)
    gap.flatten(-2).scatter_add_(-1, bin_of, share.new_full(hit.shape, -1.0))
    return (gap.abs().sum((-1, -2)) / examples / classes).masked_fill(~finite, torch.nan)


def _places(mask: Tensor) -> Tensor:
    """Return the places where a mask ``(M,)`` holds; numpy is faster at it than torch."""
    return torch.from_numpy(np.flatnonzero(mask.cpu().numpy())).to(mask.device)


def _on_grid(share: Tensor) -> Tensor:
    """Return shares as the nearest multiples of ``1 / GRID``."""
    return share.mul(GRID).round_().div_(GRID)

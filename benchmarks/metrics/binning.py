"""Right-closed bins of confidence: their edges, and the sums of what lies in them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.metrics.examples import GRID


def equal_width(ordered: Tensor, bins: int) -> Tensor:
    """Return ``(..., bins + 1)`` edges ``b / bins``, on the grid of the confidences."""
    edges = torch.arange(bins + 1, dtype=torch.float64, device=ordered.device) / bins
    return (edges * GRID).round().div(GRID).expand(*ordered.shape[:-2], -1)


def equal_mass(ordered: Tensor, bins: int) -> Tensor:
    """Return ``(..., bins + 1)`` edges: 0, and the last confidence of each part, longer first."""
    share, longer = divmod(ordered.shape[-1], bins)
    cut = torch.arange(1, bins + 1, device=ordered.device)
    edges = ordered[..., 0, :].index_select(-1, cut * share + cut.clamp(max=longer) - 1)
    return F.pad(edges, (1, 0))


def bin_sums(ordered: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
    """Return count, confidence, correct and squared confidence of right-closed bins.

    Bins are runs of the sorted examples: a sum over one is a difference of two running totals. No
    confidence is 0, since none is below ``1 / C``, so that the lowest edge shuts nothing out.
    ``ordered`` is that of ``Rows``; ``edges`` is ``(..., G, bins + 1)`` for ``G`` ways to bin;
    returned are four ``(..., G, bins)``.
    """
    # Examples are sorted, so a bin is a run of them: two binary searches and a difference of
    # running totals in place of a scatter, whose order of addition would depend on the device.
    ranked = ordered[..., 0, :].contiguous()
    ends = torch.searchsorted(ranked, edges.flatten(-2).contiguous(), right=True)
    running = F.pad(ordered.cumsum(-1), (1, 0))  # (..., 3, N + 1)
    at_ends = running.gather(-1, ends.unsqueeze(-2).expand(*running.shape[:-1], -1))
    shape = (*edges.shape[:-2], 3, *edges.shape[-2:])
    return ends.view(edges.shape).diff().double(), *at_ends.view(shape).diff().unbind(-3)

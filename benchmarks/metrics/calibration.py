"""Calibration errors: in bins of confidence, of every class, and smoothed without bins."""

import functools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.metrics.examples import Rows, rows_of
from benchmarks.schema import BINS_COUNT, GRID

MESH = 4096
"""The intervals of [0, 1] for ``smooth_ece``: the sum over them is within 1e-5 of the integral."""
PRECISION = 1e-11
"""The largest error of its bandwidth."""


@functools.cache
def equal_width(bins: int, device: torch.device) -> Tensor:
    """Return ``(bins + 1,)`` edges ``b / bins``, on the grid of the confidences."""
    edges = torch.arange(bins + 1, dtype=torch.float64, device=device) / bins
    return edges.mul_(GRID).round_().div_(GRID)


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


def reliability(
    logits: Tensor, label: Tensor, bins: int = BINS_COUNT, rows: Rows | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum what a reliability diagram and ``ece`` need over bins of equal width.

    ``ece = sum_b |correct_sum_b - confidence_sum_b| / N``; bin ``b`` of ``1 .. bins`` holds the
    confidences in ``((b - 1) / bins, b / bins]``. Arguments, errors and source are those of
    ``test_metrics``.

    Returns:
        ``count``, ``confidence_sum``, ``correct_sum``, float64 ``(..., bins)``: 0 in an empty bin,
        NaN in all bins of a slice that has a non-finite logit.
    """
    rows = rows or rows_of(logits, label)
    edges = equal_width(bins, logits.device).expand(*rows.ordered.shape[:-2], 1, -1)
    count, confidence, correct, _ = bin_sums(rows.ordered, edges)
    sums = torch.stack((count, confidence, correct))[..., 0, :]  # (3, ..., bins)
    count, confidence, correct = sums.masked_fill(~rows.finite[..., None], torch.nan)
    return count, confidence, correct


def binned_errors(rows: Rows) -> dict[str, Tensor]:
    """Return the calibration errors that come from bins of confidence, each ``(...)``.

    The ECE is ``sum_b n_b |c_b - a_b| / N`` over ``BINS_COUNT`` bins of ``n_b`` examples, mean
    confidence ``c_b`` and accuracy ``a_b``. All but ``ece_em`` and ``ce2_deb``, whose bins have
    equal mass, are of bins of equal width.
    """
    examples = rows.ordered.shape[-1]
    mass = equal_mass(rows.ordered, BINS_COUNT)
    edges = torch.stack((equal_width(BINS_COUNT, mass.device).expand_as(mass), mass), -2)
    count, confidence, correct, square = bin_sums(rows.ordered, edges)  # (..., 2, bins) each
    gap = confidence - correct  # n_b * (c_b - a_b)
    ece = gap.abs().sum(-1) / examples  # (..., 2)
    wide, size = gap[..., 0, :], count[..., 0, :].clamp(min=1)  # an empty bin has no gap
    return {
        "ece": ece[..., 0],
        "ece_over": wide.clamp(min=0).sum(-1) / examples,
        "ece_under": (-wide).clamp(min=0).sum(-1) / examples,
        "mce": (wide / size).abs().amax(-1),
        "rmsce": ((wide.square() / size).sum(-1) / examples).sqrt(),
        "ece_floor": floor(count[..., 0, :], confidence[..., 0, :], square[..., 0, :]) / examples,
        "ece_em": ece[..., 1],
        "ce2_deb": debiased(count[..., 1, :], confidence[..., 1, :], correct[..., 1, :]),
    }


def debiased(count: Tensor, confidence: Tensor, correct: Tensor) -> Tensor:
    """Return ``ce2_deb`` from the sums of its bins."""
    accuracy = correct / count
    gap = (correct - confidence) / count
    term = gap.square() - accuracy * (1 - accuracy) / (count - 1)
    return (count * term).masked_fill(count < 2, 0.0).sum(-1) / count.sum(-1)


def floor(count: Tensor, confidence: Tensor, square: Tensor) -> Tensor:
    """Return ``sum_b E|S_b - sum_b c|``, ``S_b`` the successes of trials of chances ``c``.

    The fewer of successes and failures get the binomial law of their mean ``m`` and variance:
    ``n = m**2 / sum c**2`` trials of chance ``p = m / n``. Its mean deviation is De Moivre's
    ``2 (k + 1) binom(n, k + 1) p**(k + 1) (1 - p)**(n - k)``, ``k = floor(m)``; equal chances make
    it exact. Over 3,000 random bins of 1 to 900 it was within 0.12 % of the exact law; the normal
    law, ``sqrt(2 m (1 - p) / pi)``, was 60 % off for one example, without bound near confidence 1.

    Source:
        Diaconis and Zabell, 1991, https://doi.org/10.1214/ss/1177011699
    """
    # The rarer outcome is the one whose law is far from normal, so it is the one to approximate.
    rare = 2 * confidence > count
    mean = torch.where(rare, count - confidence, confidence)
    squares = torch.where(rare, count - 2 * confidence + square, square).clamp(min=1e-30)
    # The binomial law with this mean and variance; more trials than examples there cannot be.
    trials = torch.minimum(mean.square() / squares, count)
    chance = (mean / trials.clamp(min=1e-30)).clamp(max=1.0)
    whole = mean.floor()
    # De Moivre's formula in logarithms, in which the binomial coefficient does not overflow.
    log = torch.lgamma(trials + 1) - torch.lgamma(whole + 1) - torch.lgamma(trials - whole)
    log = log + torch.xlogy(whole + 1, chance) + torch.xlogy(trials - whole, 1 - chance)
    return 2 * log.exp().sum(-1)


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
    edges = equal_width(BINS_COUNT, logits.device)[1:-1]
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


def smooth_ece(logits: Tensor, label: Tensor, rows: Rows | None = None) -> Tensor:
    """Measure the calibration of the predicted class without bins.

    ``smece = e(s)`` at the one bandwidth with ``e(s) = s``, where ``e(s)`` is the integral over
    ``t`` from 0 to 1 of ``|mean_i (correct_i - c_i) K_s(t, c_i)|`` and ``K_s`` the Gaussian kernel
    of standard deviation ``s`` reflected at 0 and 1. ``e`` falls in ``s``, so there is one.

    Reflected at both ends, a Gaussian is a product in the cosine transform: the coefficient of
    ``cos(pi k t)`` is multiplied by ``exp(-(pi k s)**2 / 2)``. The residuals are laid on a mesh,
    each shared by its two neighbours.

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
        Blasiok and Nakkiran, ICLR 2024, https://arxiv.org/abs/2309.12236. Differs from the authors'
        package relplot 1.0.3: that one searches the bandwidth in steps of 1e-3.
    """
    if logits.shape[-2] == 0:
        return logits.new_full(logits.shape[:-2], torch.nan).double()
    rows = rows or rows_of(logits, label)
    place = rows.confidence * MESH
    left = place.floor().clamp(0, MESH - 1)
    residual = (rows.correct - rows.confidence) / logits.shape[-2]
    mass = residual.new_zeros(*residual.shape[:-1], MESH + 1)
    column = left.nan_to_num().long()
    mass.scatter_add_(-1, column, residual * (left + 1 - place))
    mass.scatter_add_(-1, column + 1, residual * (place - left))
    wave, finite = _cosines(mass).view(-1, MESH + 1), rows.finite.flatten().tolist()
    widths = [_fixed_point(w) if good else math.nan for w, good in zip(wave, finite, strict=True)]
    return mass.new_tensor(widths).view(rows.finite.shape)


def _fixed_point(wave: Tensor) -> float:
    """Return the bandwidth that equals the error it leaves, by Brent's method."""
    from scipy.fft import idct  # noqa: PLC0415  slow, and planning needs no metric
    from scipy.optimize import brentq  # noqa: PLC0415

    plain = wave.cpu().numpy()
    rate = -((math.pi * np.arange(MESH + 1)) ** 2) / 2

    def excess(width: float) -> float:
        """Return ``e(width) - width``, by the trapezium rule."""
        height = np.abs(idct(plain * np.exp(rate * width**2), type=1, overwrite_x=True))
        return float(height.sum() - (height[0] + height[-1]) / 2) - width

    return float(brentq(excess, 0.0, 1.0 + PRECISION, xtol=PRECISION))


def _cosines(mass: Tensor) -> Tensor:
    """Return the transform of the mesh and its mirror image; an end mirrors itself: twice."""
    inner = mass[..., 1:-1]
    circle = (2 * mass[..., :1], inner, 2 * mass[..., -1:], inner.flip(-1))
    wave: Tensor = torch.fft.rfft(torch.cat(circle, -1)).real.contiguous()
    return wave

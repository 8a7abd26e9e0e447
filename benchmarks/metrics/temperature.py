"""Temperature scaling: one number fitted on validation labels, and what it does to the test set."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.metrics.examples import GRID, Rows, measurable, rows_of
from benchmarks.schema import BINS_COUNT

LOG_BOUND = 10.0
"""Temperatures lie between ``exp(-10)`` and ``exp(10)``."""
LONGEST_STEP = 3.0
PRECISION = 1e-10
"""Of the temperature's logarithm."""
LAST_STEP = 1e-6
"""A Newton step this short leaves an error of about its square."""
LADDER = ((8, torch.float32, 1e-2), (1, torch.float32, 1e-3))
"""Of at least SAMPLED examples one in so many, in less precision, up to a longer last step: each
tells the next where to start."""
SAMPLED = 1000
CLOSING = 3
"""Newton's method divides a slope that fades away, exponentially, by ``e`` only."""


def fit_temperature(logits: Tensor, label: Tensor, transition: Tensor | None = None) -> float:
    """Find the temperature under which the labels are the most likely.

    ``T = argmin mean_i -log softmax(z_i / T)[y_i]``; with a transition matrix, for labels that
    passed through it, ``-log sum_k transition[k, y_i] softmax(z_i / T)[k]``.

    Newton's method finds the zero of the slope in ``log(1 / T)``, halving the interval in which the
    slope changes its sign where it would leave it. The first loss is convex in ``1 / T``, so that
    this is its minimum. The second need not be: this is a minimum next to that of a sample of the
    examples, which is searched from ``T = 1``.

    >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    >>> round(2 / fit_temperature(logits, torch.tensor([0, 0, 0, 1])), 6) == round(math.log(3), 6)
    True

    Args:
        logits: ``(N, C)``.
        label: ``(N,)`` classes, int64.
        transition: ``(C, C)``, the probability of being given ``j`` where the truth is ``i``.

    Returns:
        the temperature; 1 where the loss is flat; ``exp(-10)`` or ``exp(10)`` where it falls up to
        that bound; NaN without examples, where a logit is not finite, or where a label is
        impossible by ``transition``.

    Raises:
        ValueError: the logits are no single slice, there are not ``N`` labels, or the matrix is
            not ``(C, C)``.

    Reference:
        Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599
        Patrini et al., CVPR 2017, https://arxiv.org/abs/1609.03683 (forward correction)
    """
    if transition is not None and transition.shape != (logits.shape[-1],) * 2:
        shape = tuple(transition.shape)
        raise ValueError(f"{logits.shape[-1]} classes need a square transition, got {shape}")
    if not measurable(logits, label):
        return math.nan
    start, known, z = 0.0, False, logits.detach()
    z = z.to(torch.float64, copy=True).sub_(z.amax(-1, keepdim=True))
    for one_in, dtype, last in LADDER if len(label) >= SAMPLED else ():
        slope = _slope_of(z[::one_in].to(dtype), label[::one_in], transition)
        near = _root(slope, start, last, known=known)
        known = abs(near) < LONGEST_STEP
        start = near if known else 0.0
    return math.exp(-_root(_slope_of(z, label, transition), start, LAST_STEP, known=known))


Slope = Callable[[float], tuple[float, float]]
"""From ``log(1 / T)`` to the loss's derivative with respect to ``1 / T``, and its own to that."""


def _root(slope: Slope, at: float, last: float, *, known: bool) -> float:
    """Where the slope is 0, or the bound towards which the loss falls.

    Args:
        slope: the loss's.
        at: where to start.
        last: a step as short as this is the last.
        known: whether ``at`` is so near that any step as short as that can be trusted.
    """
    low, high = -LOG_BOUND, LOG_BOUND
    seen: dict[float, float] = {}
    before = 0.0
    while True:
        value, rise = slope(at)
        if value == rise == 0:  # too flat for a float: on as before
            value = before
        if value == 0 or math.isnan(value):
            return at if value == 0 else math.nan
        low, high = (low, at) if value > 0 else (at, high)
        seen[at] = value
        near = known or min(seen.values()) < 0 < max(seen.values())
        near = near or abs(value) < abs(before) / CLOSING
        step = -value / rise if rise > 0 and (near or not before) else math.inf * -value
        to = min(max(at + step, at - LONGEST_STEP, low), at + LONGEST_STEP, high)
        if to in seen:
            to = (low + high) / 2
        if abs(to - at) < last and (near or low == high):
            return to
        at, before = to, value


def _slope_of(z: Tensor, label: Tensor, transition: Tensor | None) -> Slope:
    """Return the slope of the loss, of logits whose largest is 0.

    It is ``E_p z - E_q z``, where ``q`` is ``p`` once the label is known: its class alone, or
    ``p_k transition[k, y]`` normalised. The derivative of ``E_p z`` is the variance of ``z``.
    """
    square, weight, product = z.square(), torch.empty_like(z), torch.empty_like(z)

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return torch.mul(a, b, out=product).sum(-1)

    def moments(known: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        mean = first / known
        return mean, second / known - mean.square()

    def weigh(at: float) -> tuple[Tensor, Tensor]:
        torch.mul(z, math.exp(at), out=weight).exp_()
        return moments(weight.sum(-1), dot(weight, z), dot(weight, square))

    if transition is None:
        at_label = z.gather(-1, label[:, None]).mean()

        def plain(at: float) -> tuple[float, float]:
            mean, variance = weigh(at)
            return float((mean.mean() - at_label).item()), math.exp(at) * variance.mean().item()

        return plain
    given = transition.to(z.dtype).T.contiguous().index_select(0, label)  # (N, C)

    def corrected(at: float) -> tuple[float, float]:
        mean, variance = weigh(at)
        q = weight.mul_(given)
        known = q.sum(-1)
        if (known == 0).any():  # too small for a float, which its logarithm is not
            q = (math.exp(at) * z).add_(given.log()).softmax(-1)
            known = q.sum(-1)
        after, spread = moments(known, dot(q, z), dot(q, square))
        rise = math.exp(at) * (variance - spread).mean().item()
        return float((mean - after).mean().item()), rise

    return corrected


def at_bound(temperature: float) -> bool:
    """Whether a fit ended at the lowest or highest temperature there is."""
    return not math.isnan(temperature) and abs(math.log(temperature)) > LOG_BOUND - PRECISION


def scaled_metrics(
    logits: Tensor, label: Tensor, temperature: float, rows: Rows | None = None
) -> dict[str, float]:
    """Measure test predictions after dividing their logits by a temperature.

    Args:
        logits: ``(N, C)``.
        label: ``(N,)`` classes, int64.
        temperature: above 0.
        rows: what ``rows_of`` makes of logits and labels, where it is known already.

    Returns:
        ``nll``, ``brier`` and ``ece`` as ``test_metrics`` defines them; NaN where it would be, and
        where the temperature is NaN.

    Raises:
        ValueError: the logits are no single slice, or there are not ``N`` labels.
    """
    names = ("nll", "brier", "ece")
    if rows is None and measurable(logits, label):
        rows = rows_of(logits, label)
    if rows is None or not bool(rows.finite) or not len(label) or math.isnan(temperature):
        return dict.fromkeys(names, math.nan)
    at_label = rows.below.gather(-1, label[:, None])[:, 0] / temperature
    weight = (rows.below * (math.log2(math.e) / temperature)).exp2_()
    total = weight.sum(-1)
    own = at_label.exp() / total
    square = torch.linalg.vector_norm(weight, dim=-1).div_(total).square_()
    confidence = total.reciprocal().mul_(GRID).round_().div_(GRID)
    width = torch.arange(1, BINS_COUNT, dtype=torch.float64, device=logits.device) / BINS_COUNT
    bin_of = torch.bucketize(confidence, width.mul_(GRID).round_().div_(GRID))
    gap = confidence.new_zeros(BINS_COUNT).index_add_(0, bin_of, rows.correct - confidence)
    nll, brier = (total.log() - at_label).mean(), (1 - 2 * own + square).mean()
    values = torch.stack((nll, brier, gap.abs().sum() / len(label))).tolist()
    return dict(zip(names, values, strict=True))

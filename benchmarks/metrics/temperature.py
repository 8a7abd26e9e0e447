"""Temperature scaling: one number fitted on validation labels, and its effect on the test set."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.metrics.calibration import equal_width, floor
from benchmarks.metrics.examples import Rows, measurable, rows_of
from benchmarks.schema import BINS_COUNT, GRID, LOG_BOUND

PRECISION = 1e-10
"""The largest error of the logarithm of a fitted temperature."""
SAMPLED = 1000
"""With this many examples or more, the search starts where that of a sample ended."""
ONE_IN = 8
"""The sample is every eighth example."""
GROWTH = 1.5
"""Each step towards a minimum is so much longer than the one before: 10 steps to the bound."""


def fit_temperature(logits: Tensor, label: Tensor, transition: Tensor | None = None) -> float:
    """Find the temperature under which the labels are the most likely.

    ``T = argmin mean_i -log softmax(z_i / T)[y_i]``; with a transition matrix, for labels that
    passed through it, ``-log sum_k transition[k, y_i] softmax(z_i / T)[k]``.

    Brent's method finds the zero of the slope between two temperatures at which it has opposite
    signs. The first loss is convex in ``1 / T``, so that this is its minimum. The second need not
    be: this is the first minimum downhill from ``T = 1`` but for dips narrower than a step of the
    search, or, of many examples, the one downhill from that of a sample of them.

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

    Source:
        Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599
        Patrini et al., CVPR 2017, https://arxiv.org/abs/1609.03683 (forward correction)
    """
    if transition is not None and transition.shape != (logits.shape[-1],) * 2:
        shape = tuple(transition.shape)
        raise ValueError(f"{logits.shape[-1]} classes need a square transition, got {shape}")
    if not measurable(logits, label):
        return math.nan
    z = logits.detach()
    z = z.to(torch.float64, copy=True).sub_(z.amax(-1, keepdim=True))
    start, step = 0.0, 0.125
    if len(label) >= SAMPLED:
        sample = _slope_of(z[::ONE_IN].float(), label[::ONE_IN], transition)
        near = _minimum(sample, start, step, 1e-3)
        if abs(near) < LOG_BOUND:
            start, step = near, 0.05
    return math.exp(-_minimum(_slope_of(z, label, transition), start, step, PRECISION))


Slope = Callable[[float], float]
"""The derivative of the loss with respect to ``1 / T``, as a function of ``log(1 / T)``."""


def _minimum(slope: Slope, start: float, step: float, precision: float) -> float:
    """Return the place of a minimum downhill from ``start``, or the bound to which the loss falls.

    It is bracketed by steps that grow until the slope has changed its sign. A slope of 0 far
    from the start is one too small for a float, so that the walk goes on.
    """
    from scipy.optimize import brentq  # noqa: PLC0415  slow, and planning needs no metric

    at, value = start, slope(start)
    if value == 0 or math.isnan(value):
        return start if value == 0 else math.nan
    colder = value < 0
    bound = LOG_BOUND if colder else -LOG_BOUND
    while at != bound:
        before, at = at, min(at + step, bound) if colder else max(at - step, bound)
        value, step = slope(at), GROWTH * step
        if value > 0 if colder else value < 0:
            return float(brentq(slope, before, at, xtol=precision))
    return bound


def _slope_of(z: Tensor, label: Tensor, transition: Tensor | None) -> Slope:
    """Return the slope of the loss of logits ``(N, C)`` whose largest is 0.

    It is ``E_p z - E_q z``, where ``q`` is ``p`` once the label is known: its class alone, or
    ``p_k transition[k, y]`` normalised.
    """
    both = z.new_empty(2, *z.shape)
    weight, product = both  # added up by one kernel

    def totals() -> Tensor:
        torch.mul(weight, z, out=product)
        return both.sum(-1)  # (2, N): of the weights, and of the logits by weight

    def softmax(at: float) -> Tensor:
        return torch.mul(z, math.exp(at), out=weight).exp_()  # but for a factor

    if transition is None:
        at_label = z.gather(-1, label[:, None]).mean()

        def plain(at: float) -> float:
            softmax(at)
            total, logit = totals()
            return float((logit.div_(total).mean() - at_label).item())

        return plain
    given = transition.to(z.dtype).T.contiguous().index_select(0, label)  # (N, C)

    def corrected(at: float) -> float:
        softmax(at)
        total, before = totals()
        before.div_(total)
        weight.mul_(given)
        total, after = totals()
        if (total == 0).any():  # too small for a float, which its logarithm is not
            weight.copy_((math.exp(at) * z).add_(given.log()).softmax(-1))
            total, after = totals()
        return float((before - after.div_(total)).mean().item())

    return corrected


def at_bound(temperature: float) -> bool:
    """Return whether a fit ended at the lowest or highest temperature there is."""
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
        ``nll``, ``brier``, ``ece`` and ``ece_floor`` as ``test_metrics`` defines them; NaN where
        they would be, and where the temperature is NaN.

    Raises:
        ValueError: the logits are no single slice, or there are not ``N`` labels.
    """
    names = ("nll", "brier", "ece", "ece_floor")
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
    bin_of = torch.bucketize(confidence, equal_width(BINS_COUNT, logits.device)[1:-1])
    gap = confidence.new_zeros(BINS_COUNT).index_add_(0, bin_of, rows.correct - confidence)
    nll, brier = (total.log() - at_label).mean(), (1 - 2 * own + square).mean()
    sums = confidence.new_zeros(3, BINS_COUNT)
    terms = torch.stack((torch.ones_like(confidence), confidence, confidence.square()))
    least = floor(*sums.index_add_(1, bin_of, terms))
    values = torch.stack((nll, brier, gap.abs().sum() / len(label), least / len(label))).tolist()
    return dict(zip(names, values, strict=True))


class Validation(NamedTuple):
    """The held-out predictions and labels on which temperatures are fitted."""

    logits: Tensor  # (V, C)
    noisy: Tensor  # (V,) given classes
    clean: Tensor  # (V,) true classes; negative for an image that belongs to none
    transition: Tensor  # (C, C), from the true class to the given one
    given: bool  # whether that is the noise's own matrix, and not the method's estimate of it


def temperature_metrics(
    logits: Tensor, label: Tensor, rows: Rows, validation: Validation
) -> dict[str, float]:
    """Fit temperatures on validation labels and measure the test set under each.

    There are three fits: on the ``noisy`` labels, on them through the transition matrix (``fwd``),
    and on the ``clean`` labels of the images that have one.

    Args:
        logits: ``(N, C)``, of the test images.
        label: ``(N,)`` classes, int64.
        rows: what ``rows_of`` makes of the two.
        validation: what the temperatures are fitted on.

    Returns:
        the temperature ``ts_*_T`` of each fit, ``ts_*_nll``, ``ts_*_brier``, ``ts_*_ece`` and
        ``ts_*_ece_floor`` of the test set under it, ``ts_fwd_given``, 1 if the true matrix was
        given, and ``ts_at_bound``, the number of fits that ended at a bound.
    """
    known = validation.clean >= 0
    fits = {
        "noisy": fit_temperature(validation.logits, validation.noisy),
        "fwd": fit_temperature(validation.logits, validation.noisy, validation.transition),
        "clean": fit_temperature(validation.logits[known], validation.clean[known]),
    }
    values = {
        "ts_fwd_given": float(validation.given),
        "ts_at_bound": float(sum(map(at_bound, fits.values()))),
    }
    for name, temperature in fits.items():
        values[f"ts_{name}_T"] = temperature
        scaled = scaled_metrics(logits, label, temperature, rows)
        values |= {f"ts_{name}_{metric}": value for metric, value in scaled.items()}
    return values

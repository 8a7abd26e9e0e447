"""Temperature scaling: one number fitted on validation labels, and what it does to the test set."""

import math

import torch
from scipy.optimize import brentq
from torch import Tensor

from benchmarks.metrics.binning import bin_sums, by_confidence, equal_width
from benchmarks.metrics.examples import measurable, rows_of
from benchmarks.schema import BINS_COUNT

LOG_BOUND = 10.0
"""Temperatures lie between ``exp(-10)`` and ``exp(10)``."""
REACHES = (1.0, 3.0, 7.0, LOG_BOUND)
PRECISION = 1e-10
"""Of the temperature's logarithm."""


def fit_temperature(logits: Tensor, label: Tensor, transition: Tensor | None = None) -> float:
    """Find the temperature under which the labels are the most likely.

    ``T = argmin mean_i -log softmax(z_i / T)[y_i]``; with a transition matrix, for labels that
    passed through it, ``-log sum_k transition[k, y_i] softmax(z_i / T)[k]``.

    From ``T = 1`` the search goes downhill in ``log(1 / T)`` until the slope changes its sign, and
    Brent's method finds where. The first loss is convex in ``1 / T``, so that this is its minimum.
    The second need not be: this is a minimum that goes downhill from ``T = 1``.

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
    z = logits.detach().double()
    z = z - z.amax(-1, keepdim=True)
    given = None if transition is None else transition.double().log().T[label]  # (N, C)
    at_label = z.gather(-1, label[:, None]).mean()

    def slope(at: float) -> float:
        """The derivative of the loss with respect to ``1 / T``, at ``log(1 / T)``.

        It is ``E_p z - E_q z``, where ``q`` is ``p`` once the label is known: its class alone, or
        ``p_k transition[k, y]`` normalised.
        """
        scaled = math.exp(at) * z
        p = scaled.softmax(-1)
        if given is None:
            return float((p.mul_(z).sum() / len(z) - at_label).item())
        q = scaled.add_(given).softmax(-1)
        return float((p.sub_(q).mul_(z).sum() / len(z)).item())

    start = slope(0.0)
    if start == 0 or math.isnan(start):
        return 1.0 if start == 0 else math.nan
    downhill, before = -math.copysign(1.0, start), 0.0
    for reach in REACHES:
        if slope(downhill * reach) * downhill > 0:
            found = brentq(slope, downhill * before, downhill * reach, xtol=PRECISION)
            return math.exp(-float(found))
        before = reach
    return math.exp(-downhill * LOG_BOUND)


def at_bound(temperature: float) -> bool:
    """Whether a fit ended at the lowest or highest temperature there is."""
    return not math.isnan(temperature) and abs(math.log(temperature)) > LOG_BOUND - PRECISION


def scaled_metrics(logits: Tensor, label: Tensor, temperature: float) -> dict[str, float]:
    """Measure test predictions after dividing their logits by a temperature.

    Returns:
        ``nll``, ``brier`` and ``ece`` as ``test_metrics`` defines them; NaN where it would be, and
        where the temperature is NaN.

    Raises:
        ValueError: the logits are no single slice, or there are not ``N`` labels.
    """
    names = ("nll", "brier", "ece")
    if not measurable(logits, label) or math.isnan(temperature):
        return dict.fromkeys(names, math.nan)
    rows = rows_of(logits.double() / temperature, label)
    ordered = by_confidence(rows)
    _, confidence, correct, _ = bin_sums(ordered, equal_width(ordered, BINS_COUNT).unsqueeze(-2))
    ece = (correct - confidence).abs().sum() / len(label)
    values = torch.stack((rows.nll.mean(), rows.brier.mean(), ece)).tolist()
    return dict(zip(names, values, strict=True))

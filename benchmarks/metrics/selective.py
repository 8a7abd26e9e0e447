"""Risk and coverage: whether confidence ranks the right predictions first."""

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.metrics.examples import Rows, rows_of

DIGITS = 36
"""The bits of the ranking key that count: predictions apart by rounding alone are tied."""


def risk_coverage(logits: Tensor, label: Tensor, rows: Rows | None = None) -> dict[str, Tensor]:
    """Measure the error of the most confident predictions at every coverage.

    With the ``E`` errors ranked by falling ``log max p``, ``aurc = mean over k = 1 .. N of (errors
    among the first k) / k``. Among equal confidences an error counts at its expected place, that
    is, each has the mean error of its ties. ``eaurc = aurc - mean_k max(0, k - (N - E)) / k``: the
    excess over a ranking that puts every error last.

    The key is ``log max p = log(1 - r)`` with ``r`` the sum of ``p_k`` over the other classes.
    Ranking by ``r`` is the same and tells apart what is 1 in float64.

    Args:
        logits: ``(..., N, C)``.
        label: ``(N,)`` classes, int64.
        rows: what ``rows_of`` makes of the two, where it is known already.

    Returns:
        float64 ``(...)`` shares; NaN without examples or where a logit of the slice is not finite.

    Raises:
        ValueError: there are not ``N`` labels.

    Source:
        Geifman, Uziel and El-Yaniv, ICLR 2019, https://arxiv.org/abs/1805.08206
    """
    examples = logits.shape[-2]
    if examples == 0:
        nothing = logits.new_full(logits.shape[:-2], torch.nan).double()
        return {"aurc": nothing, "eaurc": nothing}
    rows = rows or rows_of(logits, label)
    fraction, exponent = torch.frexp(rows.rest)
    key = torch.ldexp(fraction.mul_(2.0**DIGITS).round_(), exponent)
    key, order = key.sort(-1)  # the most confident first
    wrong = (1 - rows.correct).gather(-1, order)
    so_far = F.pad(wrong.cumsum(-1), (1, 0))  # (..., N + 1)
    first, end = _ties(key)
    tied_mean = (so_far.gather(-1, end) - so_far.gather(-1, first)) / (end - first)
    k = torch.arange(1, examples + 1, dtype=torch.float64, device=logits.device)
    aurc = (tied_mean.cumsum(-1) / k).mean(-1)
    errors = so_far[..., -1:]
    best = ((k - (examples - errors)).clamp(min=0) / k).mean(-1)
    areas = {"aurc": aurc, "eaurc": aurc - best}
    return {name: value.masked_fill(~rows.finite, torch.nan) for name, value in areas.items()}


def _ties(key: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first place and the end of each one's run of equal keys, of a sorted key."""
    place = torch.arange(key.shape[-1], device=key.device)
    new = F.pad(key.diff(dim=-1) != 0, (1, 0), value=True)
    last = F.pad(new[..., 1:], (0, 1), value=True)
    first = torch.where(new, place, 0).cummax(-1).values
    end = torch.where(last, place + 1, len(place)).flip(-1).cummin(-1).values.flip(-1)
    return first, end

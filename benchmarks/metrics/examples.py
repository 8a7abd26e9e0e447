"""What is known of each example of a prediction, in float64.

Confidences are rounded to multiples of ``2**-36``, about 1.5e-11 and far below what float32 logits
resolve. Two predictions that differ by rounding alone then share a bin, a vote of 6 in 10 lies on
the edge 9/15, and sums of up to 131,072 confidences are exact in whatever order a device adds.
"""

from typing import NamedTuple

import torch
from torch import Tensor

GRID = 2.0**36


class Rows(NamedTuple):
    """What is known of each example, and of each slice whether it can be measured."""

    confidence: Tensor  # (..., N), on the grid
    correct: Tensor  # (..., N), 0 or 1
    nll: Tensor  # (..., N)
    brier: Tensor  # (..., N)
    tied: Tensor  # (..., N), 0 or 1
    finite: Tensor  # (...), bool
    predicted: Tensor  # (..., N), the lowest class of the largest logit


def _refuse_other_lengths(logits: Tensor, *labels: Tensor) -> None:
    """Raise a ValueError where there is not one label for each example."""
    for label in labels:
        if label.shape != logits.shape[-2:-1]:
            raise ValueError(f"{logits.shape[-2]} examples need as many labels, got {label.shape}")


def measurable(logits: Tensor, label: Tensor) -> bool:
    """Whether ``(N, C)`` logits can be measured: some examples, all numbers finite.

    Raises:
        ValueError: the logits are not ``(N, C)``, or there are not ``N`` labels.
    """
    if logits.dim() != 2:
        raise ValueError(f"one slice of logits has 2 axes, got {tuple(logits.shape)}")
    _refuse_other_lengths(logits, label)
    return len(logits) > 0 and bool(logits.isfinite().all())


def predict(logits: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest logits ``(..., N)``, where they are, and which slices are finite ``(...)``."""
    _refuse_other_lengths(logits, *labels)
    highest, predicted = logits.max(-1)
    spread = highest.double() - logits.amin(-1).double()  # infinite or NaN if any logit is
    return highest, predicted, (spread < torch.inf).all(-1)


def rows_of(logits: Tensor, label: Tensor) -> Rows:
    """Measure each example with a single exponential per logit."""
    logits = logits.detach()
    highest, predicted, finite = predict(logits, label)
    target = label.expand(predicted.shape)
    tied = (logits == highest[..., None]).sum(-1) > 1
    below = logits.double() - highest.double()[..., None]  # (..., N, C), 0 or less
    at_label = below.gather(-1, target[..., None])  # (..., N, 1)
    weight = below.exp_()
    total = weight.sum(-1)  # 1 to C
    error = weight.div_(total[..., None])
    error.scatter_add_(-1, target[..., None], torch.full_like(at_label, -1.0))
    confidence = total.reciprocal().mul_(GRID).round_().div_(GRID)
    nll = total.log() - at_label[..., 0]
    correct = (predicted == target).double()
    brier = error.square_().sum(-1)
    return Rows(confidence, correct, nll, brier, tied.double(), finite, predicted)

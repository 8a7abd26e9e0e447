"""The facts about each example of a prediction, in float64.

Confidences are rounded to multiples of ``2**-36``, about 1.5e-11 and far below what float32 logits
resolve. Two predictions that differ by rounding alone then share a bin, a vote of 6 in 10 lies on
the edge 9/15, and sums of up to 131,072 confidences are exact in whatever order a device adds.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.schema import GRID


class Rows(NamedTuple):
    """The facts about each example, and about each slice whether it can be measured."""

    confidence: Tensor  # (..., N), on the grid
    correct: Tensor  # (..., N), 0 or 1
    nll: Tensor  # (..., N)
    brier: Tensor  # (..., N)
    tied: Tensor  # (..., N), 0 or 1
    finite: Tensor  # (...), bool
    predicted: Tensor  # (..., N), the lowest class of the largest logit
    below: Tensor  # (..., N, C), each logit less the largest of its example
    share: Tensor  # (..., N, C), the softmax
    rest: Tensor  # (..., N), the share of all classes but the predicted one
    ordered: Tensor  # (..., 3, N), confidence, correct, squared confidence; by rising confidence


def _refuse_other_lengths(logits: Tensor, *labels: Tensor) -> None:
    """Raise a ValueError where there is not one label for each example."""
    for label in labels:
        if label.shape != logits.shape[-2:-1]:
            raise ValueError(f"{logits.shape[-2]} examples need as many labels, got {label.shape}")


def measurable(logits: Tensor, label: Tensor) -> bool:
    """Return whether ``(N, C)`` logits can be measured: some examples, all numbers finite.

    Raises:
        ValueError: the logits are not ``(N, C)``, or there are not ``N`` labels.
    """
    if logits.dim() != 2:
        raise ValueError(f"one slice of logits has 2 axes, got {tuple(logits.shape)}")
    _refuse_other_lengths(logits, label)
    return len(logits) > 0 and bool(_finite(logits, logits.amax(-1)))


def predict(logits: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest logits ``(..., N)``, their classes, and which slices are finite."""
    _refuse_other_lengths(logits, *labels)
    highest, predicted = logits.max(-1)
    return highest, predicted, _finite(logits, highest)


def _finite(logits: Tensor, highest: Tensor) -> Tensor:
    """Return which slices are finite ``(...)``, sooner than by asking each logit."""
    spread = highest.double() - logits.amin(-1).double()  # infinite or NaN if any logit is
    return (spread < torch.inf).all(-1)


def rows_of(logits: Tensor, label: Tensor) -> Rows:
    """Measure each example with a single exponential per logit."""
    logits = logits.detach()
    highest, predicted, finite = predict(logits, label)
    place, target = predicted[..., None], label.expand(predicted.shape)
    below = logits.to(torch.float64, copy=True).sub_(highest.double()[..., None])  # 0 or less
    tied = logits.scatter(-1, place, -torch.inf).amax(-1) == highest
    at_label = below.gather(-1, target[..., None])[..., 0]
    share = below.exp()
    total = share.sum(-1)  # 1 to C
    rest = share.scatter_(-1, place, 0.0).sum(-1).div_(total)
    share.scatter_(-1, place, 1.0).div_(total[..., None])
    own = share.gather(-1, target[..., None])[..., 0]
    confidence = total.reciprocal().mul_(GRID).round_().div_(GRID)
    brier = torch.linalg.vector_norm(share, dim=-1).square_().add_(1 - 2 * own)
    correct, nll = (predicted == target).double(), total.log() - at_label
    ranked, order = confidence.sort(-1)
    ordered = torch.stack((ranked, correct.gather(-1, order), ranked.square()), -2)
    every = (confidence, correct, nll, brier, tied.double())
    return Rows(*every, finite, predicted, below, share, rest, ordered)

"""Detection of the mislabelled training examples by a score."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def detection(
    score: Tensor | NDArray[Any], mislabelled: Tensor | NDArray[np.bool_]
) -> tuple[float, float]:
    """Measure how well a score of noisiness ranks the mislabelled examples first.

    ``auroc = P(score of a mislabelled one > score of another) + P(equal) / 2`` and ``ap = sum_k
    (recall_k - recall_(k - 1)) * precision_k`` over the distinct scores downwards, whose chance
    level is the noise rate. The scores count by rank only and need no range.

    >>> detection(torch.tensor([9.5, -3.0, 0.2, 0.1]), torch.tensor([True, False, True, False]))
    (1.0, 1.0)

    Args:
        score: ``(N,)``, higher means more likely mislabelled.
        mislabelled: ``(N,)``, bool.

    Returns:
        ``auroc`` and ``ap``, 0 to 1; NaN if all or none are mislabelled or a score is not finite.

    Raises:
        ValueError: ``score`` and ``mislabelled`` differ in shape.

    Source:
        Fawcett, 2006, https://doi.org/10.1016/j.patrec.2005.10.010
    """
    scores = torch.as_tensor(score).detach().double().cpu().numpy()
    truth = torch.as_tensor(mislabelled).detach().bool().cpu().numpy()
    if scores.shape != truth.shape:
        raise ValueError(f"score needs the shape of mislabelled, {truth.shape}: {scores.shape}")
    if truth.all() or not truth.any() or not np.isfinite(scores).all():
        return float("nan"), float("nan")
    order = np.argsort(-scores)
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    hits = truth[order].cumsum()[ends]
    recall, others = np.append(0, hits / hits[-1]), np.append(0, ends + 1 - hits)
    auroc = np.trapezoid(recall, others / others[-1])
    return float(auroc), float((np.diff(recall) * hits / (ends + 1)).sum())

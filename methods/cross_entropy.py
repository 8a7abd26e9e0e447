"""Cross-entropy on hard labels: the baseline every method is read against."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State


@dataclass(frozen=True)
class CrossEntropy(Method, label="Cross-entropy (hard labels)", family="baseline"):
    """Fit the given label as if it were certain.

    ``loss = -log p[y]`` in nats; with two classes, ``-(y log p + (1 - y) log(1 - p))``. Nothing
    bounds it, so an example that the network answers rightly and confidently, under a wrong
    label, outweighs hundreds of others, and in the end is memorised:

    >>> import torch
    >>> from torch.nn.functional import binary_cross_entropy
    >>> def log_loss(p, y):
    ...     pair = torch.tensor([p, y], dtype=torch.float64)
    ...     return round(binary_cross_entropy(*pair).item(), 2)
    >>> log_loss(0.99, 1.0), log_loss(0.99, 0.0)  # sure of class 1: labelled 1, mislabelled 0
    (0.01, 4.61)
    >>> log_loss(0.999999, 0.0)
    13.82
    """

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return ``-log p[y]`` of each example."""
        return F.cross_entropy(logits, batch.label, reduction="none"), state

"""Label smoothing."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State
from methods.bounds import Between


@dataclass(frozen=True)
class LabelSmoothing(Method, label="Label smoothing", family="targets"):
    """Fit the given label mixed with the uniform distribution.

    ``target = onehot(y) * (1 - smoothing) + smoothing / C``
    ``loss = -sum_k target[k] log p[k]``

    >>> import torch
    >>> onehot = torch.tensor([0.0, 1.0])
    >>> onehot * (1 - 0.2) + 0.2 / 2
    tensor([0.1000, 0.9000])

    ``smoothing = 0`` is cross-entropy, ``smoothing = 1`` ignores the label. Negative values sharpen
    the target beyond the label (Wei et al., 2022) and make the loss unbounded below.

    Source:
        Christian Szegedy, Vincent Vanhoucke, Sergey Ioffe, Jonathon Shlens & Zbigniew Wojna,
        "Rethinking the Inception architecture for computer vision", CVPR 2016.
        https://arxiv.org/abs/1512.00567; on noisy labels Lukasik et al., "Does label smoothing
        mitigate label noise?", ICML 2020. https://arxiv.org/abs/2003.02819; on negative values the
        paper of ``negative_ls``.
    """

    smoothing: Annotated[float, Between(-8.0, 1.0)] = 0.1

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy of each example to its smoothed target, in nats."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        uniform = -logits.log_softmax(-1).mean(-1)
        return (1 - self.smoothing) * hard + self.smoothing * uniform, state

"""The calibration kernel: a plain training step that no change of the engine changes.

Never edit it: the times of older runs are in its unit.
"""

import torch
from torch.nn import functional as F

_DRAWS = torch.Generator().manual_seed(0)
_IMAGES = torch.randn(128, 64, generator=_DRAWS)
_LABELS = torch.randint(10, (128,), generator=_DRAWS)
_FIRST = torch.randn(64, 256, generator=_DRAWS).mul_(0.1).requires_grad_()
_SECOND = torch.randn(256, 10, generator=_DRAWS).mul_(0.1).requires_grad_()
_STEPS = 5


def run() -> None:
    """Do the arithmetic of some steps of a small dense network, as a loop of anybody's would."""
    for _ in range(_STEPS):
        logits = (_IMAGES @ _FIRST).relu() @ _SECOND
        torch.autograd.grad(F.cross_entropy(logits, _LABELS), (_FIRST, _SECOND))

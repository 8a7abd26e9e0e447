"""Labels as tensors."""

import torch
from torch import Tensor


def one_hot(label: Tensor, like: Tensor) -> Tensor:
    """Return 1 at each label's class and 0 elsewhere, in the type of ``like``.

    ``torch.nn.functional.one_hot`` looks at the values and so cannot be mapped over cells.

    >>> one_hot(torch.tensor([2, 0]), torch.zeros(2, 3))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])

    ``label`` is ``(..., B)``; ``like`` is ``(..., B, C)`` and gives the number of classes.
    """
    classes = torch.arange(like.shape[-1], device=label.device)
    return (label[..., None] == classes).to(like.dtype)

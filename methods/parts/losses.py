"""Losses of every class at once, and the robust losses made of them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def absolute_error(logits: Tensor, label: Tensor) -> Tensor:
    """Return ``1 - p[y]``, exact also where ``p[y]`` is nearly 1.

    Half the absolute error ``sum_k |onehot(y)_k - p_k|``, and bounded: the passive part of many a
    robust loss.
    """
    return -torch.expm1(-F.cross_entropy(logits, label, reduction="none"))


def focal(logits: Tensor, gamma: float, *, detach: bool) -> Tensor:
    """Return ``-(1 - p_k)^gamma log p_k`` of every class ``(B, C)``.

    ``detach`` treats the factor ``(1 - p_k)^gamma`` as a constant.

    Source:
        Lin et al., "Focal loss for dense object detection", ICCV 2017.
        https://arxiv.org/abs/1708.02002 (equation 4).
    """
    log_p = logits.log_softmax(-1)
    rest = -(log_p.detach() if detach else log_p).expm1()
    smallest = torch.finfo(logits.dtype).eps  # a power below 1 has no slope at 0
    return -rest.clamp(min=smallest).pow(gamma) * log_p


def normalise(losses: Tensor, label: Tensor) -> Tensor:
    """Return the share of the label's loss in the sum of ``(B, C)`` losses, ``(B,)`` in [0, 1].

    Summed over the labels it is 1 whatever the prediction, so symmetric noise moves no minimum.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equation 5).
    """
    return -F.nll_loss(losses, label, reduction="none") / losses.sum(-1)


def negative_loss(losses: Tensor, label: Tensor, worst: float) -> Tensor:
    """Return the normalised loss of all classes but the label, turned upside down: ``(B,)``.

    ``1 - (worst - l_y) / sum_k (worst - l_k)``: small where the other classes fare badly. Losses
    ``(B, C)`` are cut off at ``worst``.

    Source:
        Ye et al., "Active negative loss functions for learning with noisy labels", NeurIPS 2023.
        https://mlanthology.org/neurips/2023/ye2023neurips-active
    """
    return 1 - normalise(worst - losses.clamp(max=worst), label)


def reverse_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Return ``-sum_k p_k * log onehot(y)_k = 9.21 * (1 - p_y)``, ``(B,)``.

    The logarithm of 0 is that of 1e-4, as in the code on which published numbers stand.
    """
    return -math.log(1e-4) * absolute_error(logits, label)

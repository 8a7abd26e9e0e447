"""The fate of the mislabelled training examples: memorised, recovered, or neither."""

import torch
from torch import Tensor

from benchmarks.metrics.examples import predict
from benchmarks.schema import TRAIN_METRICS, UNKNOWN_CLASS


def train_metrics(train_logits: Tensor, noisy: Tensor, clean: Tensor) -> dict[str, Tensor]:
    """Measure what became of the mislabelled training examples.

    Over ``noisy != clean``: ``mem_frac = mean(predicted == noisy)``, ``clean_recovery =
    mean(predicted == clean)`` and ``other_frac``, the rest; the three sum to 1. Over ``noisy ==
    clean``: ``fit_clean = mean(predicted == clean)``. All are shares, NaN over no examples.

    Args:
        train_logits: ``(..., N, C)``, of the training images without augmentation.
        noisy: ``(N,)`` classes that were trained on.
        clean: ``(N,)`` true classes; -1 for an image that belongs to none, -2 where
            nobody knows the class, and then the image is left out.

    Returns:
        float64 ``(...)`` under each id of ``TRAIN_METRICS``.

    Raises:
        ValueError: there are not ``N`` labels of either kind.

    Source:
        Liu et al., NeurIPS 2020, https://arxiv.org/abs/2007.00151 (figure 1 draws the shares)
    """
    _, predicted, finite = predict(train_logits, noisy, clean)
    wrong = (noisy != clean) & (clean != UNKNOWN_CLASS)
    right = noisy == clean
    mislabelled = wrong.sum().double()
    memorised = ((predicted == noisy) & wrong).sum(-1)
    recovered = ((predicted == clean) & wrong).sum(-1)
    fitted = ((predicted == clean) & right).sum(-1)
    shares = {
        "mem_frac": memorised / mislabelled,
        "clean_recovery": recovered / mislabelled,
        "other_frac": (mislabelled - memorised - recovered) / mislabelled,
        "fit_clean": fitted / right.sum().double(),
    }
    return {name: shares[name].masked_fill(~finite, torch.nan) for name in TRAIN_METRICS}

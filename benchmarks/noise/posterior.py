"""The posterior of a small model of clean labels for each training image, for margin noise.

The model is one of closed form, so that its numbers are those of the data, not of a run: least
squares on the responses of random patches of the images (Coates & Ng, 2011). Each image is judged
by the fit to all *others*: a model with as many features as images knows each by heart.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.seeds import generator

PATCHES = 128
SIDE = 6  # of a patch, at 32 pixels a side
AT_ONCE = 500  # images
RIDGE = 1e-2  # of the squared weights, for each image
CONTRAST = 10.0  # added to the variance of a patch, in squared raw values
WHITENING = 0.1  # added to the variances of normalised patches
THRESHOLD = 0.25
SHARPNESS = torch.logspace(-1, 2, 121, dtype=torch.float64)


@functools.lru_cache(maxsize=2)
def posterior(image: Tensor, label: Tensor, classes: int) -> Tensor:
    """Return ``(N, C)`` float64 probabilities of the classes of each image, judged by the others.

    ``softmax(b z)``, where ``z`` are leave-one-out predictions of ridge regression on one-hot
    labels and ``b``, of ``SHARPNESS``, makes the labels most likely.

    Args:
        image: ``(N, channels, height, width)`` uint8, or feature vectors ``(N, D, 1, 1)``.
        label: ``(N,)`` int64 true labels.
        classes: ``C``.

    Source:
        Coates & Ng, "The importance of encoding versus training with sparse coding and vector
        quantization", ICML 2011 (random patches, whitened, soft threshold).
    """
    z = left_out(features(image), F.one_hot(label, classes).double())
    fits = [F.cross_entropy(sharpness * z, label) for sharpness in SHARPNESS]
    return (SHARPNESS[int(torch.stack(fits).argmin())] * z).softmax(1)


def left_out(feature: Tensor, target: Tensor) -> Tensor:
    """Return ridge predictions ``(N, C)`` of each example by the fit to all others.

    ``y_i - (y_i - (H y)_i) / (1 - H_ii)`` with ``H = X (X'X + N r I)^-1 X' + 1 / N`` over centred
    features, ``r = RIDGE``.
    """
    mean = target.mean(0)
    gram = feature.T @ feature
    gram.diagonal().add_(RIDGE * len(feature))
    root = torch.linalg.cholesky(gram)
    half = torch.linalg.solve_triangular(root, feature.T, upper=False)  # (D, N)
    fitted = half.T @ (half @ (target - mean)) + mean
    leverage = half.square().sum(0)[:, None] + 1 / len(feature)
    prediction: Tensor = target - (target - fitted) / (1 - leverage)
    return prediction


def features(image: Tensor) -> Tensor:
    """Return standardised responses to random patches, ``(N, 8 PATCHES)`` float64.

    Feature vectors ``(N, D, 1, 1)`` stand for themselves, ``(N, D)``.

    Patches of every third place (of every place in images of less than 24 pixels) are brought to
    mean 0 and contrast 1, whitened, and projected on ``PATCHES`` of them; what is above a threshold
    in either direction is averaged over the quarters of the image.
    """
    if image.is_floating_point():
        return image.flatten(1).double()
    side = min(SIDE, max(2, image.shape[-1] // 2))
    step = 3 if image.shape[-1] >= 24 else 1
    source = generator("patches")
    some = image[torch.randperm(len(image), generator=source)[:AT_ONCE]]
    patch = _patches(some, side, step).flatten(0, 1)
    mean = patch.mean(0)
    variance, axes = torch.linalg.eigh((patch - mean).T @ (patch - mean) / len(patch))
    white = axes / (variance + WHITENING).sqrt() @ axes.T
    chosen = torch.randint(len(patch), (PATCHES,), generator=source)
    filters = white @ F.normalize((patch[chosen] - mean) @ white, dim=1).T  # (side^2 channels, K)
    parts: tuple[Tensor, ...] = image.split(AT_ONCE)
    response = torch.cat([_pooled((_patches(part, side, step) - mean) @ filters) for part in parts])
    deviation, average = torch.std_mean(response, 0)
    return ((response - average) / (deviation + 1e-2)).double()


def _patches(image: Tensor, side: int, step: int) -> Tensor:
    """Return normalised patches ``(N, places, channels * side * side)``."""
    patch = F.unfold(image.float(), side, stride=step).transpose(1, 2)
    variance, mean = torch.var_mean(patch, -1, keepdim=True)
    return (patch - mean) / (variance + CONTRAST).sqrt()


def _pooled(response: Tensor) -> Tensor:
    """Threshold responses ``(N, places, K)`` both ways and average them over quarters."""
    size, places, _ = response.shape
    both = torch.cat((response - THRESHOLD, -response - THRESHOLD), -1).relu()
    grid = math.isqrt(places)
    return F.adaptive_avg_pool2d(both.transpose(1, 2).reshape(size, -1, grid, grid), 2).flatten(1)

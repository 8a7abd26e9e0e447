"""Responses to random patches: features without weights, for machines without a network."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.embedding.base import Backbone, Fitted
from benchmarks.seeds import generator, seeded
from methods.bounds import Between

CONTRAST = 10.0
"""Added to the variance of the pixels of a patch, in squared raw values."""

WHITENING = 0.1
"""Added to the variances of normalised patches."""

SAMPLED = 100_000
"""The patches from which filters and the whitening of patches are computed."""

FITTED = 8_000
"""The images from whose responses the directions of the features are computed, at most."""

TINY = 1e-12
"""The smallest deviation or variance by which is divided."""

KEPT = 0.998
"""The share of the variance of patches that their whitened directions hold."""

LEAST = 1e-3
"""Added to the deviation of each response, in units of the mean one."""

AT_ONCE = {"cpu": 4, "cuda": 128}
"""Images whose responses are held in memory together: on a CPU, in its cache."""

OVERSAMPLED = 1.1
"""The directions that are sought, in units of those that are kept."""


@dataclass(frozen=True)
class RandomConv(Backbone):
    """Whitened patches of training images as filters, rectified both ways, pooled, and reduced.

    A patch of ``side`` by ``side`` pixels is brought to mean 0 and contrast 1 and whitened,
    ``w = W (p - m)``; so are ``patches`` of them, drawn at random from the training images and
    scaled to length 1, the filters ``d``. Every place of an image responds with
    ``max(0, d.w - threshold)`` and ``max(0, -d.w - threshold)``, which are averaged over the
    ``pools`` by ``pools`` parts of the image. Standardised, they are projected on their first
    ``size`` principal directions; the projections have mean 0, and variances of the power
    ``1 - whiten`` of the directions'. Nothing is computed from labels or test images.

    Source:
        Coates & Ng, "The importance of encoding versus training with sparse coding and vector
        quantization", ICML 2011 (random patches, soft threshold); the normalisation of Coates, Ng &
        Lee, "An analysis of single-layer networks in unsupervised feature learning", AISTATS 2011.
        https://proceedings.mlr.press/v15/coates11a.html
    Differs from these:
        They classify all pooled responses, of a 2x2 grid, by a linear SVM.
    """

    patches: Annotated[int, Between(1, 65_536)] = 1024
    side: Annotated[int, Between(1, 64)] = 6
    threshold: Annotated[float, Between(0.0, 100.0)] = 0.75
    pools: Annotated[int, Between(1, 64)] = 3
    size: Annotated[int, Between(1, 65_536)] = 512
    whiten: Annotated[float, Between(0.0, 1.0)] = 0.5
    seed: Annotated[int, Between(0, 2**31)] = 0

    def features(self, shape: tuple[int, int, int]) -> int:
        """Return ``size``, or the number of pooled responses where that is smaller."""
        side = self._side(shape)
        pools = min(self.pools, min(shape[1:]) - side + 1)
        return min(self.size, 2 * self.patches * pools**2)

    def fit(self, image: Tensor, device: torch.device) -> Fitted:
        """Return the whitening, the filters and the directions, from training images alone."""
        source = generator("random_conv", self.seed)
        shape = (image.shape[1], image.shape[2], image.shape[3])
        patch = _normalised(self._sampled(image, source))  # (SAMPLED, channels * side^2)
        mean = patch.mean(0)
        variance, axes = torch.linalg.eigh((patch - mean).T.double() @ (patch - mean).double())
        variance, axes = variance.flip(0) / len(patch), axes.flip(1)
        kept = 1 + int((variance.cumsum(0) < KEPT * variance.sum()).sum())
        white = (axes / (variance + WHITENING).sqrt())[:, :kept].float()  # (channels * side^2, K)
        drawn = torch.randperm(len(patch), generator=source)[: self.patches]
        own = {
            "white": white,
            "mean": mean @ white,
            "filters": F.normalize((patch[drawn] - mean) @ white, dim=1).T.contiguous(),
            "pooling": self._pooling(shape),
        }
        some = torch.randperm(len(image), generator=source)[:FITTED].sort().values
        response = self._responses(image[some], own, device)  # (n, 2 * patches * pools^2)
        center = response.mean(0)
        deviation = response.sub_(center).square().mean(0).sqrt()
        deviation = (deviation + LEAST * deviation.mean()).clamp(min=TINY)
        response /= deviation
        size = self.features(shape)
        with seeded("random_conv", self.seed, "directions"):
            sought = min(*response.shape, round(OVERSAMPLED * size) + 10)
            _, singular, directions = torch.svd_lowrank(response, sought, niter=2)
        directions = directions[:, :size]
        spread = (singular[:size].square() / len(response)).clamp(min=TINY)  # variances
        found = directions * spread.pow(-self.whiten / 2) / deviation[:, None]
        projection = F.pad(found, (0, size - found.shape[1]))  # of few images there are fewer
        return {**own, "projection": projection, "offset": center @ projection}

    def embed(self, image: Tensor, fitted: Fitted, device: torch.device) -> Tensor:
        """Return the projections of the responses."""
        response = self._responses(image, fitted, device)
        return response @ fitted["projection"] - fitted["offset"]

    def _side(self, shape: tuple[int, int, int]) -> int:
        """Return the side of a patch, which is at most half that of an image."""
        return min(self.side, max(1, min(shape[1:]) // 2))

    def _sampled(self, image: Tensor, source: torch.Generator) -> Tensor:
        """Return patches ``(SAMPLED, channels, side, side)`` from random places of the images."""
        side, (height, width) = self._side((1, *image.shape[2:])), image.shape[2:]
        of, row, column = (
            torch.randint(count, (SAMPLED, 1, 1, 1), generator=source)
            for count in (len(image), height - side + 1, width - side + 1)
        )
        step = torch.arange(side)
        channel = torch.arange(image.shape[1])[:, None, None]
        return image[of, channel, row + step[:, None], column + step]

    def _pooling(self, shape: tuple[int, int, int]) -> Tensor:
        """Return the shares ``(pools^2, places)`` in which places count in each part."""
        side = self._side(shape)
        rows, columns = (length - side + 1 for length in shape[1:])
        one_hot = torch.eye(rows * columns, dtype=torch.float32).view(-1, 1, rows, columns)
        pools = min(self.pools, rows, columns)
        return F.adaptive_avg_pool2d(one_hot, pools).flatten(1).T.contiguous()

    def _responses(self, image: Tensor, fitted: Fitted, device: torch.device) -> Tensor:
        """Return pooled responses ``(n, 2 * patches * pools^2)`` on the CPU."""
        there = {name: tensor.to(device) for name, tensor in fitted.items()}
        side = self._side((1, *image.shape[2:]))
        parts, (pools, _) = image.split(_at_once(device)), fitted["pooling"].shape
        shape = (len(image), pools, 2 * fitted["filters"].shape[1])
        pooled = torch.empty(shape, dtype=torch.float32)
        for some, place in zip(parts, pooled.split(_at_once(device)), strict=True):
            patch = _normalised(_patches(some.to(device), side))  # (n, places, channels * side^2)
            response = (patch @ there["white"] - there["mean"]) @ there["filters"]
            # Of s = max(0, z - t) - max(0, -z - t) and its size, half the sum and half the
            # difference are the two parts.
            beyond = F.softshrink(response, self.threshold)
            signed = there["pooling"] @ beyond
            size = there["pooling"] @ beyond.abs_()
            # Written in place: small results between large scratch would keep the heap from it.
            place.copy_(torch.cat(((size + signed) / 2, (size - signed) / 2), -1))
        return pooled.flatten(1)


def _at_once(device: torch.device) -> int:
    """Return how many images are responded to together."""
    return AT_ONCE.get(device.type, AT_ONCE["cuda"])


def _patches(image: Tensor, side: int) -> Tensor:
    """Return the patches around every place, ``(n, places, channels, side, side)``."""
    every = image.unfold(2, side, 1).unfold(3, side, 1)  # (n, channels, rows, columns, side, side)
    return every.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)


def _normalised(patch: Tensor) -> Tensor:
    """Return patches ``(..., channels * side * side)`` float32 of mean 0 and contrast 1."""
    flat = patch.flatten(-3).float()
    flat = flat - flat.mean(-1, keepdim=True)
    return flat / (flat.square().mean(-1, keepdim=True) + CONTRAST).sqrt()

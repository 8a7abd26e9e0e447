"""The network of the speed records on CIFAR-10, which learns the set in ten or twenty epochs."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.models.base import Model
from methods.bounds import Between

BIAS_SCALE = 8.0
"""Its square, 64, is how many times faster than other weights SGD moves the biases."""

OUTPUT_SCALE = 1 / 9
"""What logits are multiplied by, so that the first steps can be large."""

SMALLEST_VARIANCE = 5e-4
"""Added to the variance of patches, so that directions without any do not blow up noise."""

PATCHED_AT_ONCE = 256
"""Images whose patches are held in memory together."""


@dataclass(frozen=True)
class Airbench(Model):
    """Six 3x3 convolutions behind a layer that whitens 2x2 patches: 2.0 million weights.

    The first layer is computed from training images, without their labels, and only its bias
    learns. Convolutions start as the identity on the channels that they are given. Those of the
    first group have ``width`` channels, those of the second and third four times as many.

    Source:
        Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.
        https://arxiv.org/abs/2404.00498; the authors' code KellerJordan/cifar10-airbench was read
        at commit f1c599c, file legacy/airbench94.py.
    Differs from that code:
        The bias of the first layer learns in all epochs, not in the first three; the largest value
        of what the last group leaves is taken over the whole image, 3x3 there; images too small to
        be halved three times are halved less often.
    """

    width: Annotated[int, Between(1, 4096)] = 64

    smallest: ClassVar[int] = 2
    images_seen: ClassVar[int] = 5_000

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; its first layer whitens once it has been shown images."""
        channels, height, width = shape
        layers: list[nn.Module] = [WhitenedPatches(channels), nn.GELU()]
        before, side = 8 * channels, min(height, width) - 1
        for after in (self.width, 4 * self.width, 4 * self.width):
            layers.append(_group(before, after, halved=side > 1))
            before, side = after, max(1, side // 2)
        head = nn.Linear(before, num_classes, bias=False)
        return nn.Sequential(*layers, LargestOfImage(), head, Scale(OUTPUT_SCALE))

    def initialise(self, network: nn.Module, images: Tensor) -> None:
        """Let the first layer whiten the patches of these images."""
        (first,) = (layer for layer in network.modules() if isinstance(layer, WhitenedPatches))
        first.whiten(images)


class WhitenedPatches(nn.Module):
    """A convolution onto the principal directions of 2x2 patches, each of variance 1, and minus it.

    The directions are a buffer, so no optimiser moves them; the bias is a parameter.
    """

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", nn.Conv2d(channels, 8 * channels, 2).weight.detach())
        self.bias = nn.Parameter(torch.zeros(8 * channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, 8 * channels, H - 1, W - 1)``."""
        return F.conv2d(x, self.weight, self.bias)

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Compute the directions from images ``(n, channels, H, W)``, in float64.

        The sign of an eigenvector is arbitrary: here its largest entry is positive, so that every
        library for linear algebra leaves the same order of channels.
        """
        width, count = self.weight[0].numel(), 0
        squares = torch.zeros(width, width, dtype=torch.float64)
        for some in images.split(PATCHED_AT_ONCE):
            patches = F.unfold(some.double(), 2).movedim(1, -1).reshape(-1, width)
            squares += patches.T @ patches
            count += len(patches)
        variance, directions = torch.linalg.eigh(squares / count)
        largest = directions.abs().argmax(0, keepdim=True)
        directions = directions * directions.gather(0, largest).sign()
        rows = (directions / (variance + SMALLEST_VARIANCE).sqrt()).T.flip(0)
        self.weight.copy_(torch.cat((rows, -rows)).view_as(self.weight))


class ScaledBias(nn.Module):
    """A bias of each channel that SGD moves ``BIAS_SCALE ** 2`` times as fast as other weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Add the bias to ``(B, channels, H, W)``."""
        return x + (BIAS_SCALE * self.bias)[:, None, None].to(x.dtype)


class LargestOfImage(nn.Module):
    """The largest value of each channel over the image."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, channels)``."""
        return x.amax((-2, -1))


class Scale(nn.Module):
    """A product with a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.factor


def _group(before: int, after: int, *, halved: bool) -> nn.Sequential:
    """Return two convolutions, the first of which is followed by pooling where it is halved."""
    pooling = [nn.MaxPool2d(2)] if halved else []
    return nn.Sequential(
        _convolution(before, after),
        *pooling,
        *_normalisation(after),
        _convolution(after, after),
        *_normalisation(after),
    )


def _convolution(before: int, after: int) -> nn.Conv2d:
    """Return a 3x3 convolution whose first channels hand on what they are given."""
    layer = nn.Conv2d(before, after, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:before])
    return layer


def _normalisation(channels: int) -> tuple[nn.Module, ...]:
    """Return batch normalisation whose statistics follow the last few steps, bias and GELU."""
    normalised = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4, affine=False)
    return normalised, ScaledBias(channels), nn.GELU()

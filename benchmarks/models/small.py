"""Small networks for small images."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from benchmarks.models.base import Model, convolution, initialise_as_robust_losses
from methods.bounds import Added, Between


@dataclass(frozen=True)
class Linear(Model):
    """One layer from pixels or features to logits: multinomial logistic regression."""

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), num_classes))


@dataclass(frozen=True)
class MLP(Model):
    """Two hidden layers of rectified units, by default 51 thousand weights on 8x8 images."""

    first: Annotated[int, Between(1, 65_536), Added(256)] = 256
    second: Annotated[int, Between(1, 65_536), Added(128)] = 128

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        channels, height, width = shape
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * height * width, self.first),
            nn.ReLU(),
            nn.Linear(self.first, self.second),
            nn.ReLU(),
            nn.Linear(self.second, num_classes),
        )


@dataclass(frozen=True)
class ConvNet(Model):
    """Two 3x3 convolutions (16, 32 channels) and two dense layers: 38 thousand weights on 8x8."""

    smallest: ClassVar[int] = 2

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        channels, height, width = shape
        return nn.Sequential(
            *convolution(channels, 16),
            *convolution(16, 32),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * (height // 2) * (width // 2), 64),
            nn.ReLU(),
            nn.Linear(64, num_classes),
        )


@dataclass(frozen=True)
class MNISTConvNet(Model):
    """The 4-layer network of the robust-loss papers: 0.42 million weights on 28x28 images.

    Two 3x3 convolutions (32, 64 channels) and two dense layers (128, C), batch normalisation after
    every layer but the last.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554
    """

    smallest: ClassVar[int] = 4

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        channels, height, width = shape
        return nn.Sequential(
            *convolution(channels, 32),
            nn.MaxPool2d(2),
            *convolution(32, 64),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Linear(128, num_classes),
        )


@dataclass(frozen=True)
class CIFARCNN(Model):
    """The 8-layer network of the robust-loss papers: 1.6 million weights on CIFAR-10.

    Three pairs of 3x3 convolutions (64, 128, 196 channels), each pair halving the image, and two
    dense layers (256, C), batch normalisation after every layer but the last.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554; layers and initial weights as in the authors' code
        HanxunH/Active-Passive-Losses at commit 2d18de6, file archive/model.py.
    """

    smallest: ClassVar[int] = 8

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        channels, height, width = shape
        layers: list[nn.Module] = []
        for before, after in ((channels, 64), (64, 128), (128, 196)):
            layers += [*convolution(before, after), *convolution(after, after), nn.MaxPool2d(2)]
        network = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(196 * (height // 8) * (width // 8), 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Linear(256, num_classes),
        )
        initialise_as_robust_losses(network)
        return network

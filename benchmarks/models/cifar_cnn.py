"""The convolutional network of the robust-loss papers on CIFAR-10."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from benchmarks.models.base import Model, convolution, initialise_as_robust_losses


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

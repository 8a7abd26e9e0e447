"""Residual networks for small images: a 3x3 first layer of stride 1, and no pooling after it."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.models.base import Model

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages; each but the first begins with a stride of 2."""


@dataclass(frozen=True)
class ResNet18(Model):
    """ResNet-18 for 32x32 images: 11.2 million weights; initial weights as torch draws them.

    Source:
        He et al., "Deep residual learning for image recognition", CVPR 2016.
        https://arxiv.org/abs/1512.03385; the first layer as in kuangliu/pytorch-cifar, which the
        papers on noisy labels use.
    """

    smallest: ClassVar[int] = 8
    depths: ClassVar[tuple[int, ...]] = (2, 2, 2, 2)

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        stem = [_convolution(shape[0], WIDTHS[0], 1), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()]
        return nn.Sequential(*stem, *_stages(BasicBlock, self.depths), *_head(num_classes))


@dataclass(frozen=True)
class ResNet34(ResNet18):
    """ResNet-34 for 32x32 images: 21.3 million weights; initial weights as torch draws them.

    Source:
        He et al., "Deep residual learning for image recognition", CVPR 2016.
        https://arxiv.org/abs/1512.03385
    """

    depths: ClassVar[tuple[int, ...]] = (3, 4, 6, 3)


@dataclass(frozen=True)
class PreActResNet18(Model):
    """Pre-activation ResNet-18 for 32x32 images: 11.2 million weights, as torch draws them.

    Source:
        He et al., "Identity mappings in deep residual networks", ECCV 2016.
        https://arxiv.org/abs/1603.05027
    Differs from the paper:
        As in kuangliu/pytorch-cifar, nothing is normalised after the last block.
    """

    smallest: ClassVar[int] = 8

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network."""
        stem = _convolution(shape[0], WIDTHS[0], 1)
        return nn.Sequential(stem, *_stages(PreActBlock, (2, 2, 2, 2)), *_head(num_classes))


class BasicBlock(nn.Module):
    """``relu(x' + bn(conv(relu(bn(conv(x))))))``; ``x'`` is ``x``, or 1x1-convolved to fit."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _convolution(before, after, stride),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            _convolution(after, after, 1),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential()
        if (before, stride) != (after, 1):
            projection = nn.Conv2d(before, after, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, before, H, W)`` to ``(B, after, H / stride, W / stride)``."""
        return F.relu(self.shortcut(x) + self.residual(x))


class PreActBlock(nn.Module):
    """``x' + conv(relu(bn(conv(a))))`` with ``a = relu(bn(x))``; ``x'`` is ``x``, or from ``a``."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.activation = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.residual = nn.Sequential(
            _convolution(before, after, stride),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            _convolution(after, after, 1),
        )
        self.projection = (
            nn.Conv2d(before, after, 1, stride, bias=False)
            if (before, stride) != (after, 1)
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, before, H, W)`` to ``(B, after, H / stride, W / stride)``."""
        active = self.activation(x)
        shortcut: Tensor = x if self.projection is None else self.projection(active)
        residual: Tensor = self.residual(active)
        return shortcut + residual


def _stages(
    block: type[BasicBlock | PreActBlock], depths: tuple[int, ...]
) -> list[BasicBlock | PreActBlock]:
    """Return the blocks of the four stages in a row."""
    blocks, before = [], WIDTHS[0]
    for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
        for place in range(depth):
            blocks.append(block(before, width, 2 if stage and not place else 1))
            before = width
    return blocks


def _head(num_classes: int) -> tuple[nn.Module, ...]:
    """Average over the image, then classify."""
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], num_classes)


def _convolution(before: int, after: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride, padding=1, bias=False)

"""Strong augmentation of images that are tensors on their device: random numbers in, images out."""

import torch
import torch.nn.functional as F
from torch import Tensor

CHANGES = ("turn", "shear_x", "shear_y", "shift_x", "shift_y", "brightness", "contrast")
FURTHEST = (0.524, 0.3, 0.3, 0.3, 0.3, 1.0, 0.9)
"""The change at strength 1: radians, slopes, shares of the side, deviations, a share of itself."""


def draw_changes(size: int, changes: int = 2) -> dict[str, Tensor]:
    """Draw what :func:`strong_view` needs, by torch's global generator.

    Each image gets so many changes, of equal chance, none among them, and of uniform strength; two
    of a kind add up.

    Returns:
        strength: (size, len(CHANGES)) in [-changes, changes]; hole: (size, 2) in [0, 1).
    """
    chosen = torch.randint(len(CHANGES) + 1, (size, changes))  # the last is no change
    level = 2 * torch.rand(size, changes) - 1
    strength = torch.zeros(size, len(CHANGES) + 1).scatter_add_(1, chosen, level)
    return {"strength": strength[:, :-1], "hole": torch.rand(size, 2)}


def strong_view(image: Tensor, strength: Tensor, hole: Tensor) -> Tensor:
    """Turn, shear and shift an image, change its brightness and contrast, and cut out a square.

    As RandAugment does, but for its changes of single colours and of the histogram. The square has
    half the image's sides and its centre anywhere. What comes from outside, and the square, is 0,
    the mean pixel. A feature vector has no sides: a strong view of one comes from the engine,
    and is returned as it is.

    Args:
        image: ``(B, channels, H, W)``, normalised, or vectors ``(B, D, 1, 1)``.
        strength: ``(B, len(CHANGES))``, clamped to ``[-1, 1]``.
        hole: ``(B, 2)`` in [0, 1), where the centre of the square is: down, across.

    Source:
        Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search
        space", NeurIPS 2020. https://arxiv.org/abs/1909.13719; DeVries & Taylor, "Improved
        regularization of convolutional neural networks with cutout", 2017.
        https://arxiv.org/abs/1708.04552
    """
    if image.shape[-2:] == (1, 1):
        return image
    level = strength.to(image.dtype).clamp(-1, 1).unbind(-1)
    change = (part * furthest for part, furthest in zip(level, FURTHEST, strict=True))
    turn, shear_x, shear_y, shift_x, shift_y, brightness, contrast = change
    height, width = image.shape[-2:]
    y, x = (_centres(side, image) for side in (height, width))
    y, x = y[:, None], x[None, :]
    cos, sin = (part[:, None, None] for part in (turn.cos(), turn.sin()))
    across = cos * x - sin * y + shear_x[:, None, None] * y + 2 * shift_x[:, None, None]
    down = sin * x + cos * y + shear_y[:, None, None] * x + 2 * shift_y[:, None, None]
    grid = torch.stack([across, down], -1)  # (B, H, W, 2), where each pixel is read
    moved = F.grid_sample(image, grid, align_corners=False)
    mean = moved.mean((-3, -2, -1), keepdim=True)
    scale, offset = (part[:, None, None, None] for part in (1 + contrast, brightness))
    shaded = mean + scale * (moved - mean) + offset
    middle = 2 * hole.to(image.dtype) - 1
    outside = (y - middle[:, :1, None]).abs().maximum((x - middle[:, 1:, None]).abs()) > 0.5
    return torch.where(outside[:, None], shaded, torch.zeros_like(shaded))


def _centres(side: int, like: Tensor) -> Tensor:
    """Return where pixels lie between the edges -1 and 1."""
    place = torch.arange(side, device=like.device, dtype=like.dtype)
    return (2 * place + 1) / side - 1

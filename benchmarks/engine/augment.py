"""Random crops and flips of a whole batch in one gather."""

import torch
from torch import Tensor


def draw(count: int, crop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw the random numbers of one epoch, per example, on the CPU.

    Returns:
        Offsets ``(count, 2)`` int64 in ``[0, 2 * crop]`` (rows, columns) and flips ``(count,)``.
    """
    offsets = torch.randint(2 * crop + 1, (count, 2), generator=generator)
    return offsets, torch.rand(count, generator=generator) < 0.5


def crop_and_flip(image: Tensor, offsets: Tensor, flips: Tensor, crop: int) -> Tensor:
    """Pad with ``crop`` zero pixels, cut back at the offsets, and mirror where told.

    Args:
        image: ``(B, channels, H, W)``, any type.
        offsets: ``(B, 2)`` int64; ``crop`` in both leaves the image where it is.
        flips: ``(B,)`` bool; mirror left to right, after cropping.
        crop: pixels of padding on each side.

    Returns:
        A tensor of the shape and type of ``image``.
    """
    height, width = image.shape[-2:]
    padded = torch.nn.functional.pad(image, (crop,) * 4)
    rows = torch.arange(height, device=image.device) + offsets[:, :1]  # (B, H)
    column = torch.arange(width, device=image.device)
    columns = torch.where(flips[:, None], width - 1 - column, column) + offsets[:, 1:]  # (B, W)
    one = torch.arange(len(image), device=image.device)[:, None, None]
    return padded.movedim(1, -1)[one, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)

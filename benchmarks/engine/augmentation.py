"""Random views of a whole batch at once, on the device of its images or feature vectors."""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.seeds import generator

TABLE = 2**20
"""The most random numbers that are drawn for one view of all vectors in an epoch."""


class Draws(NamedTuple):
    """The random numbers of one epoch, one row per training example."""

    offsets: Tensor  # (N, 2) int64 in [0, 2 * crop]: rows, columns
    flips: Tensor  # (N,) bool
    turns: Tensor  # (N,) float64 in [-1, 1), in units of the largest angle


class VectorDraws(NamedTuple):
    """The random numbers of one epoch for feature vectors of ``D`` numbers.

    To draw a number for each feature of each vector would take longer than to train for an epoch.
    So a vector reads ``D`` consecutive ones of a table, from a random place on. Two vectors whose
    numbers overlap read them at different features, but for one pair in as many as there are
    places.
    """

    noise: Tensor  # (places + D - 1,) float32, standard normal
    begins: Tensor  # (N,) int64, where in it an example's numbers begin
    masked: Tensor  # (places + D - 1,) bool, or nothing for a view that is not strong
    mask_begins: Tensor  # (N,) int64, likewise


def stream(dataset: str, seed: int, epoch: int, view: int = 0) -> torch.Generator:
    """Return the stream of an epoch's draws, the same for every method.

    A method that trains on several views of an image draws view 0, which is what every other
    method sees, and independent further ones.
    """
    return generator("augment", dataset, seed, epoch, *([view] if view else []))


def draw(count: int, crop: int, generator: torch.Generator) -> Draws:
    """Draw the random numbers of one epoch, per example, on the CPU.

    Rotations are drawn last, so that a recipe with them crops and flips as one without.
    """
    offsets = torch.randint(2 * crop + 1, (count, 2), generator=generator)
    flips = torch.rand(count, generator=generator) < 0.5
    turns = torch.rand(count, dtype=torch.float64, generator=generator)
    return Draws(offsets, flips, 2 * turns - 1)


def draw_vectors(
    count: int, size: int, masked: float | None, generator: torch.Generator
) -> VectorDraws:
    """Draw the random numbers of one epoch for vectors, on the CPU; of masks last.

    Args:
        count: of the examples.
        size: of a vector.
        masked: the share of features that are masked; None for a view that is not strong.
        generator: what they are drawn from.
    """
    places = min(count * size, TABLE)
    noise = torch.randn(places + size - 1, dtype=torch.float32, generator=generator)
    begins = torch.randint(places, (count,), generator=generator)
    if masked is None:
        return VectorDraws(noise, begins, torch.empty(0, dtype=torch.bool), begins[:0])
    mask = torch.rand(places + size - 1, dtype=torch.float32, generator=generator) < masked
    return VectorDraws(noise, begins, mask, torch.randint(places, (count,), generator=generator))


def jittered(vector: Tensor, draws: VectorDraws, ids: Tensor, scale: Tensor) -> Tensor:
    """Add to each feature of vectors ``(B, D, 1, 1)`` its noise, times its ``scale``."""
    noise = _read(draws.noise, draws.begins[ids], vector)
    return vector + scale * noise.to(vector.dtype)


def masked_to_mean(vector: Tensor, draws: VectorDraws, ids: Tensor, mean: Tensor) -> Tensor:
    """Put those features of vectors ``(B, D, 1, 1)`` to their mean that a strong view masks."""
    return torch.where(_read(draws.masked, draws.mask_begins[ids], vector), mean, vector)


def _read(table: Tensor, begins: Tensor, vector: Tensor) -> Tensor:
    """Return the numbers ``(B, D, 1, 1)`` of a table from those places on."""
    return table.unfold(0, vector.shape[1], 1)[begins][..., None, None]


def crop_and_flip(
    image: Tensor, offsets: Tensor, flips: Tensor, crop: int, *, mirror: bool = False
) -> Tensor:
    """Pad with ``crop`` pixels, cut back at the offsets, and flip where told: one gather.

    Args:
        image: ``(B, channels, H, W)``, any type.
        offsets: ``(B, 2)`` int64; ``crop`` in both leaves the image where it is.
        flips: ``(B,)`` bool; mirror left to right, after cropping.
        crop: pixels of padding on each side.
        mirror: pad with the pixels behind the border, that of the border left out, not with zeros.

    Returns:
        A tensor of the shape and type of ``image``.
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device) + offsets[:, :1]  # (B, H)
    column = torch.arange(width, device=image.device)
    columns = torch.where(flips[:, None], width - 1 - column, column) + offsets[:, 1:]  # (B, W)
    one = torch.arange(len(image), device=image.device)[:, None, None]
    if mirror:
        padded = image
        rows, columns = _mirrored(rows - crop, height), _mirrored(columns - crop, width)
    else:
        padded = torch.nn.functional.pad(image, (crop,) * 4)
    return padded.movedim(1, -1)[one, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Return the pixel of ``size`` in a row that stands for each place, however far outside."""
    period = max(1, 2 * (size - 1))
    within = places.remainder(period)
    return torch.minimum(within, period - within)


def rotate(image: Tensor, degrees: Tensor) -> Tensor:
    """Turn each image about its centre, take the nearest pixel, and fill corners with zero.

    The pixel at ``(x, y)`` from the centre is read at ``(x cos a - y sin a, x sin a + y cos a)``,
    computed in float32 as torchvision does, so that both round to the same pixel.

    Args:
        image: ``(B, channels, H, W)``, any type.
        degrees: ``(B,)`` float64; positive turns counter-clockwise.

    Returns:
        A tensor of the shape and type of ``image``.
    """
    height, width = image.shape[-2:]
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos().float(), angle.sin().float()
    place, half = _coordinates(height, width, image.device)
    turn = torch.stack([cos, sin, -sin, cos], -1).view(-1, 2, 2) / half  # rows x, y; columns x', y'
    grid = place.expand(len(image), -1, -1).bmm(turn).view(-1, height, width, 2)
    turned = torch.nn.functional.grid_sample(image.float(), grid, "nearest", align_corners=False)
    return turned.to(image.dtype)


@functools.cache
def _coordinates(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return each pixel's ``(x, y)`` from the centre, ``(1, H * W, 2)``, and half the size."""
    single = torch.float32
    half = torch.tensor([0.5 * width, 0.5 * height], device=device, dtype=single)
    x = torch.arange(width, device=device, dtype=single) - 0.5 * (width - 1)
    y = torch.arange(height, device=device, dtype=single) - 0.5 * (height - 1)
    place = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).view(1, -1, 2)
    return place, half

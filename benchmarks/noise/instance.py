"""Noise that depends on the image: each has a rate of its own, and its pixels choose the label."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from benchmarks.noise.base import GivenLabels, LabelSpace, Noise, flip, mean_rows, uniforms
from benchmarks.seeds import generator
from methods.bounds import Between, Fraction

GRID = 2.0**24


@dataclass(frozen=True)
class PDN(Noise):
    """Part-dependent noise, known as IDN: similar images of a class get similar wrong labels.

    Image ``i`` flips with probability ``q_i``, drawn from the normal distribution around ``rate``
    with standard deviation ``spread``, cut off at 0 and 1; so the mean is ``rate`` only near the
    middle: 0.129 at 0.1, 0.206 at 0.2, 0.300 at 0.3. The wrong label is drawn from the softmax,
    over the other classes, of ``x_i W_y`` with one standard normal ``W_y``, ``(pixels, C)``, for
    each true class ``y``. ``transition`` is the mean row of each class.

    ``scale`` says what ``x`` is, and repositories differ: ``raw``, the published numbers (0 to
    255), as in the authors' code, where the softmax is one-hot and the wrong label a function of
    the image; ``unit``, the same from 0 to 1; ``normalised``, less the mean and over the deviation.
    These are different noises.

    ``q`` and ``W`` come from a stream of their own, the same at every rate; so flips are nested and
    a flipped image keeps its wrong label. Weights are rounded to multiples of ``2**-24``: their
    sums with pixels are then exact, and no machine rounds them to another label.

    Source:
        Xia et al., "Part-dependent label noise: towards instance-dependent label noise", NeurIPS
        2020. https://arxiv.org/abs/2006.07836 (algorithm 2); the authors' code
        xiaoboxia/Part-dependent-label-noise was read at commit b682527, file tools.py.
    """

    rate: Fraction
    scale: Literal["raw", "unit", "normalised"] = "raw"
    spread: Annotated[float, Between(0.01, 1.0)] = 0.1

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return labels drawn from a row ``P(given | image)`` of each image."""
        if space.images is None:
            raise ValueError("PDN needs the images of the dataset")
        source = generator("noise of images", dataset, seed)
        share = truncated_normal(
            torch.rand(len(label), dtype=torch.float64, generator=source), self.rate, self.spread
        )
        row = torch.zeros(len(label), space.num_classes, dtype=torch.float64)
        for members, score in self._scores(label, space.images.pixel, space, source):
            row[members] = share[members, None] * score.softmax(1)
        row = row.scatter(1, label[:, None], 1 - share[:, None])
        return GivenLabels(flip(label, row, *uniforms(label, dataset, seed)), mean_rows(label, row))

    def _scores(
        self, label: Tensor, pixel: Tensor, space: LabelSpace, source: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the places of each class and ``x W``, ``(members, C)``; its own class at -inf."""
        flat = pixel.flatten(2)  # (N, channels, P)
        shape = (*flat.shape[1:], space.num_classes)
        # Each class has weights of its own, drawn in turn, and only its members need scores.
        for true in range(space.num_classes):
            weight = torch.randn(shape, dtype=torch.float64, generator=source)
            weight = (weight * GRID).round() / GRID  # (channels, P, C)
            members = (label == true).nonzero().squeeze(1)
            raw: Tensor = torch.einsum("ncp,cpk->nck", flat[members].double(), weight)
            score = self._scaled(raw, weight, space)
            score[:, true] = -torch.inf
            yield members, score

    def _scaled(self, raw: Tensor, weight: Tensor, space: LabelSpace) -> Tensor:
        """Turn ``(members, channels, C)`` exact sums of raw pixels into scores of scaled ones."""
        if self.scale == "normalised":
            by = torch.tensor([space.mean, space.std], dtype=torch.float64)[..., None]
            raw = (raw - by[0] * weight.sum(1)) / by[1]
        elif self.scale == "unit":
            raw = raw / space.white
        return raw.sum(1)


def truncated_normal(uniform: Tensor, mean: float, spread: float) -> Tensor:
    """Return quantiles of the normal distribution cut off at 0 and 1, by its inverse."""
    ends = torch.special.ndtr((torch.tensor([0.0, 1.0], dtype=torch.float64) - mean) / spread)
    inside = ends[0] + uniform * (ends[1] - ends[0])
    quantile: Tensor = mean + spread * torch.special.ndtri(inside)
    return quantile.clamp(0, 1)

"""Open-set noise: training images that belong to none of the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.errors import suggestion
from benchmarks.noise.base import Foreign, GivenLabels, LabelSpace, Noise, uniforms
from benchmarks.seeds import generator
from methods.bounds import Fraction

UNIFORM = "uniform"


@dataclass(frozen=True)
class OpenSet(Noise):
    """With probability ``rate`` the *image* is replaced by one of no class; its label stays.

    ``source`` is ``uniform``, pixels drawn evenly from 0 to the largest value, or another dataset
    with images of the same shape, whose training images are drawn without replacement (with, where
    there are too few): ``svhn`` or ``cifar100`` for ``cifar10``. The test set stays clean.

    A replaced image has no right label, so every label it has is wrong: it counts in the realised
    rate, as memorised where its label is predicted, as neither otherwise, and is never recovered.
    What needs the class of every image, such as a temperature fitted on clean labels, leaves it
    out. No label changes, so ``transition`` is the identity; the hash covers places and pixels.
    An image replaced at one rate is replaced, by the same one, at every higher rate.

    Source:
        Wang et al., "Iterative learning with open-set noisy labels", CVPR 2018.
        https://arxiv.org/abs/1804.00092; images of noise as in Wei et al., "Open-set label noise
        can improve robustness against inherent label noise", NeurIPS 2021.
        https://arxiv.org/abs/2106.10891.
    Differs from these:
        They replace an exact count of images; here each is replaced by itself, with the uniform by
        which other noises flip labels.
    """

    rate: Fraction
    source: str = UNIFORM

    replaces: ClassVar[bool] = True

    @property
    def borrows(self) -> tuple[str, ...]:
        """Return the dataset that lends its images, if any does."""
        return () if self.source == UNIFORM else (self.source,)

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a source that has no images of the same shape."""
        known = (UNIFORM, *space.lenders)
        if self.source not in known:
            hint = suggestion(self.source, known)
            raise ValueError(
                f"OpenSet.source must be {UNIFORM} or another dataset with images of the same "
                f"shape ({', '.join(space.lenders) or 'there is none'}), got {self.source!r}{hint}"
            )

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the identity: what has a class keeps its label."""
        return torch.eye(space.num_classes, dtype=torch.float64)

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels as they are and the images that take the place of others."""
        if space.images is None:
            raise ValueError("OpenSet needs the images of the dataset")
        u, _ = uniforms(label, dataset, seed)
        chosen = u.argsort(stable=True)[: int((u < self.rate).sum())]  # the k-th gets the k-th
        source = generator("foreign images", dataset, seed)
        shape = (len(chosen), *space.images.pixel.shape[1:])
        if self.source == UNIFORM:
            image = torch.randint(space.white + 1, shape, generator=source).to(torch.uint8)
        else:
            lent = space.images.borrow(self.source)
            image = lent[torch.randperm(len(lent), generator=source)[_ranks(len(chosen), lent)]]
        position, order = chosen.sort()
        return GivenLabels(label, self.matrix(space), Foreign(position, image[order]))


def _ranks(count: int, lent: Tensor) -> Tensor:
    """Return places among the lent images, over again where there are too few."""
    return torch.arange(count) % len(lent)

"""Open-set noise: training images of no class, alone or beside wrong labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor

from benchmarks.errors import suggestion
from benchmarks.noise.base import (
    Foreign,
    GivenLabels,
    Images,
    LabelSpace,
    Noise,
    sample,
    uniforms,
)
from benchmarks.noise.class_conditional import Asymmetric, PairFlip, Symmetric
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
        if space.vectors:
            name = type(self).__name__
            raise ValueError(f"{name} replaces images, and this dataset holds feature vectors")
        known = (UNIFORM, *space.lenders)
        if self.source not in known:
            hint = suggestion(self.source, known)
            raise ValueError(
                f"{type(self).__name__}.source must be {UNIFORM} or another dataset with images of "
                f"the same shape ({', '.join(space.lenders) or 'there is none'}), got "
                f"{self.source!r}{hint}"
            )

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the identity: what has a class keeps its label."""
        return torch.eye(space.num_classes, dtype=torch.float64)

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels as they are and the images that take the place of others."""
        if space.images is None:
            raise ValueError(f"{type(self).__name__} needs the images of the dataset")
        u, _ = uniforms(label, dataset, seed)
        foreign = self._foreign(u, u < self.rate, space, generator("foreign images", dataset, seed))
        return GivenLabels(label, self.matrix(space), foreign)

    def _foreign(
        self, u: Tensor, struck: Tensor, space: LabelSpace, stream: torch.Generator
    ) -> Foreign:
        """Return the images that take the place of the struck ones: the k-th ``u`` gets the k-th.

        Args:
            u: ``(N,)`` float64 uniforms of the examples.
            struck: ``(N,)`` bool.
            space: the dataset's, with its images.
            stream: what images, or which of the lent ones, are drawn from.
        """
        images = cast("Images", space.images)
        order = u.argsort(stable=True)
        chosen = order[struck[order]]
        shape = (len(chosen), *images.pixel.shape[1:])
        if self.source == UNIFORM:
            image = torch.randint(space.white + 1, shape, generator=stream).to(torch.uint8)
        else:
            lent = images.borrow(self.source)
            image = lent[torch.randperm(len(lent), generator=stream)[_ranks(len(chosen), lent)]]
        position, order = chosen.sort()
        return Foreign(position, image[order])


@dataclass(frozen=True)
class Combined(OpenSet):
    """Of the share ``rate`` that is wrong, ``open`` are foreign images and the rest wrong labels.

    ``source`` is where foreign images come from, as in ``open_set``, which this is at ``open=1``;
    ``flips`` says how the labels of the others change, as in the noises of these names, of which
    this is one at ``open=0``. With ``asymmetric`` flips, an image of a class outside the map keeps
    its label, so less is wrong than ``rate``. ``transition`` is that of the images of a class.

    What is wrong at one rate is wrong in the same way at every higher rate.

    Source:
        Sachdeva et al., "EvidentialMix: learning with combined open-set and closed-set noisy
        labels", WACV 2021. https://arxiv.org/abs/2011.05704; ragavsachdeva/EvidentialMix at commit
        237de71, file dataloader_cifar.py.
    Differs from these:
        They strike exact counts, and draw a symmetric label from all classes, the true one
        included: their wrong share of ten classes is smaller by a tenth of the closed part.
    """

    open: Fraction = 0.5
    flips: Literal["symmetric", "asymmetric", "pair_flip"] = "symmetric"

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return ``T`` of the images that are not foreign: they flip at the rate left to them."""
        foreign = self.rate * self.open
        left = (self.rate - foreign) / (1 - foreign) if foreign < 1 else 0.0
        return FLIPS[self.flips](rate=left).matrix(space)

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels, some of them wrong, and the images that take the place of others."""
        if space.images is None:
            raise ValueError(f"{type(self).__name__} needs the images of the dataset")
        u, v = uniforms(label, dataset, seed)
        w = torch.rand(
            len(label), dtype=torch.float64, generator=generator("open or closed", dataset, seed)
        )
        struck, is_open = u < self.rate, w < self.open
        all_wrong = sample(label, FLIPS[self.flips](rate=1.0).matrix(space), u, v, "random")
        given = torch.where(struck & ~is_open, all_wrong, label)
        foreign = self._foreign(
            u, struck & is_open, space, generator("foreign images", dataset, seed)
        )
        return GivenLabels(given, self.matrix(space), foreign)


FLIPS: dict[str, type[Symmetric | Asymmetric | PairFlip]] = {
    "symmetric": Symmetric,
    "asymmetric": Asymmetric,
    "pair_flip": PairFlip,
}


def _ranks(count: int, lent: Tensor) -> Tensor:
    """Return places among the lent images, over again where there are too few."""
    return torch.arange(count) % len(lent)

"""Class-conditional noise: a label flips with a rate that depends on its true class alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from benchmarks.noise.base import Counts, LabelSpace, Noise
from methods.bounds import Added, Fraction


@dataclass(frozen=True)
class Clean(Noise):
    """The labels as published: the point at rate 0 of every other noise."""

    @property
    def nominal_rate(self) -> float:
        """Return 0: no label is wrong."""
        return 0.0

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a dataset that has no clean labels."""
        if space.truth == "unknown":
            raise ValueError(
                f"the noise clean trains on clean labels, and {space.dataset or 'this dataset'} "
                "has none here; given trains on the labels as they are"
            )

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the identity."""
        return torch.eye(space.num_classes, dtype=torch.float64)


@dataclass(frozen=True)
class Symmetric(Noise):
    """With probability ``rate`` the label becomes one of the *other* classes, uniformly.

    So ``rate`` is the expected share of wrong labels. With ``include_true`` it is redrawn from all
    classes, the true one included, as in DivideMix, ELR and SOP: then only ``rate * (C - 1) / C``
    of the labels are wrong, and tables of the two kinds must not be compared at equal rates.
    """

    rate: Fraction
    include_true: Annotated[bool, Added(neutral=False)] = False
    counts: Annotated[Counts, Added("random")] = "random"

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the wrong share spread evenly off the diagonal."""
        classes = space.num_classes
        wrong = self.rate * (classes - 1) / classes if self.include_true else self.rate
        spread = torch.full((classes, classes), wrong / (classes - 1), dtype=torch.float64)
        return spread.fill_diagonal_(1 - wrong)


@dataclass(frozen=True)
class Asymmetric(Noise):
    """With probability ``rate`` the label becomes the class that the true one is mistaken for.

    ``pairs`` says which: ``published``, the dataset's map, where classes outside it stay clean (a
    dataset without one flips each class to the next, the last to the first); ``block``, the next
    within blocks of five consecutive classes, which is what most papers call the superclass noise
    of CIFAR-100 though only 6 of its 100 flips stay inside a superclass; ``superclass``, the next
    of the same published superclass, the last to the first; ``flip_back``, the
    published map applied class after class to labels that are already changed, as in the code of
    several papers: where two classes swap, some of the first flip back, and less is wrong than
    stated (on CIFAR-10 18.4 % instead of 20 % at ``rate=0.4``).

    Source:
        Patrini et al., "Making deep neural networks robust to label noise: a loss correction
        approach", CVPR 2017. https://arxiv.org/abs/1609.03683 (section 5)
    """

    rate: Fraction
    pairs: Annotated[
        Literal["published", "block", "superclass", "flip_back"], Added("published")
    ] = "published"
    counts: Annotated[Counts, Added("random")] = "random"

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the identity with a row of its own for each class that flips."""
        identity = torch.eye(space.num_classes, dtype=torch.float64)
        table = identity.clone()
        for true, given in self._pairs(space).items():
            row = (1 - self.rate) * identity[true]
            row[given] += self.rate
            if self.pairs == "flip_back":
                step = identity.clone()
                step[true] = row
                table = table @ step
            else:
                table[true] = row
        return table

    def _pairs(self, space: LabelSpace) -> dict[int, int]:
        """Return the class that each class flips to."""
        classes = range(space.num_classes)
        if self.pairs == "block":
            return {i: i - i % 5 + (i % 5 + 1) % 5 for i in classes}
        if self.pairs == "superclass":
            group = space.superclass
            return {i: _next([j for j in classes if group[j] == group[i]], i) for i in classes}
        return dict(space.confusions) or {i: (i + 1) % len(classes) for i in classes}

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse blocks that do not fill the classes, and maps that were not published."""
        if self.pairs == "superclass" and not space.superclass:
            raise ValueError(
                "Asymmetric.pairs 'superclass' needs a dataset with published superclasses"
            )
        if self.pairs == "flip_back" and not space.confusions:
            raise ValueError(
                "Asymmetric.pairs 'flip_back' needs a dataset with a published map, "
                "this one flips each class to the next"
            )
        if self.pairs == "block" and space.num_classes % 5:
            raise ValueError(
                "Asymmetric.pairs 'block' needs a number of classes that 5 divides, "
                f"got {space.num_classes}"
            )


def _next(members: list[int], one: int) -> int:
    """Return the member after ``one``, the first after the last."""
    return members[(members.index(one) + 1) % len(members)]


@dataclass(frozen=True)
class PairFlip(Noise):
    """With probability ``rate`` the label becomes the next class, the last one the first.

    Source:
        Han et al., "Co-teaching", NeurIPS 2018. https://arxiv.org/abs/1804.06872 (figure 2)
    """

    rate: Fraction
    counts: Counts = "random"

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return ``1 - rate`` on the diagonal and ``rate`` beside it."""
        identity = torch.eye(space.num_classes, dtype=torch.float64)
        return (1 - self.rate) * identity + self.rate * identity.roll(1, 1)

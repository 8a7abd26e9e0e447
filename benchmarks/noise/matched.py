"""Noise in the shares in which people make mistakes, without their choice of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from benchmarks.noise.base import NO_CLASS, Counts, LabelSpace, Noise, realised
from benchmarks.noise.human import CIFAR10N, CIFAR100N, Human, among

PEOPLE: dict[str, Human] = {
    "cifar10n:aggre": CIFAR10N("aggre"),
    "cifar10n:random1": CIFAR10N("random1"),
    "cifar10n:random2": CIFAR10N("random2"),
    "cifar10n:random3": CIFAR10N("random3"),
    "cifar10n:worse": CIFAR10N("worse"),
    "cifar100n": CIFAR100N(),
}
"""The labels whose matrix can be matched."""


@dataclass(frozen=True)
class Matched(Noise):
    """Labels drawn from the transition matrix of labels that people gave, image by image at random.

    ``T[i, j]`` is the share of images of class ``i`` that people called ``j``, in the whole
    published file; of a part of the classes, among labels inside. So rate and confused classes are
    those of people, and which images are mistaken is not: ``cifar10n(labels='worse')`` and
    ``matched(human='cifar10n:worse')`` differ in that people mistake some images more than others.
    A kind of ``cifar10n`` stands behind its name and a colon.

    Source:
        Wei et al., "Learning with noisy labels revisited: a study using real-world human
        annotations", ICLR 2022. https://arxiv.org/abs/2110.12088 (section 4 compares human labels
        with synthetic ones of the same matrix)
    """

    human: Literal[
        "cifar10n:aggre",
        "cifar10n:random1",
        "cifar10n:random2",
        "cifar10n:random3",
        "cifar10n:worse",
        "cifar100n",
    ]
    counts: Counts = "random"

    @property
    def people(self) -> Human:
        """Return the labels whose matrix is matched."""
        return PEOPLE[self.human]

    def is_there(self, root: Path) -> bool:
        """Tell whether the file of people's labels is there."""
        return self.people.is_there(root)

    def fetch(self, root: Path) -> None:
        """Make sure that the file is there and is the published one; nothing is downloaded."""
        self.people.fetch(root)

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse every dataset but the one that people labelled."""
        self.people.check(space, seeds)

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the shares in which people gave each label to images of each class."""
        if space.images is None:
            raise ValueError(f"{type(self).__name__} needs the folder of its file")
        labels = self.people.read(space.images.root)
        keys = ("clean_label", self.people.key)
        true, given = (among(labels[key], space) for key in keys)
        kept = (true != NO_CLASS) & (given != NO_CLASS)
        return realised(true[kept], given[kept], space.num_classes)

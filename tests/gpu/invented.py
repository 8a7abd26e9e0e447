"""Images that nobody took, for what depends on their number and shape alone: time and memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch

from benchmarks.datasets import DATASETS, Dataset, Split
from benchmarks.seeds import generator
from methods.bounds import Between

Count = Annotated[int, Between(1, 1_000_000)]


@dataclass(frozen=True)
class Invented(Dataset):
    """Random pixels and labels, as many and of the shape of a real dataset."""

    train: Count = 1
    test: Count = 1

    like: ClassVar[type[Dataset]]
    num_classes = 10
    classes: ClassVar[tuple[str, ...]] = tuple("abcdefghij")

    @property
    def sizes(self) -> tuple[int, int]:
        return self.train, self.test

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        source = generator("invented", *self.shape)
        first, second = (self._split(count, source) for count in self.sizes)
        return first, second

    def _split(self, count: int, source: torch.Generator) -> Split:
        image = torch.randint(256, (count, *self.shape), generator=source, dtype=torch.uint8)
        return Split(image, torch.randint(self.num_classes, (count,), generator=source))

    def content(self, root: Path) -> str:
        return repr(self)


@dataclass(frozen=True)
class InventedCIFAR10(Invented):
    """As many as in CIFAR-10."""

    like = DATASETS["cifar10"]
    published, shape, mean, std = like.published, like.shape, like.mean, like.std


@dataclass(frozen=True)
class InventedMNIST(Invented):
    """As many as in MNIST."""

    like = DATASETS["mnist"]
    published, shape, mean, std = like.published, like.shape, like.mean, like.std


NAMES = {"cifar10": InventedCIFAR10, "mnist": InventedMNIST}


def spec_of(dataset: str, toy: bool) -> str:
    """Return the spec of an invented dataset like a real one, or of few of its images."""
    entry, name = NAMES[dataset], f"invented_{dataset}"
    if name not in DATASETS:
        DATASETS.register(name, entry)
    train, test = (14, 4) if toy else entry.published
    return f"{name}(train={train}, test={test})"

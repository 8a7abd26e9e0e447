"""The interface of a dataset, and the card that describes it."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.file_names import home_expanded
from methods.bounds import Bounded

ROOT_VARIABLE = "NOISY_LABELS_DATA"
"""The environment variable that names the folder of the image files."""


class Split(NamedTuple):
    """Images and labels, in the publisher's order: clean ones, where the dataset has any.

    A feature vector of ``D`` numbers is an image of shape ``(D, 1, 1)``, float32 and standardised.
    """

    image: Tensor  # (N, channels, height, width) uint8, or (N, D, 1, 1) float32
    label: Tensor  # (N,) int64
    position: Tensor | None = None  # (N,) int64, places in what was published; None: all, in order
    given: Tensor | None = None  # (N,) int64, labels that came with the images beside clean ones
    side: Tensor | None = None  # (N, C) float32, class probabilities of another model


@dataclass(frozen=True)
class Card:
    """The facts about a dataset that a user should know before training on it."""

    source: str
    paper: str
    licence: str
    asymmetric: str = "none published; each class flips to the next, the last to the first"
    label_errors: str = "no published estimate known to us"
    integrity: str = "sha256 of all pixels and labels"
    traps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset(Bounded):
    """An image dataset, as a rule with clean labels; noise is added later, by the suite."""

    vectors: ClassVar[bool] = False  # holds feature vectors in place of images

    num_classes: ClassVar[int]
    classes: ClassVar[tuple[str, ...]]  # their names
    class_counts: ClassVar[tuple[int, ...]] = ()  # training images of each class; (): all alike
    superclasses: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    published: ClassVar[tuple[int, int]]  # training and test images
    shape: ClassVar[tuple[int, int, int]]  # channels, height, width
    white: ClassVar[int] = 255  # the largest raw value
    mean: ClassVar[tuple[float, ...]]  # per channel, of the raw uint8 values
    std: ClassVar[tuple[float, ...]]
    confusions: ClassVar[Mapping[int, int]] = {}  # published asymmetric map: class -> flipped to
    resplit: ClassVar[bool] = False  # train and test are drawn anew from each seed
    truth: ClassVar[Literal["known", "unknown"]] = "known"  # unknown: labels need not be clean
    gives_labels: ClassVar[bool] = False  # whether ``given`` is a noise of it
    has_side: ClassVar[bool] = False  # whether its training set has side information
    sha256: ClassVar[str] = ""  # of all pixels and labels; "": see ``Card.integrity``
    version: ClassVar[int] = 1
    card: ClassVar[Card] = Card(source="not stated", paper="not stated", licence="not stated")

    @property
    def origin(self) -> "Dataset":
        """The dataset whose labels and order these are: that of the images behind features."""
        return self

    @property
    def numbers(self) -> tuple[int, ...]:
        """The publisher's number of each class."""
        return tuple(range(self.num_classes))

    @property
    def sizes(self) -> tuple[int, int]:
        """Training and test images that :meth:`load` returns."""
        return self.published

    def is_there(self, root: Path) -> bool:
        """Tell, at once, whether there are files to load; they may be damaged."""
        return True

    def fetch(self, root: Path) -> None:
        """Make sure that :meth:`load` will work, downloading what is missing.

        Raises:
            DataMissingError: the files are absent or damaged and could not be fetched.
        """

    def edition(self) -> object:
        """Return, at once, what changes when files of one's own that are loaded are written to."""
        return ()

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return (train, test).

        Args:
            root: the folder of the image files.
            seed: read only by datasets that are split anew for each seed.

        Raises:
            DataMissingError: the files are absent or damaged.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no load")

    def normalisation(self, root: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the mean and the deviation of each channel, of raw values.

        Raises:
            DataMissingError: they are those of the images, whose files are absent or damaged.
        """
        return self.mean, self.std

    def content(self, root: Path) -> str:
        """Return a text that changes whenever what :meth:`load` returns does, such as a digest.

        Part of the identity of cells that train on a dataset of a plugin. Without one, all images
        and labels are loaded and hashed before anything is planned.
        """
        return ""


def data_root(given: Path | None) -> Path:
    """Return the folder of the image files: the argument, else the variable, else ``data``."""
    return given or Path(home_expanded(os.environ.get(ROOT_VARIABLE, "data")))


def digest(*splits: Split) -> str:
    """Return the sha256 of every pixel, label and side information, in order."""
    sha256 = hashlib.sha256()
    for split in splits:
        sha256.update(np.ascontiguousarray(split.image.numpy()).data)
        sha256.update(np.ascontiguousarray(split.label.numpy().astype("<i8", copy=False)).data)
        if split.given is not None:
            sha256.update(split.given.numpy().astype("<i8").tobytes())
        if split.side is not None:
            sha256.update(split.side.numpy().astype("<f4").tobytes())
    return sha256.hexdigest()


def stratified(label: Tensor, count: int, stream: torch.Generator) -> Tensor:
    """Choose ``count`` examples so that classes keep their shares.

    Examples are shuffled; the k-th of the ``n`` of its class gets the key ``(k - 1/2) / n``, and
    the smallest keys are chosen. So a class with the share ``s`` gets ``s * count`` of them to
    within ``(1 + C s) / 2``, where all classes are alike to within 1, and choices are nested.

    Args:
        label: ``(N,)`` int64.
        count: at most ``N``.
        stream: where the shuffle is drawn from.

    Returns:
        ``(count,)`` int64 positions, rising.
    """
    order, rank = _shuffled(label, stream)
    shuffled = label[order]
    key = (rank + 0.5) / shuffled.bincount()[shuffled]  # (N,)
    return order[key.argsort(stable=True)[:count]].sort().values


def ranks_in_class(label: Tensor, stream: torch.Generator) -> Tensor:
    """Return the place of each example among those of its class in a shuffle, ``(N,)`` from 0."""
    order, rank = _shuffled(label, stream)
    return torch.empty_like(rank).index_copy(0, order, rank)


def _shuffled(label: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return a shuffle of the examples, and the rank of each of it in its class, ``(N,)`` each."""
    order = torch.randperm(len(label), generator=stream)
    shuffled = label[order]
    counts = shuffled.bincount()
    rank = torch.empty_like(order)
    by_class = shuffled.argsort(stable=True)
    rank[by_class] = torch.arange(len(label)) - (counts.cumsum(0) - counts)[shuffled[by_class]]
    return order, rank

"""What the suite means by a dataset."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from torch import Tensor

from methods.bounds import Bounded

ROOT_VARIABLE = "NOISY_LABELS_DATA"
"""The environment variable that names the folder of the image files."""


class Split(NamedTuple):
    """Images and clean labels, in the publisher's order."""

    image: Tensor  # (N, channels, height, width) uint8
    label: Tensor  # (N,) int64
    position: Tensor | None = None  # (N,) int64, places in what was published, where a part is kept


@dataclass(frozen=True)
class Dataset(Bounded):
    """A public image dataset with clean labels; noise is added later, by the suite."""

    num_classes: ClassVar[int]
    published: ClassVar[tuple[int, int]]  # training and test images
    shape: ClassVar[tuple[int, int, int]]  # channels, height, width
    white: ClassVar[int] = 255  # the largest raw value
    mean: ClassVar[tuple[float, ...]]  # per channel, of the raw uint8 values
    std: ClassVar[tuple[float, ...]]
    confusions: ClassVar[Mapping[int, int]] = {}  # published asymmetric map: class -> flipped to
    resplit: ClassVar[bool] = False  # train and test are drawn anew from each seed
    sha256: ClassVar[str] = ""  # of all pixels and labels; "": see ``integrity``
    version: ClassVar[int] = 1

    source: ClassVar[str]  # from here on: what a card says
    paper: ClassVar[str]
    licence: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    class_counts: ClassVar[tuple[int, ...]] = ()  # training images of each class; (): all alike
    superclasses: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    asymmetric: ClassVar[str] = (
        "none published; each class flips to the next, the last to the first"
    )
    label_errors: ClassVar[str] = "no published estimate known to us"
    integrity: ClassVar[str] = "sha256 of all pixels and labels"
    traps: ClassVar[tuple[str, ...]] = ()

    @property
    def sizes(self) -> tuple[int, int]:
        """Training and test images that :meth:`load` returns."""
        return self.published

    def fetch(self, root: Path) -> None:
        """Make sure that :meth:`load` will work, downloading what is missing.

        Raises:
            DataMissingError: the files are absent or damaged and could not be fetched.
        """

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return (train, test).

        Args:
            root: the folder of the image files.
            seed: read only by datasets that are split anew for each seed.

        Raises:
            DataMissingError: the files are absent or damaged.
        """
        raise NotImplementedError


def data_root(given: Path | None) -> Path:
    """Return the folder of the image files: the argument, else the variable, else ``data``."""
    return given or Path(os.environ.get(ROOT_VARIABLE, "data"))


def digest(*splits: Split) -> str:
    """Return the sha256 of every pixel and label, in order."""
    found = hashlib.sha256()
    for split in splits:
        found.update(split.image.numpy().data)
        found.update(split.label.numpy().astype("<i8", copy=False).data)
    return found.hexdigest()

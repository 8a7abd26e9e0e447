"""Feature vectors of the images of another dataset, under its labels and in its order."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch

from benchmarks.commands import command_line
from benchmarks.datasets.base import Dataset, Split
from benchmarks.embedding import BACKBONES, Backbone
from benchmarks.embedding.cache import (
    ABOUT,
    About,
    Arrays,
    Part,
    compute,
    read_about,
    read_vectors,
)
from benchmarks.errors import DataMissingError
from benchmarks.inputs import InputError, sha256_of
from methods.bounds import SpecOf

FOLDER = "embedded"
"""The folder of feature vectors, in that of the image files."""

FACTS = (
    *("num_classes", "classes", "class_counts", "superclasses", "published", "confusions"),
    *("truth", "gives_labels"),
)
"""What is said of the images and is true of their vectors."""


def _dataset(spec: str) -> str:
    """Return the shortest spec of a dataset; of one with a file, the spec with its folder."""
    from benchmarks.datasets import DATASETS  # noqa: PLC0415  which imports this module

    dataset = DATASETS.build(spec)
    return DATASETS.exact(dataset) if any(DATASETS.files(dataset)) else DATASETS.spec(dataset)


def _backbone(spec: str) -> str:
    """Return the shortest spec of a backbone; of one with a file, the spec with its folder."""
    backbone = BACKBONES.build(spec)
    return BACKBONES.exact(backbone) if any(BACKBONES.files(backbone)) else BACKBONES.spec(backbone)


@dataclass(frozen=True)
class Embedded(Dataset):
    """The feature vectors that a backbone makes of the images of another dataset.

    They are computed at first use, which takes minutes, and kept under the folder of the image
    files; the digest of what is kept is part of a cell's identity. Labels, their order and the test
    set are the other dataset's, so noise is the same as on its images, labels of people among it.
    """

    dataset: Annotated[str, SpecOf(_dataset, "the spec of a dataset of images")] = "cifar10"
    backbone: Annotated[str, SpecOf(_backbone, "the spec of a backbone", lambda: BACKBONES)] = (
        "random_conv"
    )

    vectors: ClassVar[bool] = True
    white: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Take the facts of the other dataset.

        Raises:
            ValueError: there is no such dataset or backbone, or they do not fit.
        """
        super().__post_init__()
        images = self.images
        if images.vectors or images.resplit:
            why = "holds feature vectors" if images.vectors else "is split anew for each seed"
            raise ValueError(f"Embedded.dataset must be a dataset of images, {self.dataset} {why}")
        size = self.network.features(images.shape)
        facts = {name: getattr(images, name) for name in FACTS}
        source = f"{images.card.source}, by the backbone {self.backbone}"
        facts |= {"shape": (size, 1, 1), "mean": (0.0,) * size, "std": (1.0,) * size}
        facts |= {"card": replace(images.card, source=source)}
        for fact, value in facts.items():
            object.__setattr__(self, fact, value)

    @cached_property
    def images(self) -> Dataset:
        """The dataset of the images."""
        from benchmarks.datasets import DATASETS  # noqa: PLC0415  which imports this module

        return DATASETS.build(self.dataset)

    @property
    def network(self) -> Backbone:
        """The backbone."""
        return BACKBONES.build(self.backbone)

    @property
    def origin(self) -> Dataset:
        """The dataset whose labels and order these are."""
        return self.images.origin

    @property
    def numbers(self) -> tuple[int, ...]:
        """The publisher's number of each class."""
        return self.images.numbers

    @property
    def sizes(self) -> tuple[int, int]:
        """Training and test images that :meth:`load` returns."""
        return self.images.sizes

    def is_there(self, root: Path) -> bool:
        """Tell whether the vectors have been computed."""
        return (self.folder(root) / ABOUT).is_file()

    def fetch(self, root: Path) -> None:
        """Compute the vectors unless they are there, downloading the images where need be.

        Raises:
            DataMissingError: images or vectors are absent or damaged.
        """
        folder = self.folder(root)
        try:
            if read_about(folder) is None:
                self.images.fetch(root)
                train, test = (Part(*split[:3]) for split in self.images.load(root, 0))
                exact = BACKBONES.exact(self.network)
                about = About(self.dataset, exact, self.shape[0], sha256="")
                compute(folder, about, self.network, train, test)
        except InputError as error:
            raise DataMissingError(str(error)) from error

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return (train, test): vectors ``(N, D, 1, 1)`` float32.

        Raises:
            DataMissingError: they have not been computed, or are damaged.
        """
        about = self._about(root)
        try:
            arrays = read_vectors(self.folder(root), about)
        except InputError as error:
            raise DataMissingError(str(error)) from error
        train, test = _split(arrays, "train"), _split(arrays, "test")
        if not self.gives_labels:
            return train, test
        given = (split.given for split in self.images.load(root, seed))
        return train._replace(given=next(given)), test._replace(given=next(given))

    def content(self, root: Path) -> str:
        """Return the digest of vectors and labels.

        Raises:
            DataMissingError: they have not been computed.
        """
        return self._about(root).sha256

    def folder(self, root: Path) -> Path:
        """Return where the vectors are kept, by what they are computed from.

        Raises:
            InputError: a file of the images or of the backbone cannot be read.
        """
        from benchmarks.datasets import DATASETS  # noqa: PLC0415  which imports this module
        from benchmarks.datasets.content import content  # noqa: PLC0415  likewise

        images, network = self.images, self.network
        files = (*DATASETS.files(images), *BACKBONES.files(network))
        parts = (
            *(DATASETS.identity(images), DATASETS.version(images), content(images, root)),
            *(BACKBONES.identity(network), BACKBONES.version(network)),
            *(sha256_of(path) for _, _, path in files if not Path(path).is_dir()),
        )
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
        names = (DATASETS.name(images), BACKBONES.name(network), digest)
        return root / FOLDER / "-".join(names)

    def _about(self, root: Path) -> About:
        try:
            about = read_about(self.folder(root))
        except InputError as error:
            raise DataMissingError(str(error)) from error
        if about is None:
            from benchmarks.datasets import DATASETS  # noqa: PLC0415  which imports this module

            get = command_line("data", "get", DATASETS.spec(self), "--data", root)
            raise DataMissingError(
                f"{DATASETS.spec(self)} is not available: its feature vectors have not been "
                f"computed in {root / FOLDER}; compute them with `{get}`"
            )
        return about


def _split(arrays: Arrays, name: str) -> Split:
    """Return the training or the test set in the arrays of a file."""
    vectors = np.ascontiguousarray(arrays[name], np.float32)
    label = torch.from_numpy(arrays[f"{name}_label"].astype(np.int64))
    position = arrays.get(f"{name}_position")
    place = None if position is None else torch.from_numpy(position.astype(np.int64))
    return Split(torch.from_numpy(vectors)[:, :, None, None], label, place)

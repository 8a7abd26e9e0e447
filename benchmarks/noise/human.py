"""Labels that people gave to CIFAR images, from their published files."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.commands import command_line
from benchmarks.errors import DataMissingError
from benchmarks.inputs import InputError, read_bytes
from benchmarks.noise.base import NO_CLASS, GivenLabels, LabelSpace, Noise, realised
from benchmarks.outputs import make_folder, refuse_unwritable

SOURCE = "https://github.com/UCSC-REAL/cifar-10-100n"
LICENCE = "CC BY-NC 4.0: no commercial use"


@dataclass(frozen=True)
class Human(Noise):
    """Labels from a published file, one set: every seed has the same.

    So intervals over seeds cover split, weights and order, and say nothing about other labels that
    other people might have given. The file is read from the data folder, is never fetched without
    being asked for, and must be the published one, byte for byte.
    """

    leaves_out: ClassVar[bool] = True
    file: ClassVar[str]
    sha256: ClassVar[str]  # of the file
    labels_of: ClassVar[str]  # the dataset
    source: ClassVar[str] = SOURCE
    licence: ClassVar[str] = LICENCE

    @property
    def key(self) -> str:
        """Return the entry of the file that holds these labels."""
        raise NotImplementedError

    @classmethod
    def download(cls, root: Path) -> None:
        """Download the publisher's file unless it is there, and check it.

        Raises:
            DataMissingError: it could not be fetched, or is damaged.
        """
        if not (root / cls.file).is_file():
            make_folder(root)
            url = f"{cls.source}/raw/main/data/{cls.file}"
            try:
                torch.hub.download_url_to_file(url, str(root / cls.file), cls.sha256, False)
            except (OSError, RuntimeError) as error:
                refuse_unwritable(root, error)
                raise DataMissingError(f"cannot fetch {url}: {error}") from error
        cls.read(root)

    @classmethod
    def read(cls, root: Path) -> Mapping[str, Tensor]:
        """Return the labels in the file, true ones among them.

        Raises:
            DataMissingError: it is absent or damaged.
        """
        path, name = root / cls.file, cls.__name__
        try:
            data = read_bytes(path)
        except InputError as error:
            get = command_line("data", "get", name.lower(), "--data", root)
            raise DataMissingError(
                f"{name} is not available: {path} {error.reason}; fetch it with "
                f"`{get}`, or take it from {cls.source} "
                f"(licence {cls.licence}) and name its folder by --data"
            ) from error
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != cls.sha256:
            raise DataMissingError(
                f"{path} is damaged: it has sha256 {sha256[:12]}…, the published one "
                f"{cls.sha256[:12]}…; delete it and fetch it anew"
            )
        return _arrays(data)

    def is_there(self, root: Path) -> bool:
        """Tell whether the file is there."""
        return (root / self.file).is_file()

    def fetch(self, root: Path) -> None:
        """Make sure that the file is there and is the published one; nothing is downloaded."""
        self.read(root)

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse every dataset but the one that the labels belong to."""
        if space.dataset != self.labels_of:
            raise ValueError(
                f"{type(self).__name__} holds labels of {self.labels_of}, not of "
                f"{space.dataset or 'this dataset'}"
            )

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels of the file, and the shares in which they differ from the true ones.

        Raises:
            ValueError: the images are in another order than the people's labels.
        """
        if space.images is None:
            raise ValueError(f"{type(self).__name__} needs the folder of its file")
        labels, place = self.read(space.images.root), space.images.position
        true, given = (among(labels[key][place], space) for key in ("clean_label", self.key))
        apart = int((true != label).sum())
        if apart:
            raise ValueError(
                f"{self.file} is not in the order of {dataset}: its clean_label differs from the "
                f"labels of {apart} of {len(label)} images (other distributions of CIFAR order "
                "them otherwise)"
            )
        kept = given != NO_CLASS
        return GivenLabels(given, realised(label[kept], given[kept], space.num_classes))


def among(label: Tensor, space: LabelSpace) -> Tensor:
    """Return published labels as numbers of the dataset's classes, ``NO_CLASS`` for others."""
    if not space.numbers:
        return label
    number = torch.full((1 + max(int(label.max()), *space.numbers),), NO_CLASS)
    number[list(space.numbers)] = torch.arange(space.num_classes)
    return number[label]


@dataclass(frozen=True)
class CIFAR10N(Human):
    """The labels that three people each gave to the 50,000 training images of CIFAR-10.

    ``random1`` to ``random3`` are one person's labels each (17.2, 18.1 and 17.6 % wrong), ``aggre``
    the majority's (9.0 %), ``worse`` a wrong one wherever anybody gave one (40.2 %).

    Source:
        Wei et al., "Learning with noisy labels revisited: a study using real-world human
        annotations", ICLR 2022. https://arxiv.org/abs/2110.12088
    """

    labels: Literal["aggre", "random1", "random2", "random3", "worse"] = "worse"

    file: ClassVar[str] = "CIFAR-10_human.pt"
    sha256: ClassVar[str] = "873e69c39cb9b5e97fb6bae2d60bb59b38a5cbc31d2b868f7903dcb2b9dd2310"
    labels_of: ClassVar[str] = "cifar10"

    @property
    def key(self) -> str:
        """Return ``worse_label``, ``random_label1``, and the like."""
        kind, number = self.labels.rstrip("123"), self.labels[-1]
        return f"{kind}_label{number}" if number.isdigit() else f"{kind}_label"


@dataclass(frozen=True)
class CIFAR100N(Human):
    """One person's label of each of the 50,000 training images of CIFAR-100: 40.2 % are wrong.

    Source:
        Wei et al., "Learning with noisy labels revisited: a study using real-world human
        annotations", ICLR 2022. https://arxiv.org/abs/2110.12088
    """

    file: ClassVar[str] = "CIFAR-100_human.pt"
    sha256: ClassVar[str] = "bd2d80409754d420292d622e15e25248ba21e37d27429efac49c8da723f44394"
    labels_of: ClassVar[str] = "cifar100"

    @property
    def key(self) -> str:
        """Return the entry of the fine labels."""
        return "noisy_label"


def _arrays(data: bytes) -> Mapping[str, Tensor]:
    """Read a file that torch wrote, allowing nothing but arrays of numbers."""
    rebuild: Any = np.empty(0).__reduce__()[0]
    known = (rebuild, "numpy.core.multiarray._reconstruct")  # as numpy 1 called it
    allowed = [rebuild, known, np.ndarray, np.dtype, np.dtypes.Int64DType]
    with torch.serialization.safe_globals(allowed):
        arrays = torch.load(io.BytesIO(data), weights_only=True)
    return {name: torch.as_tensor(values, dtype=torch.long) for name, values in arrays.items()}

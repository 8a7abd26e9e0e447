"""Noise from a user's file: a transition matrix, or the labels themselves."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.noise.base import Counts, Given, LabelSpace, Noise, realised


@dataclass(frozen=True)
class Matrix(Noise):
    """Flip labels by a transition matrix of your own.

    ``file`` is a ``.npy`` file, or text with a row a line and commas or blanks between the
    numbers: ``C`` rows ``P(given | true)`` of ``C`` probabilities.
    """

    file: str
    counts: Counts = "random"

    @property
    def content(self) -> str:
        """Digest of the file."""
        return _digest(Path(self.file))

    def check(self, space: LabelSpace) -> None:
        """The file must hold one distribution for each class of the dataset."""
        table, classes = _read(Path(self.file), "Matrix.file"), space.num_classes
        if table.shape != (classes, classes):
            raise ValueError(
                f"Matrix.file must hold {classes} x {classes} numbers for this dataset, "
                f"{self.file} has the shape {table.shape}"
            )
        for true, row in enumerate(table):
            if not (row >= 0).all() or abs(row.sum() - 1) > 1e-6:
                raise ValueError(
                    f"Matrix.file must have rows of probabilities that sum to 1, "
                    f"row {true} of {self.file} is {row.tolist()}"
                )

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the matrix of the file."""
        table = torch.from_numpy(_read(Path(self.file), "Matrix.file").astype(np.float64))
        return table / table.sum(1, keepdim=True)


@dataclass(frozen=True)
class Labels(Noise):
    """Train on given labels of your own, one for each training image in the publisher's order.

    ``file`` is a ``.npy`` file, text with a label a line, or a CSV with the column ``given``, such
    as ``data noise`` writes. ``{seed}`` in its name stands for the seed, for a file of each; a
    dataset that is split anew for every seed needs it.
    """

    file: str

    def path(self, seed: int) -> Path:
        """Return the file of a seed."""
        return Path(self.file.replace("{seed}", str(seed)))

    @property
    def content(self) -> str:
        """Digest of the file, or of those of all seeds."""
        pattern = Path(self.file.replace("{seed}", "*"))
        found = sorted(pattern.parent.glob(pattern.name))
        if not found:
            raise ValueError(f"Labels.file: there is no file {self.file}")
        return hashlib.sha256(" ".join(map(_digest, found)).encode()).hexdigest()[:12]

    def check(self, space: LabelSpace) -> None:
        """A dataset that each seed splits anew needs a file for each seed."""
        if space.resplit and "{seed}" not in self.file:
            raise ValueError(
                "Labels.file must have {seed} in its name for a dataset that is split anew for "
                f"each seed, got {self.file!r}"
            )
        _ = self.content  # refuses a file that is not there

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> Given:
        """Return the labels of the file and the shares in which they differ from the true ones."""
        path = self.path(seed)
        found = _read(path, "Labels.file")
        if found.shape != (len(label),):
            raise ValueError(
                f"Labels.file must hold {len(label)} labels, {path} has the shape {found.shape}"
            )
        given = torch.from_numpy(found.astype(np.int64))
        if not np.array_equal(given, found) or not 0 <= found.min() <= found.max() < space[0]:
            raise ValueError(
                f"Labels.file must hold whole numbers from 0 to {space.num_classes - 1}, "
                f"{path} has {found.min():g} to {found.max():g}"
            )
        return Given(given, realised(label, given, space.num_classes))


def _digest(path: Path) -> str:
    """Return twelve hex digits of a file's sha256."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def _read(path: Path, owner: str) -> NDArray[Any]:
    """Return the numbers in a file."""
    try:
        stamp = path.stat().st_mtime_ns
        return _parsed(path, stamp)
    except OSError as error:
        raise ValueError(f"{owner}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{owner}: {path} holds something else than numbers: {error}") from error


@functools.lru_cache(maxsize=32)
def _parsed(path: Path, _stamp: int) -> NDArray[Any]:
    if path.suffix == ".npy":
        found: NDArray[Any] = np.load(path, allow_pickle=False)
        return found
    lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
    first = lines[0].split() if lines else []
    if "given" in first:
        return np.loadtxt(lines, skiprows=1, usecols=first.index("given"))
    return np.loadtxt(lines)

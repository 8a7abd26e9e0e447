"""Noise from a user's file: a transition matrix, or the labels themselves."""

import functools
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.noise.base import Counts, GivenLabels, LabelSpace, Noise, realised

COLUMNS = ("position", "true", "given")
"""The columns that ``data noise`` writes; ``given`` is the one that a file with a header needs."""


@dataclass(frozen=True)
class Matrix(Noise):
    """Flip labels by a transition matrix of your own.

    ``file`` is a ``.npy`` file, or text with a row a line and commas or blanks between the
    numbers: ``C`` rows ``P(given | true)`` of ``C`` probabilities.
    """

    file: str
    counts: Counts = "random"

    def content(self, seed: int) -> str:
        """Return the digest of the file."""
        return digest_of(bytes_of(Path(self.file), "Matrix.file"))

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a file that does not hold one distribution for each class of the dataset."""
        table, classes = self._table(), space.num_classes
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
        table = torch.from_numpy(self._table().astype(np.float64))
        return table / table.sum(1, keepdim=True)

    def _table(self) -> NDArray[Any]:
        arrays = arrays_of(Path(self.file), "Matrix.file")
        return arrays.get("", np.empty(0))  # several arrays are no matrix


@dataclass(frozen=True)
class Labels(Noise):
    """Train on given labels of your own, one for each training image in the publisher's order.

    ``file`` is a ``.npy`` file, a ``.npz`` file with one array or one named ``given``, text with a
    label a line, or a CSV with the column ``given``, such as ``data noise`` writes; its columns
    ``position`` and ``true`` are held against the dataset. ``{seed}`` in its name stands for the
    seed, for a file of each; a dataset that is split anew for every seed needs it.
    """

    file: str

    def content(self, seed: int) -> str:
        """Return the digest of the file of this seed."""
        return digest_of(bytes_of(self._path(seed), "Labels.file"))

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a seed without a file that has a class for every image."""
        if space.resplit and "{seed}" not in self.file:
            raise ValueError(
                "Labels.file must have {seed} in its name for a dataset that is split anew for "
                f"each seed, got {self.file!r}"
            )
        for seed in seeds:
            self._given(space, seed)

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels of the file and the shares in which they differ from the true ones."""
        path = self._path(seed)
        given = torch.from_numpy(self._given(space, seed).astype(np.int64))
        true = arrays_of(path, "Labels.file").get("true", label.numpy())
        if places := np.flatnonzero(true != label.numpy()).tolist():
            raise ValueError(
                f"Labels.file must follow the order of {dataset}, the column true of {path} "
                f"differs from its labels at {len(places)} of {len(label)} images, first at "
                f"{places[0]}"
            )
        return GivenLabels(given, realised(label, given, space.num_classes))

    def _path(self, seed: int) -> Path:
        return Path(self.file.replace("{seed}", str(seed)))

    def _given(self, space: LabelSpace, seed: int) -> NDArray[Any]:
        path = self._path(seed)
        arrays = arrays_of(path, "Labels.file")
        given = arrays.get("given", arrays.get(""))
        if given is None:
            raise ValueError(
                "Labels.file must hold one array or one named given, "
                f"{path} has {', '.join(arrays) or 'none'}"
            )
        for column in (arrays.get(name, given) for name in COLUMNS):
            if column.shape != (space.size,):
                raise ValueError(
                    f"Labels.file must hold {space.size} labels, {path} has the shape "
                    f"{column.shape}"
                )
        if not np.isin(given, np.arange(space.num_classes)).all():
            raise ValueError(
                f"Labels.file must hold whole numbers from 0 to {space.num_classes - 1}, "
                f"{path} has {given.min():g} to {given.max():g}"
            )
        order = np.arange(space.size)
        if not np.array_equal(arrays.get("position", order), order):
            raise ValueError(
                f"Labels.file must be in the publisher's order, the column position of {path} does "
                f"not count from 0 to {space.size - 1}"
            )
        return given


def digest_of(data: bytes) -> str:
    """Return the digest that is part of a cell's identity."""
    return hashlib.sha256(data).hexdigest()[:12]


def bytes_of(path: Path, owner: str) -> bytes:
    """Return the content of a file that a field names, or say that it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{owner}: cannot read {path}: {error.strerror}") from error


def arrays_of(path: Path, owner: str) -> Mapping[str, NDArray[Any]]:
    """Return the arrays in a file by name; one that stands alone has the name ``""``."""
    data = bytes_of(path, owner)
    try:
        return _parsed(data, path.suffix)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{owner}: {path} holds something else than numbers: {error}") from error


@functools.lru_cache(maxsize=32)
def _parsed(data: bytes, suffix: str) -> Mapping[str, NDArray[Any]]:
    if suffix in {".npy", ".npz"}:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
        if len(arrays) == 1:
            (alone,) = arrays.values()
            arrays = {"": alone}
    else:
        arrays = _text(data.decode("utf-8-sig"))
    for array in arrays.values():
        if array.dtype.kind not in "iuf":
            raise ValueError(f"an array of type {array.dtype}")
    return arrays


def _text(text: str) -> dict[str, NDArray[Any]]:
    """Return the three known columns of a table with a header, or all the numbers."""
    lines = [line for line in text.splitlines() if line.partition("#")[0].strip()]
    comma = "," if any("," in line for line in lines[:1]) else None
    header = [word.strip() for word in lines[0].split(comma)] if lines else []
    rows = lines["given" in header :]
    if not rows:
        raise ValueError("it has no rows")
    if len(rows) == len(lines):
        return {"": np.loadtxt(rows, delimiter=comma)}
    known = [name for name in COLUMNS if name in header]
    places = [header.index(name) for name in known]
    columns = np.loadtxt(rows, delimiter=comma, usecols=places, ndmin=2)
    return dict(zip(known, columns.T, strict=True))

"""Noise from a user's file: a transition matrix, or the labels themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.inputs import read_bytes
from benchmarks.noise.base import Counts, GivenLabels, LabelSpace, Noise, realised
from benchmarks.noise.field_files import read_numbers, told_by
from benchmarks.noise.label_file import classes, given_labels, order, read_columns
from methods.bounds import FilePath

LABELS = FilePath(by_seed=True)


@dataclass(frozen=True)
class Matrix(Noise):
    """Flip labels by a transition matrix of your own.

    ``file`` is a ``.npy`` file, or UTF-8 text with a row a line and commas or blanks between the
    numbers: ``C`` rows ``P(given | true)`` of ``C`` probabilities. Lines that begin with ``#`` are
    comments.
    """

    file: Annotated[str, FilePath()]
    counts: Counts = "random"

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a file that does not hold one distribution for each class of the dataset."""
        table = read_numbers(Path(self.file), "Matrix.file")
        wanted = (space.num_classes, space.num_classes)
        if table.shape != wanted:
            raise ValueError(
                f"Matrix.file must hold {wanted[0]} x {wanted[1]} numbers for this dataset, "
                f"{self.file} has the shape {table.shape}{_counting(table)}"
            )
        for true, row in enumerate(table):
            if not (row >= 0).all() or abs(row.sum() - 1) > 1e-6:
                columns = (table >= 0).all() and (abs(table.sum(0) - 1) <= 1e-6).all()
                hint = "; its columns do, so transpose it" if columns else ""
                if row.min() < 0:
                    hint = ", and no probability is below 0"
                raise ValueError(
                    f"Matrix.file must have rows of probabilities that sum to 1, row {true} of "
                    f"{self.file} sums to {row.sum():g} and has {row.min():g} to {row.max():g}"
                    f"{hint}"
                )

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the matrix of the file."""
        table = torch.from_numpy(read_numbers(Path(self.file), "Matrix.file"))
        return table / table.sum(1, keepdim=True)


def _counting(table: NDArray[np.float64]) -> str:
    """Say which row or column of a table only counts the classes, "" if none does."""
    lines = {"row": table[0], "column": table[:, 0]} if table.ndim == 2 else {}
    for place, line in lines.items():
        if any(part.size > 1 and (np.diff(part) == 1).all() for part in (line, line[1:])):
            return f"; its first {place} counts the classes, so leave it out"
    return ""


@dataclass(frozen=True)
class Labels(Noise):
    """Train on labels of your own: a CSV with a column given or label, a .npy file, or text.

    There is one for each training image, the number of its class, from 0, or the class's name.
    ``file`` is one of

    * a CSV with a header and the labels in its column ``given`` or ``label``. A column ``position``
      (the row of the training set, from 0) or ``index`` (the publisher's) says of which image a
      row is, in any order; without one, rows follow the training set. A column ``true`` is held
      against the dataset's own labels. Other columns, such as file names, are left alone;
    * a ``.npz`` with arrays of these names, or one array; a ``.npy`` file of labels;
    * UTF-8 text with a label a line, or all on one, commas or blanks between them.

    Whole numbers in a ``.npy`` or ``.npz`` are numbers of classes and texts are names; where the
    names in a CSV or text might be numbers of other classes, the file is refused. Lines before the
    header that begin with ``#`` are comments.

    ``{seed}`` in the file's name stands for the seed, for a file of each; a dataset that is split
    anew for every seed needs it.
    """

    file: Annotated[str, LABELS]

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a seed without a file that has a class for every image."""
        if space.resplit and "{seed}" not in self.file:
            raise ValueError(
                "Labels.file must have {seed} in its name for a dataset that is split anew for "
                f"each seed, got {self.file!r}"
            )
        for path in dict.fromkeys(map(self._path, seeds)):
            self._columns(path, space)

    def unconfirmed(self, seeds: Sequence[int]) -> list[int]:
        """Return a seed for each file that says of which images its rows are, or what is true."""
        files = {self._path(seed): seed for seed in reversed(seeds)}
        with told_by("Labels.file"):
            named = {path: read_columns(path, read_bytes(path)).values for path in files}
        return [seed for path, seed in files.items() if {"index", "true"} & named[path].keys()]

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels of the file and the shares in which they differ from the true ones."""
        path = self._path(seed)
        given, true = map(torch.from_numpy, self._columns(path, space))
        known = label if true.numel() == 0 else true
        if places := (known != label).nonzero().flatten().tolist():
            raise ValueError(
                f"Labels.file must follow the order of {dataset}, the column true of {path} "
                f"differs from its labels at {len(places)} of {len(label)} images, first at "
                f"{places[0]}"
            )
        return GivenLabels(given, realised(label, given, space.num_classes))

    def _path(self, seed: int) -> Path:
        return Path(LABELS.path(self.file, seed))

    def _columns(
        self, path: Path, space: LabelSpace
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return given and true labels of the images; none are true where the file has none."""
        with told_by("Labels.file"):
            columns = read_columns(path, read_bytes(path))
            given = given_labels(columns, space)
            rows = order(columns, space)
            if "true" not in columns.values:
                return given[rows], given[:0]
            return given[rows], classes(columns, "true", space)[rows]

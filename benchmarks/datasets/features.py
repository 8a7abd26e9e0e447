"""Feature vectors and labels in a file of one's own."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets.arrays import Arrays, NamedArrays
from benchmarks.datasets.own import edition, refuse
from benchmarks.inputs import InputError, open_arrays, read_safetensors
from methods.bounds import FilePath

SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class Features(Arrays):
    """Feature vectors and labels of your own, in a ``.npz``, ``.npy`` or ``.safetensors`` file.

    * ``feature``: ``(N, D)`` of floating-point numbers. Each feature is brought to mean 0 and
      deviation 1 over the training vectors;
    * ``label`` and, optional, ``clean_label``, ``classes``, ``side``, ``test_feature``,
      ``test_label`` and ``test_clean_label``, as in ``arrays``.

    A ``.npy`` file has the vectors alone; ``labels`` is then another one, with a label of each.
    `embed` writes such files.
    """

    labels: Annotated[str, FilePath()] = ""

    held: ClassVar[str] = "feature"
    vectors: ClassVar[bool] = True
    white: ClassVar[int] = 1

    def edition(self) -> object:
        """Return the inodes, sizes and times of the files."""
        return edition(Path(self.file)), edition(Path(self.labels)) if self.labels else ()

    @contextlib.contextmanager
    def opened(self) -> Iterator[NamedArrays]:
        """Open the file, and the labels beside it.

        Raises:
            InputError: one cannot be read, or both have labels.
        """
        if self.file.endswith(SAFETENSORS):
            yield _Read(read_safetensors(self.file))
            return
        with open_arrays(self.file) as file:
            if file.names != ("",):
                if self.labels:
                    raise InputError(self.file, "it has its labels itself, so leave out labels=…")
                yield file
                return
            if not self.labels:
                raise InputError(
                    self.file,
                    "it has vectors alone; Features.labels names the .npy file of their labels",
                )
            with open_arrays(self.labels) as labels:
                if labels.names != ("",):
                    raise InputError(self.labels, "a .npy file of one label of each is needed")
                yield _Read({"feature": file.read(""), "label": labels.read("")})

    def shape_in(self, file: NamedArrays, name: str) -> tuple[int, int, int]:
        """Return ``(D, 1, 1)``, after a look at every number.

        Raises:
            InputError: the array is no table of numbers, or one of them is not finite.
        """
        shape, dtype = file.kind(name)
        place, path = f"array {name!r}", Path(self.file)
        if dtype.kind != "f":
            raise InputError(
                path, f"features are floating-point numbers, not of the type {dtype}", place
            )
        if len(shape) != 2 or 0 in shape:
            raise InputError(path, f"features are (N, D), not {shape}; both are at least 1", place)
        finite = np.abs(file.read(name)) <= np.finfo(np.float32).max  # which NaN is not, either
        rows = np.flatnonzero(~finite.all(1))
        refuse(path, [(f"{place}, row {row}", "a number is not finite in float32") for row in rows])
        return shape[1], 1, 1

    def tensor(self, image: NDArray[Any]) -> Tensor:
        """Return vectors ``(N, D, 1, 1)`` float32."""
        return torch.from_numpy(image.astype(np.float32))[:, :, None, None]

    def images(self, root: Path) -> tuple[Tensor, Tensor]:
        """Return training and test vectors, standardised by the training ones."""
        train, test = super().images(root)
        deviation, mean = torch.std_mean(train.double(), 0, correction=0)  # (D, 1, 1)
        deviation = torch.where(deviation > 0, deviation, 1.0)
        return ((train - mean) / deviation).float(), ((test - mean) / deviation).float()

    def normalisation(self, root: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return zeros and ones: vectors are standardised when they are loaded."""
        size = self.shape[0]
        return (0.0,) * size, (1.0,) * size


class _Read:
    """Arrays that have been read."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self.names = tuple(arrays)

    def kind(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and the type of an array."""
        return self._arrays[name].shape, self._arrays[name].dtype

    def read(self, name: str) -> NDArray[Any]:
        """Return an array."""
        return self._arrays[name]

"""Images and labels in the arrays of a file."""

import functools
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets.own import (
    Labelled,
    OwnData,
    Share,
    coded,
    drawn_test,
    edition,
    refuse,
    refuse_empty,
)
from benchmarks.errors import suggestion
from benchmarks.inputs import InputError, open_arrays
from methods.bounds import FilePath

LABELS = ("label", "clean_label", "classes", "test_label", "test_clean_label")
SIDE = "side"
APART = 1e-3
"""How far the probabilities of an image may be from 1 together; half precision is that far."""

CHANNELS = 4
"""The most channels of an image."""


class NamedArrays(Protocol):
    """Arrays by name, of which single ones are read as they are needed."""

    names: tuple[str, ...]

    def kind(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and the type of an array."""

    def read(self, name: str) -> NDArray[Any]:
        """Return an array."""


@dataclass(frozen=True)
class Arrays(OwnData):
    """Images and labels of your own, in the arrays of a ``.npz`` file.

    * ``image``: ``(N, H, W)``, ``(N, H, W, channels)`` or ``(N, channels, H, W)`` of uint8, with 1
      to 4 channels;
    * ``label``: ``(N,)``, the number of the class of each image, from 0, or its name;
    * ``clean_label``, optional: likewise, the true ones, which nothing but metrics and the noise
      ``clean`` sees. The noise ``given`` trains on ``label``;
    * ``classes``, optional: the names of the classes, in order;
    * ``side``, optional: ``(N, C)``, the probabilities of the classes that another model gives each
      image, such as CLIP's zero-shot classifier, for methods that learn from side information;
    * ``test_image`` and ``test_label``, and ``test_clean_label`` beside ``clean_label``. Without
      them ``test`` is the share of the images that is drawn for testing, the same for all seeds and
      so that classes keep their shares.
    """

    file: Annotated[str, FilePath()]
    test: Share = 0.0

    held: ClassVar[str] = "image"  # the name of the array beside the labels

    def labelled(self) -> Labelled:
        """Return what the file says, read again once it was written to."""
        return _labelled(self, self.edition())

    def edition(self) -> object:
        """Return the inode, size and time of the file."""
        return edition(Path(self.file))

    def images(self, root: Path) -> tuple[Tensor, Tensor]:
        """Return training and test images."""
        own = self.labelled()
        with self.opened() as file:
            image = self.tensor(file.read(self.held))
            if f"test_{self.held}" in file.names:
                return image, self.tensor(file.read(f"test_{self.held}"))
        is_test = torch.from_numpy(own.is_test)
        return image[~is_test], image[is_test]

    def is_there(self, root: Path) -> bool:
        """Tell whether the file is there."""
        return Path(self.file).is_file()

    def opened(self) -> AbstractContextManager[NamedArrays]:
        """Open the file.

        Raises:
            InputError: it cannot be read.
        """
        return open_arrays(self.file)

    def shape_in(self, file: NamedArrays, name: str) -> tuple[int, int, int]:
        """Return channels, height and width of the images in an array.

        Raises:
            InputError: it holds something else.
        """
        return _shape(Path(self.file), file, name)

    def tensor(self, image: NDArray[Any]) -> Tensor:
        """Return images ``(N, channels, H, W)``."""
        return _channels_first(image)


@functools.lru_cache(maxsize=8)
def _labelled(dataset: Arrays, _edition: object) -> Labelled:
    path = Path(dataset.file)
    held, tests = dataset.held, f"test_{dataset.held}"
    with dataset.opened() as file:
        _refuse_names(path, file.names, dataset)
        shape = dataset.shape_in(file, held)
        images = [file.kind(held)[0][0]]
        if tests in file.names:
            images.append(file.kind(tests)[0][0])
            if (test := dataset.shape_in(file, tests)) != shape:
                reason = f"test {held}s are {_by(test)} and training {held}s {_by(shape)}"
                raise InputError(path, reason, f"array {tests!r}")
        labels = {name: file.read(name) for name in file.names if "label" in name}
        names = _names(path, file.read("classes")) if "classes" in file.names else ()
        side = file.read(SIDE) if SIDE in file.names else None
    sizes = dict(zip(("", "test_"), images, strict=False))
    for name, values in labels.items():
        wanted = sizes["test_" if name.startswith("test_") else ""]
        if values.shape != (wanted,):
            reason = f"{wanted} labels are needed, one of each image, and its shape is"
            raise InputError(path, f"{reason} {values.shape}", f"array {name!r}")
    classes, numbers = coded(path, labels, names)

    def joined(kind: str) -> NDArray[np.int64]:
        return np.concatenate([numbers[part + kind] for part in sizes])

    position = np.concatenate([np.arange(size) for size in sizes.values()])
    clean = joined("clean_label") if "clean_label" in labels else None
    own = Labelled(classes, shape, joined("label"), clean, position < 0, position)
    is_test = np.arange(len(position)) >= images[0]
    if len(sizes) == 1:
        is_test = drawn_test(own.label, dataset.test)
    if side is not None:
        probabilities = _probabilities(path, side, (images[0], len(classes)))
        tests_of = np.full((len(position) - images[0], len(classes)), np.nan, np.float32)
        own = own._replace(side=np.concatenate([probabilities, tests_of]))
    own = own._replace(is_test=is_test)
    refuse_empty(path, own)
    return own


def _refuse_names(path: Path, names: tuple[str, ...], dataset: Arrays) -> None:
    """Refuse a file without the arrays that belong together, or with others."""
    held, tests, owner = dataset.held, f"test_{dataset.held}", type(dataset).__name__
    known = (held, tests, *LABELS, SIDE)
    for name in names:
        if name not in known:
            hint = suggestion(name, known) or f"; known: {', '.join(known)}"
            raise InputError(path, f"unknown array {name!r}{hint}")
    needs = {"": (held, "label"), tests: ("test_label",), "test_label": (tests,)}
    if tests in names:
        needs |= {"clean_label": ("test_clean_label",)}
    needs |= {"test_clean_label": ("clean_label", tests)}
    for name, others in needs.items():
        missing = [other for other in others if other not in names]
        if missing and (not name or name in names):
            beside = f" beside {name!r}" if name else ""
            raise InputError(path, f"an array {missing[0]!r} is needed{beside}")
    if tests in names and dataset.test:
        raise InputError(path, f"it has test {held}s, so leave out test={dataset.test:g}")
    if tests not in names and not dataset.test:
        raise InputError(
            path,
            f"it has no test {held}s; {owner}.test says which share of the {held}s to draw for "
            "testing, as in test=0.2",
        )


def _names(path: Path, values: NDArray[Any]) -> tuple[str, ...]:
    names = tuple(str(name).strip() for name in values.tolist()) if values.ndim == 1 else ()
    if values.dtype.kind != "U" or len(set(names)) < len(names) or not all(names):
        raise InputError(path, "different names of the classes are needed", "array 'classes'")
    return names


def _probabilities(path: Path, side: NDArray[Any], wanted: tuple[int, int]) -> NDArray[np.float32]:
    """Return class probabilities whose rows sum to 1.

    Raises:
        InputError: the array has another shape or type, or a row is no distribution.
    """
    place = f"array {SIDE!r}"
    if side.dtype.kind != "f" or side.shape != wanted:
        reason = (
            f"floating-point probabilities of the shape {wanted} are needed, a row for each image "
            f"and a column for each class, not {side.dtype} of the shape {side.shape}"
        )
        raise InputError(path, reason, place)
    values = side.astype(np.float64)
    sums = values.sum(1)
    with np.errstate(invalid="ignore"):  # of numbers that are not finite
        right = (values >= 0).all(1) & (abs(sums - 1) <= APART)
    faults = []
    for row in np.flatnonzero(~right).tolist():
        span = f"from {values[row].min():g} to {values[row].max():g}"
        reason = f"no distribution: {span}, and {sums[row]:g} together"
        faults.append((f"{place}, row {row}", reason))
    refuse(path, faults)
    probabilities: NDArray[np.float32] = (values / sums[:, None]).astype(np.float32)
    return probabilities


def _shape(path: Path, file: NamedArrays, name: str) -> tuple[int, int, int]:
    """Return channels, height and width of the images in an array."""
    shape, dtype = file.kind(name)
    place = f"array {name!r}"
    if dtype != np.uint8:
        hint = "; scale them to 0 to 255 and round" if dtype.kind == "f" else ""
        raise InputError(path, f"images are of uint8, not of the type {dtype}{hint}", place)
    if len(shape) not in {3, 4} or 0 in shape:
        reason = f"images are (N, H, W), (N, H, W, channels) or (N, channels, H, W), not {shape}"
        raise InputError(path, reason, place)
    if len(shape) == 3:
        return (1, *shape[1:])
    first, last = shape[1] <= CHANNELS, shape[3] <= CHANNELS
    if first == last:
        which = "both the second and the last axis are" if first else "neither axis is"
        raise InputError(
            path, f"images have 1 to {CHANNELS} channels, and {which} so short: {shape}", place
        )
    return (shape[1], shape[2], shape[3]) if first else (shape[3], shape[1], shape[2])


def _by(shape: tuple[int, int, int]) -> str:
    if shape[1:] == (1, 1):
        return f"of {shape[0]} numbers"
    return f"{shape[0]} channels of {shape[1]} x {shape[2]}"


def _channels_first(image: NDArray[Any]) -> Tensor:
    """Return images ``(N, channels, H, W)``."""
    tensor = torch.from_numpy(image)
    if tensor.dim() == 3:
        return tensor[:, None]
    is_first = tensor.shape[1] <= CHANNELS
    return tensor if is_first else tensor.movedim(-1, 1).contiguous()

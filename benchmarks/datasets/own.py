"""Data of one's own: datasets whose facts come from files that a spec names."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets.base import Card, Dataset, Split, stratified
from benchmarks.errors import count, some, suggestion
from benchmarks.inputs import InputError
from benchmarks.seeds import generator
from methods.bounds import Between

TOLD = 5
"""Of many faults, so many are told, and how many there are."""

AT_ONCE = 2**20
"""Pixels of a channel that are counted together, each of which takes eight bytes meanwhile."""

Share = Annotated[float, Between(0.0, 0.9)]


class Labelled(NamedTuple):
    """What files say of their examples, before any image is looked at."""

    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # channels, height and width of an image
    given: NDArray[np.int64]  # (N,)
    clean: NDArray[np.int64] | None  # (N,)
    is_test: NDArray[np.bool_]  # (N,)
    position: NDArray[np.int64]  # (N,), of each example among those of its file and part
    side: NDArray[np.float32] | None = None  # (N, C), class probabilities of another model

    @property
    def label(self) -> NDArray[np.int64]:
        """The clean labels, the given ones where there are none."""
        return self.given if self.clean is None else self.clean


@dataclass(frozen=True)
class OwnData(Dataset):
    """A dataset whose classes, sizes and shape come from files that its fields name.

    Its labels are the clean ones where the files have them, and then the noise ``given`` trains on
    the labels that the files give. Where they have none, all labels are the given ones: the truth
    is unknown, and what is measured is agreement with them.
    """

    mean: ClassVar[tuple[float, ...]] = ()
    std: ClassVar[tuple[float, ...]] = ()
    gives_labels: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        source="your own files",
        paper="none",
        licence="your own",
        label_errors="whatever your files hold",
        integrity="your files are part of the identity of every cell",
    )

    def labelled(self) -> Labelled:
        """Return what the files say of the examples.

        Raises:
            InputError: they cannot be read, or hold something else.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no labelled")

    def images(self, root: Path) -> tuple[Tensor, Tensor]:
        """Return training and test images ``(M, channels, height, width)``, in order."""
        raise NotImplementedError(f"{type(self).__name__} defines no images")

    # Facts of a published dataset are of its class, those of one's own data of an object.

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many classes there are."""
        return len(self.labelled().classes)

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Their names."""
        return self.labelled().classes

    @property
    def class_counts(self) -> tuple[int, ...]:  # type: ignore[override]
        """The training images of each class."""
        own = self.labelled()
        counts = np.bincount(own.label[~own.is_test], minlength=len(own.classes))
        return tuple(counts.tolist())

    @property
    def published(self) -> tuple[int, int]:  # type: ignore[override]
        """How many training and test images there are."""
        tests = int(self.labelled().is_test.sum())
        return len(self.labelled().is_test) - tests, tests

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """Channels, height and width of an image."""
        return self.labelled().shape

    @property
    def truth(self) -> Literal["known", "unknown"]:  # type: ignore[override]
        """Whether the files have clean labels beside the given ones."""
        return "unknown" if self.labelled().clean is None else "known"

    @property
    def has_side(self) -> bool:  # type: ignore[override]
        """Whether the files have class probabilities of another model."""
        return self.labelled().side is not None

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return (train, test), whatever the seed."""
        own = self.labelled()

        def split(image: Tensor, chosen: NDArray[np.bool_]) -> Split:
            label, given, position = (
                torch.from_numpy(each[chosen]) for each in (own.label, own.given, own.position)
            )
            return Split(image, label, position, None if own.clean is None else given)

        images = self.images(root)
        train, test = split(images[0], ~own.is_test), split(images[1], own.is_test)
        if own.side is not None:
            train = train._replace(side=torch.from_numpy(own.side[~own.is_test]))
        return train, test

    def normalisation(self, root: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and deviation of the training images, channel by channel."""
        return _moments_of(self, root, self.edition())


@functools.lru_cache(maxsize=8)
def _moments_of(
    dataset: OwnData, root: Path, _edition: object
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the training images, counted once for all cells."""
    from benchmarks.datasets.content import load  # noqa: PLC0415  which imports base

    return _moments(load(dataset, root, 0)[0].image)


def _moments(image: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel of ``(N, channels, H, W)`` bytes.

    Bytes are counted by value, so the sums are exact whatever their order. A channel of one value
    has the deviation 1: it is centred and no more.
    """
    values = np.arange(256, dtype=np.float64)
    means, deviations = [], []
    for channel in range(image.shape[1]):
        counts = np.zeros(256, np.int64)
        for part in image[:, channel].split(max(1, AT_ONCE // image[0, 0].numel())):
            counts += np.bincount(part.numpy().ravel(), minlength=256)
        shares = counts / counts.sum()
        mean = float(shares @ values)
        means.append(mean)
        deviations.append(float(np.sqrt(shares @ (values - mean) ** 2)) or 1.0)
    return tuple(means), tuple(deviations)


def edition(path: Path) -> tuple[int, ...]:
    """Return inode, size and time of a file, nothing of one that is not there."""
    try:
        now = path.stat()
    except (OSError, ValueError):
        return ()
    return now.st_ino, now.st_size, now.st_mtime_ns


def drawn_test(label: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Choose which examples test, so that classes keep their shares: the same ones every time."""
    wanted = round(share * len(label))
    chosen = stratified(torch.from_numpy(label), wanted, generator("split", "own data"))
    is_test = np.zeros(len(label), np.bool_)
    is_test[chosen.numpy()] = True
    return is_test


def refuse_empty(path: Path, own: Labelled) -> None:
    """Refuse data without test images, or of whose classes one has no training image.

    Raises:
        InputError: it is so.
    """
    held = np.bincount(own.label[~own.is_test], minlength=len(own.classes))
    empty = [name for name, images in zip(own.classes, held, strict=True) if not images]
    if empty:
        hint = "; numbers of classes are counted from 0" if empty == ["0"] else ""
        raise InputError(path, f"no training image is of the class {some(empty, TOLD)}{hint}")
    if len(held) < 2:
        raise InputError(path, "two classes are needed, and it has one")
    if not own.is_test.any():
        raise InputError(path, "no image is left for testing")


def refuse(path: Path, faults: Sequence[tuple[str, str]]) -> None:
    """Refuse a file for what is wrong with some of its rows: the first five, and how many.

    Args:
        path: the file.
        faults: the place of each, ``line 7``, and what is wrong there.

    Raises:
        InputError: there is one.
    """
    if not faults:
        return
    told = "; ".join(f"{place}: {reason}" for place, reason in faults[:TOLD])
    more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
    raise InputError(path, f"{count(len(faults), 'fault')}: {told}{more}")


def coded(
    path: Path, columns: Mapping[str, Sequence[str] | NDArray[Any]], names: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """Return the names of the classes, and each column of labels as numbers of them.

    Whole numbers are numbers of classes, from 0, and texts are their names.

    Args:
        path: the file.
        columns: labels of examples by the name of the column; all numbers, or all texts.
        names: of the classes, in order; none where the labels say themselves which there are.

    Raises:
        InputError: a label is no class, or there is another number of names than of classes.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    kinds = {array.dtype.kind for array in arrays.values()}
    if any(array.ndim != 1 or array.dtype.kind not in "iuU" for array in arrays.values()):
        name = next(n for n, a in arrays.items() if a.ndim != 1 or a.dtype.kind not in "iuU")
        reason = "labels are one whole number or name of each image, not"
        kind = f"of the type {arrays[name].dtype} and the shape {arrays[name].shape}"
        raise InputError(path, f"{reason} {kind}", name)
    if "U" in kinds:
        if len(kinds) > 1:
            raise InputError(path, "labels are numbers in some columns and names in others")
        every = dict.fromkeys(chain.from_iterable(array.tolist() for array in arrays.values()))
        classes = tuple(names) or tuple(sorted(every, key=_by_number))
        numbers = {name: number for number, name in enumerate(classes)}
        refuse(path, list(_unnamed(arrays, classes)))
        return classes, {
            name: np.fromiter(map(numbers.__getitem__, array.tolist()), np.int64, len(array))
            for name, array in arrays.items()
        }
    size = max(map(len, arrays.values()))
    most = len(names) or max(int(array.max()) + 1 for array in arrays.values() if array.size)
    faults = [
        (f"{name}, row {row}", f"{array[row]} is no class from 0 to {min(most, size) - 1}")
        for name, array in arrays.items()
        for row in np.flatnonzero((array < 0) | (array >= min(most, size))).tolist()
    ]
    refuse(path, faults)
    classes = tuple(names) or tuple(map(str, range(most)))
    return classes, {name: array.astype(np.int64) for name, array in arrays.items()}


def _unnamed(
    arrays: Mapping[str, NDArray[Any]], classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the labels that name no class."""
    known = set(classes)
    for name, array in arrays.items():
        for row, label in enumerate(array.tolist()):
            if label not in known:
                hint = suggestion(label, classes)
                yield f"{name}, row {row}", f"{label[:40]!r} is no class{hint}"


def _by_number(name: str) -> tuple[bool, int, str]:
    """Order names that are numbers by their values, before the others."""
    is_number = name.isdecimal() and len(name) < 19
    return not is_number, int(name) if is_number else 0, name

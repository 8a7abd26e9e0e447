"""The interface of label noise: a transition matrix, and one sampler for all of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from benchmarks.seeds import generator
from methods.bounds import Bounded

Counts = Literal["random", "per_class", "per_pair"]


NO_CLASS = -1
"""The true label of an image that belongs to none of the dataset's classes, and the given one of an
image that people gave a label outside them: that image is left out of training.
"""


class Images(NamedTuple):
    """The training images behind the labels, for a noise that looks at them."""

    pixel: Tensor  # (N, channels, height, width) uint8, or vectors (N, D, 1, 1) float32
    position: Tensor  # (N,) int64, places in the published training set
    root: Path  # the folder of published files
    borrow: Callable[[str], Tensor]  # the training images of another dataset, by its name
    given: Tensor | None = None  # (N,) int64, labels that came with the images beside clean ones


class LabelSpace(NamedTuple):
    """The facts about a dataset that a noise may know."""

    num_classes: int
    size: int  # training examples
    confusions: Mapping[int, int]  # published: a class -> the one it is mistaken for
    resplit: bool = False  # each seed has its own training set
    dataset: str = ""  # its name in the catalogue
    superclass: tuple[int, ...] = ()  # published: of each class
    white: int = 255  # the largest raw pixel value
    mean: tuple[float, ...] = ()  # per channel, of the raw values
    std: tuple[float, ...] = ()
    lenders: tuple[str, ...] = ()  # datasets with images of the same shape
    classes: tuple[str, ...] = ()  # their names, where they have any
    numbers: tuple[int, ...] = ()  # the publisher's, of each class
    vectors: bool = False  # its images are feature vectors, (N, D, 1, 1) float32
    truth: Literal["known", "unknown"] = "known"  # whether the labels are clean
    gives_labels: bool = False  # whether such as need not be come with the images
    images: Images | None = None  # absent while a sweep is only being checked


class Foreign(NamedTuple):
    """Images that took the place of training images and belong to no class of the dataset."""

    position: Tensor  # (M,) int64, rising, places in the training set
    image: Tensor  # (M, channels, height, width) uint8


class GivenLabels(NamedTuple):
    """The labels that a method sees, and the process that gave them."""

    label: Tensor  # (N,) int64, NO_CLASS where the image is left out
    transition: Tensor  # (C, C) float64, P(given j | true i)
    foreign: Foreign | None = None

    def true(self, label: Tensor) -> Tensor:
        """Return true labels ``(N,)``: the published ones, ``NO_CLASS`` for a foreign image."""
        if self.foreign is None:
            return label
        return label.index_fill(0, self.foreign.position, NO_CLASS)

    def images(self, published: Tensor) -> Tensor:
        """Return the training images, foreign ones in place."""
        if self.foreign is None:
            return published
        return published.index_copy(0, *self.foreign)

    def sha256(self) -> str:
        """Return the sha256 of the labels, and of places and pixels of foreign images."""
        if self.foreign is None:
            return label_sha256(self.label)
        sha256 = hashlib.sha256(bytes.fromhex(label_sha256(self.label)))
        sha256.update(self.foreign.position.numpy().astype("<i8").tobytes())
        sha256.update(self.foreign.image.numpy().tobytes())
        return sha256.hexdigest()


@dataclass(frozen=True)
class Noise(Bounded):
    """A way to draw the given label from the true one.

    ``counts`` says how many labels of a class flip. ``random``: each by itself with the stated
    probability, so the number varies, as in Patrini et al. (2017) and Co-teaching. ``per_class``:
    exactly the stated share of each class, rounded down, as in the robust-loss papers since Ma et
    al. (2020). ``per_pair``: likewise for each pair of true and given class (Ye et al., 2023).
    """

    version: ClassVar[int | str] = 1
    replaces: ClassVar[bool] = False  # gives other images beside labels
    leaves_out: ClassVar[bool] = False  # may give images a label outside the dataset's classes

    @property
    def nominal_rate(self) -> float | None:
        """The rate in the name of the noise, or None if it has none."""
        return getattr(self, "rate", None)

    @property
    def borrows(self) -> tuple[str, ...]:
        """The datasets from which images are taken."""
        return ()

    def is_there(self, root: Path) -> bool:
        """Tell, at once, whether the files that the data folder is to have are there."""
        return True

    def fetch(self, root: Path) -> None:
        """Make sure that the published files behind the noise are there, before any training.

        Raises:
            DataMissingError: the files are absent or damaged.
        """

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a dataset, or files for these seeds, that do not fit; called before any training.

        Raises:
            ValueError: the dataset or a file does not fit.
        """

    def unconfirmed(self, seeds: Sequence[int]) -> list[int]:
        """Return the seeds, one for each file, whose labels only the images can confirm."""
        return []

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the ``(C, C)`` float64 ``T[i, j] = P(given j | true i)``; rows sum to 1."""
        raise NotImplementedError(f"{type(self).__name__} defines no matrix")

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return one given label per example, drawn on the CPU.

        Two uniforms per example come from the stream ``("noise", dataset, seed)``, whatever the
        noise: ``u`` decides whether the label flips, ``v`` to which class. So methods share their
        noise, an example flipped at one rate is flipped at every higher one, and under symmetric
        noise with random counts it keeps its wrong label.

        Args:
            label: ``(N,)`` int64 true labels, in the publisher's order.
            space: the dataset's.
            dataset: its name in the stream.
            seed: the seed of the cell.
        """
        table = self.matrix(space)
        u, v = uniforms(label, dataset, seed)
        return GivenLabels(sample(label, table, u, v, getattr(self, "counts", "random")), table)


def uniforms(label: Tensor, dataset: str, seed: int) -> Tensor:
    """Return ``u`` and ``v`` of every example, ``(2, N)`` float64."""
    source = generator("noise", dataset, seed)
    return torch.rand(2, len(label), dtype=torch.float64, generator=source)


def flip(label: Tensor, row: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return given labels ``(N,)`` where each example has a row ``(N, C)`` of its own."""
    return torch.where(
        u < 1 - row.gather(1, label[:, None]).squeeze(1), _other(label, row, v), label
    )


def mean_rows(label: Tensor, row: Tensor) -> Tensor:
    """Return ``(C, C)``, the mean row of each class; of one without examples the identity's."""
    classes = row.shape[1]
    total = torch.zeros(classes, classes, dtype=row.dtype).index_add(0, label, row)
    size = label.bincount(minlength=classes)[:, None]
    return torch.where(size > 0, total / size.clamp(min=1), torch.eye(classes, dtype=row.dtype))


def _other(label: Tensor, row: Tensor, v: Tensor) -> Tensor:
    """Choose among the other classes in proportion to the row."""
    edges = row.scatter(1, label[:, None], 0.0).cumsum(1)
    return (edges <= v[:, None] * edges[:, -1:]).sum(1).clamp(max=row.shape[1] - 1)


def sample(label: Tensor, table: Tensor, u: Tensor, v: Tensor, counts: Counts) -> Tensor:
    """Return given labels ``(N,)``.

    An example flips where ``u < 1 - T[y, y]``, or, with exact counts, where its ``u`` is among the
    smallest of its class. ``v`` chooses among the other classes in proportion to the row, or, with
    exact counts per pair, ranks the flipped examples, which then fill the classes in order.

    Args:
        label: ``(N,)`` int64 true labels.
        table: ``(C, C)`` float64 ``T``.
        u: ``(N,)`` float64 uniforms.
        v: likewise.
        counts: see :class:`Noise`.
    """
    row = table[label]  # (N, C)
    if counts == "random":
        return flip(label, row, u, v)
    wrong = _other(label, row, v)
    given = label.clone()
    for true, shares in enumerate(table):
        members = (label == true).nonzero().squeeze(1)
        # Exact counts: the members with the smallest uniforms flip, so that the labels wrong at one
        # rate are wrong at every higher one.
        others = shares.clone()
        others[true] = 0
        if counts == "per_class":
            chosen = members[u[members].argsort(stable=True)][: _whole(others.sum() * len(members))]
            given[chosen] = wrong[chosen]
            continue
        sizes = [_whole(share * len(members)) for share in others]
        chosen = members[u[members].argsort(stable=True)][: sum(sizes)]
        ranked = chosen[v[chosen].argsort(stable=True)]
        given[ranked] = torch.repeat_interleave(torch.tensor(sizes))
    return given


def _whole(count: Tensor) -> int:
    """Round down, but not for 0.1 * 30 = 2.9999999999999996."""
    return int(count.item() + 1e-9)


def label_sha256(label: Tensor) -> str:
    """Return the sha256 of the whole label vector as little-endian int64."""
    return hashlib.sha256(label.numpy().astype("<i8").tobytes()).hexdigest()


def realised(label: Tensor, given: Tensor, num_classes: int) -> Tensor:
    """Return the shares ``(C, C)`` float64 in which each class got each label.

    A class without examples has a row of the identity.
    """
    pairs = torch.bincount(label * num_classes + given, minlength=num_classes**2)
    table = pairs.view(num_classes, num_classes).double()
    total = table.sum(1, keepdim=True)
    identity = torch.eye(num_classes, dtype=torch.float64)
    return torch.where(total > 0, table / total.clamp(min=1), identity)

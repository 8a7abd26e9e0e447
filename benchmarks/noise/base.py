"""What label noise is: a transition matrix, and one sampler that draws from all of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from benchmarks.seeds import generator
from methods.bounds import Bounded

Counts = Literal["random", "per_class", "per_pair"]


class LabelSpace(NamedTuple):
    """What a noise may know of a dataset."""

    num_classes: int
    size: int  # training examples
    confusions: Mapping[int, int]  # published: a class -> the one it is mistaken for
    resplit: bool = False  # each seed has its own training set


class Given(NamedTuple):
    """Labels as a method sees them, and where they come from."""

    label: Tensor  # (N,) int64
    transition: Tensor  # (C, C) float64, P(given j | true i)


@dataclass(frozen=True)
class Noise(Bounded):
    """A way to draw the given label from the true one.

    ``counts`` says how many labels of a class flip. ``random``: each by itself with the stated
    probability, so the number varies, as in Patrini et al. (2017) and Co-teaching. ``per_class``:
    exactly the stated share of each class, rounded down, as in the robust-loss papers since Ma et
    al. (2020). ``per_pair``: likewise for each pair of true and given class (Ye et al., 2023).
    """

    version: ClassVar[int | str] = 1

    @property
    def nominal_rate(self) -> float | None:
        """The rate in the name of the noise, or None if it has none."""
        return getattr(self, "rate", None)

    def content(self, seed: int) -> str:
        """Return a digest of the file behind the noise of a seed, part of a cell's identity.

        Nothing for a noise without one.

        Raises:
            ValueError: the file cannot be read.
        """
        return ""

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a dataset, or files for these seeds, that do not fit; read before any training.

        Raises:
            ValueError: they do not.
        """

    def matrix(self, space: LabelSpace) -> Tensor:
        """Return the ``(C, C)`` float64 ``T[i, j] = P(given j | true i)``; rows sum to 1."""
        raise NotImplementedError

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> Given:
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
        source = generator("noise", dataset, seed)
        u, v = torch.rand(2, len(label), dtype=torch.float64, generator=source)
        return Given(sample(label, table, u, v, getattr(self, "counts", "random")), table)


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
    edges = row.scatter(1, label[:, None], 0.0).cumsum(1)
    wrong = (edges <= v[:, None] * edges[:, -1:]).sum(1).clamp(max=len(table) - 1)
    if counts == "random":
        return torch.where(u < 1 - row.gather(1, label[:, None]).squeeze(1), wrong, label)
    given = label.clone()
    for true, shares in enumerate(table):
        members = (label == true).nonzero().squeeze(1)
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

"""Label noise: each model is a table of probabilities; one sampler draws from all of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.seeds import generator
from methods import Registry
from methods.bounds import Bounded, Fraction


@dataclass(frozen=True)
class Noise(Bounded):
    """A distribution of the given label for each true class."""

    version: ClassVar[int] = 1

    def matrix(self, num_classes: int, confusions: Mapping[int, int]) -> Tensor:
        """Return the ``(C, C)`` float64 ``T[i, j] = P(given j | true i)``; rows sum to 1.

        Args:
            num_classes: ``C``.
            confusions: the dataset's published map of a class to the one it is mistaken for.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Clean(Noise):
    """The labels as published: the point at rate 0 of every other noise."""

    def matrix(self, num_classes: int, confusions: Mapping[int, int]) -> Tensor:
        """Return the identity."""
        return torch.eye(num_classes, dtype=torch.float64)


@dataclass(frozen=True)
class Symmetric(Noise):
    """With probability ``rate`` the label becomes one of the *other* classes, uniformly.

    So ``rate`` is the expected share of wrong labels. Papers that redraw from all classes, the
    true one included, call the same noise ``rate * C / (C - 1)``.
    """

    rate: Fraction

    def matrix(self, num_classes: int, confusions: Mapping[int, int]) -> Tensor:
        """``1 - rate`` on the diagonal, the rest spread evenly."""
        off = self.rate / (num_classes - 1)
        spread = torch.full((num_classes, num_classes), off, dtype=torch.float64)
        return spread.fill_diagonal_(1 - self.rate)


@dataclass(frozen=True)
class Asymmetric(Noise):
    """With probability ``rate`` the label becomes the class that the true one is mistaken for.

    The map is the dataset's published one, where classes outside it stay clean; a dataset without
    one flips each class to the next, the last to the first.
    """

    rate: Fraction

    def matrix(self, num_classes: int, confusions: Mapping[int, int]) -> Tensor:
        """``1 - rate`` on the diagonal of each class that flips, ``rate`` at its target."""
        pairs = confusions or {i: (i + 1) % num_classes for i in range(num_classes)}
        table = torch.eye(num_classes, dtype=torch.float64)
        for true, given in pairs.items():
            table[true, true] = 1 - self.rate
            table[true, given] = self.rate
        return table


def _canonical(noise: Noise) -> Noise:
    return Clean() if getattr(noise, "rate", None) == 0 else noise


NOISES: Registry[Noise] = Registry(
    "noise", _canonical, clean=Clean, symmetric=Symmetric, asymmetric=Asymmetric
)


def corrupt(label: Tensor, table: Tensor, dataset: str, seed: int) -> Tensor:
    """Draw one given label per example, on the CPU.

    Two uniforms per example come from the stream ``("noise", dataset, seed)``, whatever the noise:
    ``u`` decides whether the label flips (``u < 1 - T[y, y]``), ``v`` chooses among the other
    classes in proportion to the row. So methods share their noise, an example flipped at one rate
    is flipped at every higher one, and under symmetric noise it keeps its wrong label.

    Args:
        label: ``(N,)`` int64 true labels, in the publisher's order.
        table: ``(C, C)`` float64 ``T``.
        dataset: the name in the stream.
        seed: the seed of the cell.

    Returns:
        ``(N,)`` int64.
    """
    u, v = torch.rand(
        2, len(label), dtype=torch.float64, generator=generator("noise", dataset, seed)
    )
    row = table[label]  # (N, C)
    flips = u < 1 - row.gather(1, label[:, None]).squeeze(1)
    others = row.scatter(1, label[:, None], 0.0)
    edges = others.cumsum(1)
    wrong = (edges <= v[:, None] * edges[:, -1:]).sum(1).clamp(max=len(table) - 1)
    return torch.where(flips, wrong, label)


def label_sha256(label: Tensor) -> str:
    """Return the sha256 of the whole label vector as little-endian int64."""
    return hashlib.sha256(label.numpy().astype("<i8").tobytes()).hexdigest()

"""Pairs of methods: how much of their difference is due to seeds, and how much to test images.

Two methods are tested on the same images at every seed, so that seeds and images are crossed. The
difference ``d[s, i]`` at seed ``s`` on image ``i`` is its mean, what the seed adds, what the image
adds, and a rest: a two-way table without repetitions, whose mean squares tell the variance that
each of them gives the mean.
"""

import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.store.aggregates import Group, Row
from benchmarks.store.by_method import ByMethod
from benchmarks.store.part_file import Record
from benchmarks.store.tested import (
    Floats,
    Images,
    Labels,
    apart,
    each_image,
    gaps,
    last_test,
    log_shares,
)

MEANS = ("acc", "nll", "brier")
"""The metrics that are means over images."""
GROUPS = 50
"""The groups of images of which one at a time is left out for the ECE."""


class Tested(NamedTuple):
    """What is kept of a cell until all of its pairs have come."""

    label: Labels  # (N,)
    terms: Mapping[str, Floats]  # by metric; of the ECE its value, too, as first of them
    own_images: bool  # whether each seed is tested on images of its own
    n_train: int | None


Setting = tuple[object, ...]
Cells = dict[int, Tested]
"""The cells of a method in a setting, by seed."""


class Variances(NamedTuple):
    """The variance of a mean difference: due to seeds, to images, to the rest, and in all."""

    seeds: float
    images: float
    rest: float
    both: float


def crossed(table: Floats, of_seeds: Floats) -> Variances:
    """Return the variance of the mean of a table whose rows and columns were both drawn.

    With mean squares ``M`` of ``S`` seeds, ``n`` images and the rest: ``seeds = M_s / S n``,
    ``images = M_i / S n`` and ``rest = M_r / S n``. The first two each contain the rest once, so
    ``both = seeds + images - rest``, and no less than either.
    Source: Owen 2007, Annals of Applied Statistics 1, https://arxiv.org/abs/0709.1779; Searle,
    Casella & McCulloch 1992, Variance Components.

    Args:
        table: ``(S, n)``.
        of_seeds: ``(S,)``, the value of each seed: the means of the rows where the metric is one.
    """
    seeds, images = table.shape
    columns = table.mean(0)
    left = table - table.mean(1, keepdims=True) - columns + table.mean()
    own = float(of_seeds.var(ddof=1)) / seeds
    other = float(columns.var(ddof=1)) / images
    rest = float((left**2).sum()) / ((seeds - 1) * (images - 1)) / table.size
    return Variances(own, other, rest, max(own + other - rest, own, other))


def nested(of_seeds: Floats, ratio: float) -> Variances:
    """Return the variance of a mean over seeds that split one set of images anew.

    Their training and test sets overlap, so the variance over seeds is too small: it is multiplied
    by ``1 + S n_test / n_train``.
    Source: Nadeau & Bengio 2003, Machine Learning 52.

    Args:
        of_seeds: ``(S,)``, the value of each seed.
        ratio: test images for each training image.
    """
    seeds = len(of_seeds)
    own = float(of_seeds.var(ddof=1)) / seeds
    return Variances(own, math.nan, math.nan, own * (1 + seeds * ratio))


def pseudo_values(images: Images) -> Floats:
    """Return the ECE and its pseudo-values ``(1 + GROUPS,)``, each with a group left out.

    ``G ece - (G - 1) ece_g`` for each of ``G`` groups, where ``ece_g`` is that of all other images:
    their mean varies as the ECE does (the delete-group jackknife).
    Source: Shao & Wu 1989, Annals of Statistics 17.
    """
    part = _parts(len(images.acc))
    count = int(part.max(initial=0)) + 1
    own = gaps(images, part, count)  # (G, bins)
    whole = own.sum(0)
    value = np.abs(whole).sum() / len(part)
    others = np.abs(whole - own).sum(1) / (len(part) - np.bincount(part))
    return np.append(value, count * value - (count - 1) * others)


@functools.lru_cache(maxsize=64)
def _parts(images: int) -> NDArray[np.intp]:
    """Return the group of each image, drawn once for all, as images may lie in any order."""
    part = np.arange(images) % min(GROUPS, images)
    return np.random.default_rng(0).permutation(part)


class Pairs(ByMethod[Tested]):
    """The pairs of a method with each of some references, on the same images at the same seeds.

    Records of the references come first.
    """

    def __init__(self, references: Collection[str]) -> None:
        super().__init__()
        self._references = references
        self._kept: dict[Setting, dict[str, Cells]] = {}  # of references

    def keep(self, record: Record) -> Tested:
        """Return what each test image says of a cell, after its last epoch."""
        meta, (logits, label) = record.meta, last_test(record)
        images = each_image(log_shares(logits), label)
        terms = {name: getattr(images, name) for name in MEANS} | {"ece": pseudo_values(images)}
        return Tested(label, terms, meta.own_images, meta.facts.n_train)

    def rows_of(self, group: Group, cells: Cells) -> Iterator[Row]:
        """Yield a row for each reference so far and each metric."""
        *setting, method = group
        others = self._kept.setdefault(tuple(setting), {})
        for reference, theirs in others.items():
            seeds = sorted(cells.keys() & theirs.keys())
            rows = _rows([(cells[seed], theirs[seed]) for seed in seeds])
            yield from ({"reference": reference, **row} for row in rows)
        if method in self._references:
            others[str(method)] = cells


def _rows(pairs: Sequence[tuple[Tested, Tested]]) -> Iterator[Row]:
    """Yield a row for each metric, of one pair of cells for each seed; none below two seeds."""
    if len(pairs) < 2:
        return
    first, overlapping = pairs[0][0], apart(chain.from_iterable(pairs))
    for metric in (*MEANS, "ece"):
        table = np.array([own.terms[metric] - other.terms[metric] for own, other in pairs])
        of_seeds = table.mean(1)
        if metric == "ece":
            of_seeds, table = table[:, 0], table[:, 1:]
        if overlapping:
            ratio = len(first.label) / first.n_train if first.n_train else math.nan
            told, groups = nested(of_seeds, ratio), None
        else:
            told, groups = crossed(table, of_seeds), table.shape[1]
        yield {
            "metric": metric,
            "seeds": len(pairs),
            "images": len(first.label),
            "groups": groups,
            "difference": float(of_seeds.mean()),
            **{f"var_{name}": value for name, value in told._asdict().items()},
        }

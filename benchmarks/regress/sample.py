"""The values of a metric on both sides, as contrasts of cells and of methods over settings."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.regress.moderation import Contrast, Floats, paired, unpaired

Ints = NDArray[np.int64]


class Sample(NamedTuple):
    """A metric of every cell and seed of two runs, the larger the worse, nan where there is none.

    On the same seeds the two sides are pairs; otherwise their columns have nothing in common.
    """

    new: Floats  # (cells, seeds)
    base: Floats  # (cells, seeds), of other seeds where they are no pairs
    method: Ints  # (cells,)
    dataset: Ints  # (cells,); what a seed draws is independent from one to the other
    pairs: bool = True

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Sample":
        """Return some of the cells."""
        new, base = self.new[chosen], self.base[chosen]
        return Sample(new, base, self.method[chosen], self.dataset[chosen], self.pairs)

    def seeds(self) -> NDArray[np.int64]:
        """Return how many seeds each cell has: pairs, or on the side that has fewer."""
        new, base = np.isfinite(self.new), np.isfinite(self.base)
        pairs = (new & base).sum(1)
        return np.asarray(pairs if self.pairs else np.minimum(new.sum(1), base.sum(1)))

    def cells(self) -> Contrast:
        """Return the change of each cell."""
        return self._contrast(self.new, self.base, self.dataset)

    def methods(self) -> tuple[Ints, Contrast]:
        """Return the methods, and the mean change of each over its settings.

        A seed counts where all of a method's settings in a dataset have it, so that no method
        gains by failing where it is hard.
        """
        keys = np.stack([self.method, self.dataset])
        (method, dataset), place, counts = np.unique(
            keys, axis=1, return_inverse=True, return_counts=True
        )
        new, base = (_sums(side, place.ravel(), len(counts)) for side in (self.new, self.base))
        own = self._contrast(new, base, dataset)
        return _joined(own, method, counts)

    def _contrast(self, new: Floats, base: Floats, dataset: Ints) -> Contrast:
        return paired(new - base, dataset) if self.pairs else unpaired(new, base, dataset)


def _sums(values: Floats, place: NDArray[np.intp], count: int) -> Floats:
    """Return the sums of rows that have one place; nan where one of them has no value."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, place, values)
    return sums


def _joined(own: Contrast, method: Ints, settings: Ints) -> tuple[Ints, Contrast]:
    """Return the mean over all settings of each method from its sums over those of each dataset.

    The seeds of every dataset are columns of their own. Formula, of ``D`` datasets that have the
    same seeds: the variance of the mean is the sum of the variances of the ``D`` parts.
    """
    methods, place = np.unique(method, return_inverse=True)
    datasets, group = np.unique(own.group, return_inverse=True)
    parts, total = np.bincount(place), np.bincount(place, settings)
    columns = own.residual.shape[1]
    residual = np.full((len(methods), len(datasets), columns), np.nan)
    share = np.sqrt(parts) / total
    residual[place, group] = own.residual * share[place, None]
    joined = Contrast(
        np.bincount(place, own.change) / total,
        residual.reshape(len(methods), -1),
        np.bincount(place, own.df).astype(np.float64),
        np.bincount(place, own.scale) / parts,
        np.zeros(len(methods), np.int64),
    )
    return methods, joined

"""The labels that came with the images of one's own data."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.noise.base import GivenLabels, LabelSpace, Noise, realised


@dataclass(frozen=True)
class Given(Noise):
    """Train on the labels that came with the images of your own data, mistakes and all.

    Where clean labels lie beside them, it is known which are wrong; where none do, it is not, and
    nothing is said of it.
    """

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a dataset whose only labels are clean."""
        if not space.gives_labels:
            raise ValueError(
                f"the noise given is the labels that come with data of your own, and the labels of "
                f"{space.dataset or 'this dataset'} are clean ones; use clean"
            )

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return the labels that the data give, and their shares by true class where it is known.

        Raises:
            ValueError: the images are not there.
        """
        if space.images is None:
            raise ValueError("Given needs the data")
        if space.images.given is None:
            unknown = torch.full((space.num_classes,) * 2, torch.nan, dtype=torch.float64)
            return GivenLabels(label, unknown)
        given = space.images.given
        return GivenLabels(given, realised(label, given, space.num_classes))

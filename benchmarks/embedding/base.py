"""The interface of a backbone: what turns images into feature vectors."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.bounds import Bounded

Fitted = Mapping[str, Tensor]
"""What a backbone computes from training images once, before it embeds any."""


@dataclass(frozen=True)
class Backbone(Bounded):
    """A fixed map from images to feature vectors, on which a small network is then trained."""

    def features(self, shape: tuple[int, int, int]) -> int:
        """Return how many numbers the vector of an image ``(channels, height, width)`` has.

        Raises:
            ValueError: it takes no such images.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no features")

    def fit(self, image: Tensor, device: torch.device) -> Fitted:
        """Return what is computed from training images: no label comes with them.

        Args:
            image: ``(N, channels, height, width)`` uint8, all training images.
            device: where to compute.
        """
        return {}

    def embed(self, image: Tensor, fitted: Fitted, device: torch.device) -> Tensor:
        """Return the vectors of some images, ``(n, D)`` float32 on the CPU; no other matters.

        Args:
            image: ``(n, channels, height, width)`` uint8.
            fitted: what :meth:`fit` returned.
            device: where to compute.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no embed")

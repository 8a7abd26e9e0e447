"""Training recipes: everything about training that is not the method."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from methods import Registry
from methods.bounds import Between, Bounded, Fraction, NonNegative


@dataclass(frozen=True)
class Recipe(Bounded):
    """How long and how a network is trained; the same for every method that is compared.

    ``crop`` pads by that many zero pixels and crops back at a random place; ``flip`` mirrors half
    the images. ``clip_norm = 0`` does not clip. ``val_fraction`` of the noisy training set is held
    out, with its noisy labels, for the selection ``val``.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 30
    optimizer: Literal["adam", "sgd"] = "sgd"
    lr: NonNegative = 0.2
    momentum: Fraction = 0.9  # read by sgd
    schedule: Literal["constant", "cosine"] = "cosine"
    batch: Annotated[int, Between(2, 1_000_000)] = 128
    weight_decay: NonNegative = 0.0
    clip_norm: NonNegative = 0.0
    crop: Annotated[int, Between(0, 64)] = 0
    flip: bool = False
    val_fraction: Annotated[float, Between(0.0, 0.5)] = 0.0

    version: ClassVar[int] = 1

    def lr_at(self, epoch: int, epochs: int) -> float:
        """Return the learning rate of ``epoch`` (from 0) in a stage of ``epochs``."""
        if self.schedule == "cosine":
            return self.lr * (1 + math.cos(math.pi * epoch / epochs)) / 2
        return self.lr


@dataclass(frozen=True)
class Small(Recipe):
    """For small images and small networks: long enough for hard labels to memorise noise."""

    val_fraction: Annotated[float, Between(0.0, 0.5)] = 0.1


@dataclass(frozen=True)
class RobustLoss(Recipe):
    """The protocol under which robust losses are compared on MNIST, without validation data.

    Reference:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554; weight decay as in the papers that followed it.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 50
    lr: NonNegative = 0.01
    weight_decay: NonNegative = 1e-3
    clip_norm: NonNegative = 5.0


RECIPES: Registry[Recipe] = Registry("recipe", small=Small, robust_loss=RobustLoss)

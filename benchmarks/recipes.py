"""Training recipes: everything about training that is not the method, model or data."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from methods import Registry
from methods.bounds import Added, Between, Bounded, Fraction, NonNegative, Rising

FIRST, PEAK = 0.2, 0.23
"""The schedule triangle: its first rate, and the share of a stage after which it is 1."""


@dataclass(frozen=True)
class Recipe(Bounded):
    """The training of a network, the same for every method that is compared.

    ``schedule`` sets the learning rate of each epoch: constant, cosine to 0, or steps, which
    multiplies it by 0.1 at each of ``drops``. These are shares of the epochs, so '0.6' is epoch 60
    of 100 and a shorter run drops earlier. The schedule triangle sets that of each step: it rises
    from 0.2 to 1 times ``lr`` over the first 23 % of a stage and falls to ``end`` times at its end.
    ``crop`` pads by that many pixels and crops back at a random place; the pixels are zeros or,
    with ``mirror``, the image's own, as a mirror on its border shows them. ``flip`` mirrors half
    the images, drawn anew in each epoch, or with ``alternate`` in the first: then every other epoch
    mirrors the other half. ``rotation`` then turns each by an angle drawn between minus and plus
    that many degrees. Feature vectors are changed only where a method has several views of each,
    which are the same vector otherwise: a view adds Gaussian noise, ``jitter`` times each feature's
    standard deviation over the training part, and a strong view then puts a share ``masked`` of its
    features, others in each, to their mean. ``clip_norm = 0`` does not clip. ``val_fraction`` of
    the noisy training set is held out, with its noisy labels, for the selection ``val``. Images are
    evaluated after every ``evaluate_every``-th epoch and the last one of each stage of the method;
    the weights do not depend on it.

    Source:
        DeVries & Taylor, "Dataset augmentation in feature space", 2017.
        https://arxiv.org/abs/1702.05538 (noise by each feature's deviation). Ucar et al., "SubTab:
        subsetting features of tabular data for self-supervised representation learning", NeurIPS
        2021. https://arxiv.org/abs/2110.04361; its code AstraZeneca/SubTab was read at commit
        596e640, file config/mnist.yaml, which has the noise of 0.1 and the share of 0.3. Yoon et
        al., "VIME: extending the success of self- and semi-supervised learning to tabular domain",
        NeurIPS 2020, corrupt the same share.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 30
    optimizer: Literal["adam", "sgd"] = "sgd"
    lr: NonNegative = 0.2
    momentum: Fraction = 0.9  # read by sgd
    schedule: Literal["constant", "cosine", "steps", "triangle"] = "cosine"
    batch: Annotated[int, Between(2, 1_000_000)] = 128
    weight_decay: NonNegative = 0.0
    clip_norm: NonNegative = 0.0
    crop: Annotated[int, Between(0, 64)] = 0
    flip: bool = False
    val_fraction: Annotated[float, Between(0.0, 0.5)] = 0.0
    rotation: Annotated[float, Between(0.0, 180.0), Added(0.0)] = 0.0
    drops: Annotated[Rising, Added("0.5 0.75")] = "0.5 0.75"  # read by steps
    nesterov: Annotated[bool, Added(neutral=False)] = False  # read by sgd
    evaluate_every: Annotated[int, Between(1, 100_000), Added(1)] = 1  # epochs
    alternate: Annotated[bool, Added(neutral=False)] = False  # read by flip
    mirror: Annotated[bool, Added(neutral=False)] = False  # read by crop
    end: Annotated[Fraction, Added(0.07)] = 0.07  # read by triangle
    jitter: Annotated[NonNegative, Added(0.1)] = 0.1  # read by several views of a vector
    masked: Annotated[Fraction, Added(0.3)] = 0.3  # read by strong views of a vector

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            owner = type(self).__name__
            raise ValueError(f"{owner}.nesterov must be False where {owner}.momentum is 0.0")

    @property
    def augments(self) -> bool:
        """Return whether images are changed at random."""
        return bool(self.crop or self.flip or self.rotation)

    @property
    def moves_each_step(self) -> bool:
        """Return whether the learning rate changes within an epoch."""
        return self.schedule == "triangle"

    def lr_at(self, epoch: float, epochs: int) -> float:
        """Return the learning rate after ``epoch`` of a stage's ``epochs``, whole or not."""
        if self.schedule == "cosine":
            return self.lr * (1 + math.cos(math.pi * epoch / epochs)) / 2
        if self.schedule == "triangle":
            share = epoch / epochs
            if share < PEAK:
                return self.lr * (FIRST + (1 - FIRST) * share / PEAK)
            return self.lr * (1 - (1 - self.end) * (share - PEAK) / (1 - PEAK))
        if self.schedule == "steps":
            passed = sum(epoch >= float(drop) * epochs for drop in self.drops.split())
            return self.lr * 0.1**passed
        return self.lr

    def evaluated(self, stages: Iterable[int]) -> list[bool]:
        """Return of each epoch whether it is evaluated, from how many epochs each stage has.

        >>> Recipe(evaluate_every=3).evaluated([2, 3])
        [False, True, True, False, True]
        """
        shown: list[bool] = []
        for epochs in stages:
            first = len(shown) + 1
            shown += [number % self.evaluate_every == 0 for number in range(first, first + epochs)]
            shown[-1:] = [True] if shown else []
        return shown


@dataclass(frozen=True)
class Small(Recipe):
    """The recipe for small images and networks: long enough for hard labels to memorise noise."""

    val_fraction: Annotated[float, Between(0.0, 0.5)] = 0.1


@dataclass(frozen=True)
class RobustLoss(Recipe):
    """The protocol under which robust losses are compared on MNIST, without validation data.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554; weight decay as in the papers that followed it.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 50
    lr: NonNegative = 0.01
    weight_decay: NonNegative = 1e-3
    clip_norm: NonNegative = 5.0


@dataclass(frozen=True)
class RobustLossCIFAR10(RobustLoss):
    """The protocol under which robust losses are compared on CIFAR-10; the model is ``cifar_cnn``.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554
    """

    epochs: Annotated[int, Between(2, 100_000)] = 120
    weight_decay: NonNegative = 1e-4
    crop: Annotated[int, Between(0, 64)] = 4
    flip: bool = True


@dataclass(frozen=True)
class RobustLossCIFAR100(RobustLossCIFAR10):
    """The protocol under which robust losses are compared on CIFAR-100; the model is ``resnet34``.

    Source:
        Ma et al., "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554
    Differs from the authors' code:
        That draws the weights of the network as ``cifar_cnn`` does, ``resnet34`` as torch does.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 200
    lr: NonNegative = 0.1
    weight_decay: NonNegative = 1e-5
    rotation: Annotated[float, Between(0.0, 180.0), Added(0.0)] = 20.0


@dataclass(frozen=True)
class CIFARN(Recipe):
    """The protocol of the labels that people gave to CIFAR images; the model is ``resnet34``.

    Source:
        Wei et al., "Learning with noisy labels revisited: a study using real-world human
        annotations", ICLR 2022. https://arxiv.org/abs/2110.12088; the authors' code
        UCSC-REAL/cifar-10-100n was read at commit 2ec4a52, file main_min.py.
    Differs from that code:
        It divides the pixels by other standard deviations, and reports the best epoch on the test
        set, which here is the selection ``oracle``. The paper drops the rate at epoch 50, its code
        at 60, as here.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 100
    lr: NonNegative = 0.1
    schedule: Literal["constant", "cosine", "steps", "triangle"] = "steps"
    weight_decay: NonNegative = 5e-4
    crop: Annotated[int, Between(0, 64)] = 4
    flip: bool = True
    drops: Annotated[Rising, Added("0.5 0.75")] = "0.6"


@dataclass(frozen=True)
class AirbenchRecipe(Recipe):
    """The recipe of the speed records on CIFAR-10, of twice the length; the model is ``airbench``.

    Source:
        Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.
        https://arxiv.org/abs/2404.00498; the authors' code KellerJordan/cifar10-airbench was read
        at commit f1c599c, file legacy/airbench94.py, whose rate and decay are for a sum of losses:
        here 11.5 / (1 + 1 / 0.15) and 0.0153 / 11.5.
    Differs from that code:
        Labels are not smoothed, unless the method does, and test images are not augmented: what
        that costs of accuracy, 20 epochs in place of 9.9 make up for. Weights are not averaged, so
        the rate falls to 0, there to 0.07 times the peak. The last, smaller batch of an epoch is
        trained on too.
    """

    epochs: Annotated[int, Between(2, 100_000)] = 20
    lr: NonNegative = 1.5
    momentum: Fraction = 0.85
    schedule: Literal["constant", "cosine", "steps", "triangle"] = "triangle"
    batch: Annotated[int, Between(2, 1_000_000)] = 1024
    weight_decay: NonNegative = 0.00133
    crop: Annotated[int, Between(0, 64)] = 2
    flip: bool = True
    nesterov: Annotated[bool, Added(neutral=False)] = True
    alternate: Annotated[bool, Added(neutral=False)] = True
    mirror: Annotated[bool, Added(neutral=False)] = True
    end: Annotated[Fraction, Added(0.07)] = 0.0
    evaluate_every: Annotated[int, Between(1, 100_000), Added(1)] = 5


RECIPES: Registry[Recipe] = Registry(
    "recipe",
    Recipe,
    small=Small,
    robust_loss=RobustLoss,
    robust_loss_cifar10=RobustLossCIFAR10,
    robust_loss_cifar100=RobustLossCIFAR100,
    cifar_n=CIFARN,
    airbench=AirbenchRecipe,
)

"""Label noise."""

from benchmarks.noise.base import (
    NO_CLASS,
    GivenLabels,
    Images,
    LabelSpace,
    Noise,
    label_sha256,
    realised,
)
from benchmarks.noise.class_conditional import Asymmetric, Clean, PairFlip, Symmetric
from benchmarks.noise.files import Labels, Matrix
from benchmarks.noise.given import Given
from benchmarks.noise.human import CIFAR10N, CIFAR100N, Human
from benchmarks.noise.instance import PDN
from benchmarks.noise.margin import PMD
from benchmarks.noise.matched import Matched
from benchmarks.noise.open_set import Combined, OpenSet
from methods import Registry


def _canonical(noise: Noise) -> Noise:
    return Clean() if noise.nominal_rate == 0 else noise


NOISES: Registry[Noise] = Registry(
    "noise",
    Noise,
    _canonical,
    clean=Clean,
    symmetric=Symmetric,
    asymmetric=Asymmetric,
    pair_flip=PairFlip,
    matrix=Matrix,
    labels=Labels,
    given=Given,
    pdn=PDN,
    pmd=PMD,
    open_set=OpenSet,
    combined=Combined,
    cifar10n=CIFAR10N,
    cifar100n=CIFAR100N,
    matched=Matched,
)

__all__ = [
    "NOISES",
    "NO_CLASS",
    "Clean",
    "Given",
    "GivenLabels",
    "Human",
    "Images",
    "LabelSpace",
    "Labels",
    "Noise",
    "label_sha256",
    "realised",
]

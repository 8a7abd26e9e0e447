"""Kuzushiji-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.datasets.base import Dataset
from benchmarks.datasets.mnist import MNIST


@dataclass(frozen=True)
class KMNIST(MNIST):
    """70,000 scans of cursive Japanese characters in 10 balanced classes; 60,000 for training."""

    folder: ClassVar[str] = "KMNIST"
    mean: ClassVar[tuple[float, ...]] = (0.1918 * 255,)
    std: ClassVar[tuple[float, ...]] = (0.3483 * 255,)
    confusions: ClassVar[Mapping[int, int]] = {}
    sha256: ClassVar[str] = ""

    source: ClassVar[str] = "torchvision.datasets.KMNIST"
    paper: ClassVar[str] = (
        "Clanuwat et al., Deep learning for classical Japanese literature, 2018, "
        "https://arxiv.org/abs/1812.01718"
    )
    licence: ClassVar[str] = "CC BY-SA 4.0"
    classes: ClassVar[tuple[str, ...]] = (
        "o",
        "ki",
        "su",
        "tsu",
        "na",
        "ha",
        "ma",
        "ya",
        "re",
        "wo",
    )
    class_counts: ClassVar[tuple[int, ...]] = ()
    asymmetric: ClassVar[str] = Dataset.asymmetric
    label_errors: ClassVar[str] = Dataset.label_errors
    integrity: ClassVar[str] = (
        "torchvision's md5 of each archive when it is downloaded, then sizes and class counts"
    )
    traps: ClassVar[tuple[str, ...]] = (
        "one class holds several shapes of its character: errors here are not mislabels",
        "flipping left to right makes other characters: augment with crops at most",
        "mean and deviation are those in common use; they were not recomputed here",
    )

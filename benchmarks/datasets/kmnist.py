"""Kuzushiji-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.datasets.base import Card
from benchmarks.datasets.mnist import MNIST

CARD = Card(
    source="torchvision.datasets.KMNIST",
    paper=(
        "Clanuwat et al., Deep learning for classical Japanese literature, 2018, "
        "https://arxiv.org/abs/1812.01718"
    ),
    licence="CC BY-SA 4.0",
    integrity=(
        "torchvision's md5 of each archive when it is downloaded, then sizes and class counts"
    ),
    traps=(
        "one class holds several shapes of its character: errors here are not mislabels",
        "flipping left to right makes other characters: augment with crops at most",
        "mean and deviation are those in common use; they were not recomputed here",
    ),
)


@dataclass(frozen=True)
class KMNIST(MNIST):
    """70,000 scans of cursive Japanese characters in 10 balanced classes; 60,000 for training."""

    folder = "KMNIST"
    mean = (0.1918 * 255,)
    std = (0.3483 * 255,)
    confusions: ClassVar[Mapping[int, int]] = {}
    sha256 = ""
    class_counts = ()
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    card = CARD

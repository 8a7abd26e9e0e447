"""Fashion-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.datasets.mnist import MNIST


@dataclass(frozen=True)
class FashionMNIST(MNIST):
    """70,000 pictures of clothes in 10 balanced classes, in MNIST's format; 60,000 for training."""

    folder: ClassVar[str] = "FashionMNIST"
    mean: ClassVar[tuple[float, ...]] = (0.2860 * 255,)
    std: ClassVar[tuple[float, ...]] = (0.3530 * 255,)
    confusions: ClassVar[Mapping[int, int]] = {2: 6, 3: 4, 4: 3, 7: 5, 9: 7}
    sha256: ClassVar[str] = "ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619"

    source: ClassVar[str] = "torchvision.datasets.FashionMNIST"
    paper: ClassVar[str] = (
        "Xiao et al., Fashion-MNIST: a novel image dataset for benchmarking machine learning "
        "algorithms, 2017, https://arxiv.org/abs/1708.07747"
    )
    licence: ClassVar[str] = "MIT"
    classes: ClassVar[tuple[str, ...]] = (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    )
    class_counts: ClassVar[tuple[int, ...]] = ()
    asymmetric: ClassVar[str] = (
        "Zhang & Sabuncu, NeurIPS 2018, https://arxiv.org/abs/1805.07836; they published no code "
        "to check it against"
    )
    label_errors: ClassVar[str] = "no published estimate known to us"
    traps: ClassVar[tuple[str, ...]] = (
        "shirt, T-shirt, pullover and coat are hard to tell apart even with clean labels",
    )

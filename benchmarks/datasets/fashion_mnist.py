"""Fashion-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.datasets.base import Card
from benchmarks.datasets.mnist import MNIST

CARD = Card(
    source="torchvision.datasets.FashionMNIST",
    paper=(
        "Xiao et al., Fashion-MNIST: a novel image dataset for benchmarking machine learning "
        "algorithms, 2017, https://arxiv.org/abs/1708.07747"
    ),
    licence="MIT",
    asymmetric=(
        "Zhang & Sabuncu, NeurIPS 2018, https://arxiv.org/abs/1805.07836; they published no code "
        "to check it against"
    ),
    label_errors="no published estimate known to us",
    traps=("shirt, T-shirt, pullover and coat are hard to tell apart even with clean labels",),
)


@dataclass(frozen=True)
class FashionMNIST(MNIST):
    """70,000 pictures of clothes in 10 balanced classes, in MNIST's format; 60,000 for training."""

    folder = "FashionMNIST"
    mean = (0.2860 * 255,)
    std = (0.3530 * 255,)
    confusions: ClassVar[Mapping[int, int]] = {2: 6, 3: 4, 4: 3, 7: 5, 9: 7}
    sha256 = "ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619"
    class_counts = ()
    classes = (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    )
    card = CARD

"""MNIST, and the two sets in its format: Fashion-MNIST and Kuzushiji-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.datasets.base import Card, Split
from benchmarks.datasets.downloaded import Downloaded


@dataclass(frozen=True)
class MNIST(Downloaded):
    """70,000 scans of handwritten digits, 28x28 grey pixels; 60,000 for training."""

    folder = "MNIST"
    num_classes = 10
    published = (60_000, 10_000)
    shape = (1, 28, 28)
    mean = (0.1307 * 255,)
    std = (0.3081 * 255,)
    confusions: ClassVar[Mapping[int, int]] = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
    sha256 = "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    class_counts: ClassVar[tuple[int, ...]] = (
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    )
    test_counts: ClassVar[tuple[int, ...]] = (
        *(980, 1135, 1032, 1010, 982),
        *(892, 958, 1028, 974, 1009),
    )
    card = Card(
        source="torchvision.datasets.MNIST",
        paper=(
            "LeCun et al., Gradient-based learning applied to document recognition, Proceedings of "
            "the IEEE, 1998, http://yann.lecun.com/exdb/mnist/"
        ),
        licence="the publisher states none; often said to be CC BY-SA 3.0",
        asymmetric="Patrini et al., CVPR 2017, https://arxiv.org/abs/1609.03683",
        label_errors=(
            "15 of the 10,000 test labels (0.15 %) are wrong by vote of five people, a lower "
            "bound: Northcutt et al., NeurIPS 2021, https://arxiv.org/abs/2103.14749"
        ),
        traps=(
            "papers use weight decay 1e-3 or 1e-2: at high noise their numbers are not comparable",
            "flipping left to right makes other characters: augment with crops at most",
        ),
    )

    def _read(self, root: Path, train: bool, download: bool) -> Split:
        import torchvision  # noqa: PLC0415  slow, and only these datasets need it

        files = getattr(torchvision.datasets, type(self).__name__)(root, train, download=download)
        return Split(files.data.unsqueeze(1), files.targets.long())


@dataclass(frozen=True)
class FashionMNIST(MNIST):
    """70,000 pictures of clothes in 10 balanced classes, in MNIST's format; 60,000 for training."""

    folder = "FashionMNIST"
    mean = (0.2860 * 255,)
    std = (0.3530 * 255,)
    confusions: ClassVar[Mapping[int, int]] = {2: 6, 3: 4, 4: 3, 7: 5, 9: 7}
    sha256 = "ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619"
    class_counts = ()
    test_counts = ()
    classes = (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    )
    card = Card(
        source="torchvision.datasets.FashionMNIST",
        paper=(
            "Xiao et al., Fashion-MNIST: a novel image dataset for benchmarking machine learning "
            "algorithms, 2017, https://arxiv.org/abs/1708.07747"
        ),
        licence="MIT",
        asymmetric=(
            "Zhang & Sabuncu, NeurIPS 2018, https://arxiv.org/abs/1805.07836; they published no "
            "code to check it against"
        ),
        traps=("shirt, T-shirt, pullover and coat are hard to tell apart even with clean labels",),
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
    test_counts = ()
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    card = Card(
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

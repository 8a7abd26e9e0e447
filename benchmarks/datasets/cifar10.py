"""CIFAR-10."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from benchmarks.datasets.base import Card, Split
from benchmarks.datasets.downloaded import Downloaded

CARD = Card(
    source="torchvision.datasets.CIFAR10",
    paper=(
        "Krizhevsky, Learning multiple layers of features from tiny images, 2009, "
        "https://www.cs.toronto.edu/~kriz/cifar.html"
    ),
    licence="the publisher states none, and asks to cite the report",
    asymmetric="Patrini et al., CVPR 2017, https://arxiv.org/abs/1609.03683",
    label_errors=(
        "54 of the 10,000 test labels (0.54 %) are wrong by vote of five people, a lower bound: "
        "Northcutt et al., NeurIPS 2021, https://arxiv.org/abs/2103.14749"
    ),
    integrity=(
        "torchvision's md5 of each file, because reading one can run code, then sha256 of all "
        "pixels and labels"
    ),
    traps=(
        "widely copied code flips cat -> dog, then dog -> cat, and so undoes part of its noise",
        "deviations of (0.2023, 0.1994, 0.2010), common in papers, are means of those of one image",
    ),
)


@dataclass(frozen=True)
class CIFAR10(Downloaded):
    """60,000 small photographs in 10 balanced classes, 32x32 colour pixels; 50,000 for training."""

    folder = "cifar-10-batches-py"
    num_classes = 10
    published = (50_000, 10_000)
    shape = (3, 32, 32)
    mean = (0.4914 * 255, 0.4822 * 255, 0.4465 * 255)
    std = (0.2470 * 255, 0.2435 * 255, 0.2616 * 255)
    confusions: ClassVar[Mapping[int, int]] = {2: 0, 3: 5, 4: 7, 5: 3, 9: 1}
    sha256 = "9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df"
    classes: ClassVar[tuple[str, ...]] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    card = CARD

    def _read(self, root: Path, train: bool, download: bool) -> Split:
        import torchvision  # noqa: PLC0415  slow, and only these datasets need it

        files = getattr(torchvision.datasets, type(self).__name__)(root, train, download=download)
        image = (
            torch.from_numpy(files.data).movedim(-1, 1).contiguous()
        )  # a view of a view: no copy
        return Split(image, torch.tensor(files.targets))

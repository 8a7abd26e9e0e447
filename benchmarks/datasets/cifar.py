"""CIFAR-10 and CIFAR-100."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from benchmarks.datasets.base import Card, Split
from benchmarks.datasets.downloaded import Downloaded


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
    card = Card(
        source="torchvision.datasets.CIFAR10",
        paper=(
            "Krizhevsky, Learning multiple layers of features from tiny images, 2009, "
            "https://www.cs.toronto.edu/~kriz/cifar.html"
        ),
        licence="the publisher states none, and asks to cite the report",
        asymmetric="Patrini et al., CVPR 2017, https://arxiv.org/abs/1609.03683",
        label_errors=(
            "54 of the 10,000 test labels (0.54 %) are wrong by vote of five people, a lower "
            "bound: Northcutt et al., NeurIPS 2021, https://arxiv.org/abs/2103.14749"
        ),
        integrity=(
            "torchvision's md5 of each file, because reading one can run code, then sha256 of all "
            "pixels and labels"
        ),
        traps=(
            "widely copied code flips cat -> dog, then dog -> cat, and so undoes part of its noise",
            (
                "deviations of (0.2023, 0.1994, 0.2010), common in papers, are means of those of "
                "one image"
            ),
        ),
    )

    def _read(self, root: Path, train: bool, download: bool) -> Split:
        import torchvision  # noqa: PLC0415  slow, and only these datasets need it

        files = getattr(torchvision.datasets, type(self).__name__)(root, train, download=download)
        image = (
            torch.from_numpy(files.data).movedim(-1, 1).contiguous()
        )  # a view of a view: no copy
        return Split(image, torch.tensor(files.targets))


SUPERCLASSES: Mapping[str, tuple[str, ...]] = {
    "aquatic mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit and vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household electrical devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large man-made outdoor things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large natural outdoor scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large omnivores and herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium-sized mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles 1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles 2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
"""The publisher's 20 superclasses of 5 classes, in the order of their numbers: alphabetical."""

CLASSES = tuple(sorted(name for names in SUPERCLASSES.values() for name in names))


def _next_of_superclass() -> dict[int, int]:
    """Return the class after each one in its superclass, the first after the last."""
    pairs: dict[int, int] = {}
    for names in SUPERCLASSES.values():
        numbers = sorted(CLASSES.index(name) for name in names)
        pairs |= dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    return dict(sorted(pairs.items()))


@dataclass(frozen=True)
class CIFAR100(CIFAR10):
    """60,000 small photographs in 100 balanced classes, 32x32 colour pixels; 50,000 to train."""

    folder = "cifar-100-python"
    num_classes = 100
    mean = (0.5071 * 255, 0.4865 * 255, 0.4409 * 255)
    std = (0.2673 * 255, 0.2564 * 255, 0.2762 * 255)
    confusions: ClassVar[Mapping[int, int]] = _next_of_superclass()
    sha256 = ""
    classes = CLASSES
    superclasses: ClassVar[Mapping[str, tuple[str, ...]]] = SUPERCLASSES
    card = replace(
        CIFAR10.card,
        source="torchvision.datasets.CIFAR100",
        asymmetric=(
            "the next class of the same superclass, the last to the first: Patrini et al., CVPR "
            "2017, https://arxiv.org/abs/1609.03683"
        ),
        label_errors=(
            "585 of the 10,000 test labels (5.85 %) are wrong by vote of five people, a lower "
            "bound: Northcutt et al., NeurIPS 2021, https://arxiv.org/abs/2103.14749"
        ),
        integrity="torchvision's md5 of each file, then sizes and class counts",
        traps=(
            (
                "most papers flip to the next class within blocks of five numbers, which no "
                "superclass is"
            ),
            "mean and deviations are those in common use; they were not recomputed here",
        ),
    )

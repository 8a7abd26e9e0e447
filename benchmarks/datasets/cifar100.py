"""CIFAR-100."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from benchmarks.datasets.cifar10 import CIFAR10

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


CARD = replace(
    CIFAR10.card,
    source="torchvision.datasets.CIFAR100",
    asymmetric=(
        "the next class of the same superclass, the last to the first: Patrini et al., CVPR 2017, "
        "https://arxiv.org/abs/1609.03683"
    ),
    label_errors=(
        "585 of the 10,000 test labels (5.85 %) are wrong by vote of five people, a lower bound: "
        "Northcutt et al., NeurIPS 2021, https://arxiv.org/abs/2103.14749"
    ),
    integrity="torchvision's md5 of each file, then sizes and class counts",
    traps=(
        "most papers flip to the next class within blocks of five numbers, which no superclass is",
        "mean and deviations are those in common use; they were not recomputed here",
    ),
)


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
    card = CARD

"""Public image datasets with clean labels, data of one's own, and the registry of both."""

from benchmarks.datasets.arrays import Arrays
from benchmarks.datasets.base import ROOT_VARIABLE, Dataset, Split, data_root
from benchmarks.datasets.cifar import CIFAR10, CIFAR100
from benchmarks.datasets.digits import Digits
from benchmarks.datasets.embedded import Embedded
from benchmarks.datasets.features import Features
from benchmarks.datasets.image_files import Folder, TableOfPictures
from benchmarks.datasets.mnist import KMNIST, MNIST, FashionMNIST
from benchmarks.datasets.own import OwnData
from benchmarks.datasets.svhn import SVHN
from methods import Registry

DATASETS: Registry[Dataset] = Registry(
    "dataset",
    Dataset,
    digits=Digits,
    mnist=MNIST,
    fashion_mnist=FashionMNIST,
    kmnist=KMNIST,
    cifar10=CIFAR10,
    cifar100=CIFAR100,
    svhn=SVHN,
    embedded=Embedded,
    arrays=Arrays,
    features=Features,
    folder=Folder,
    table=TableOfPictures,
)


def published() -> tuple[str, ...]:
    """Return the names of the datasets that are the same for everybody, plugins' among them."""
    return tuple(name for name, entry in DATASETS.items() if not issubclass(entry, OwnData))


__all__ = ["DATASETS", "ROOT_VARIABLE", "Dataset", "OwnData", "Split", "data_root", "published"]

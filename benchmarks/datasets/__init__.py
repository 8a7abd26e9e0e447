"""Public image datasets with clean labels, and the registry of them."""

from benchmarks.datasets.base import ROOT_VARIABLE, Dataset, Split, data_root
from benchmarks.datasets.cifar10 import CIFAR10
from benchmarks.datasets.cifar100 import CIFAR100
from benchmarks.datasets.digits import Digits
from benchmarks.datasets.fashion_mnist import FashionMNIST
from benchmarks.datasets.kmnist import KMNIST
from benchmarks.datasets.mnist import MNIST
from benchmarks.datasets.svhn import SVHN
from methods import Registry

DATASETS: Registry[Dataset] = Registry(
    "dataset",
    digits=Digits,
    mnist=MNIST,
    fashion_mnist=FashionMNIST,
    kmnist=KMNIST,
    cifar10=CIFAR10,
    cifar100=CIFAR100,
    svhn=SVHN,
)

__all__ = ["DATASETS", "ROOT_VARIABLE", "Dataset", "Split", "data_root"]

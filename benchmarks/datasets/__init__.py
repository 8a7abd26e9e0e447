"""Datasets."""

from benchmarks.datasets.base import ROOT_VARIABLE, Dataset, Split, data_root
from benchmarks.datasets.digits import Digits
from benchmarks.datasets.fashion_mnist import FashionMNIST
from benchmarks.datasets.mnist import MNIST
from methods import Registry

DATASETS: Registry[Dataset] = Registry(
    "dataset", digits=Digits, mnist=MNIST, fashion_mnist=FashionMNIST
)

__all__ = ["DATASETS", "ROOT_VARIABLE", "Dataset", "Split", "data_root"]

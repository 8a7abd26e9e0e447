"""Digits: the images that ship with scikit-learn."""

import functools
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.datasets.base import Card, Split, digest, stratified
from benchmarks.datasets.chosen import Chosen
from benchmarks.errors import DataMissingError
from benchmarks.seeds import generator


@dataclass(frozen=True)
class Digits(Chosen):
    """1,797 scans of handwritten digits, 8x8 pixels of 17 grey levels: real, small, offline.

    The publisher's test set is what scikit-learn ships, so there is no official split. One split,
    stratified by class, was drawn for all seeds: 1,078 for training and 719 for testing. Their
    ``position`` is the row of ``sklearn.datasets.load_digits()``.
    """

    num_classes = 10
    published = (1078, 719)
    shape = (1, 8, 8)
    white = 16
    mean = (4.884,)
    std = (6.017,)
    version = 2
    sha256 = "c8fe44f19c1fb75cde34504eec338361c0ac25204bde9a25ad8805b91ef88018"
    class_counts = (107, 109, 106, 110, 109, 109, 109, 107, 104, 108)
    test_counts = (71, 73, 71, 73, 72, 73, 72, 72, 70, 72)
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    card = Card(
        source="embedded in scikit-learn",
        paper=(
            "Alpaydin & Kaynak, Optical recognition of handwritten digits, UCI repository, 1998, "
            "https://doi.org/10.24432/C50P49"
        ),
        licence="CC BY 4.0",
        traps=(
            "719 test images: one of them is 0.14 points of accuracy",
            "flipping left to right makes other characters: augment with crops at most",
        ),
    )

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return (train, test), whatever the seed; needs no file."""
        splits = _splits(type(self).published[0], self.shape, self.sha256)
        return self.chosen(*splits, "digits")


@functools.cache
def _splits(size: int, shape: tuple[int, int, int], sha256: str) -> tuple[Split, Split]:
    """Return (train, test) with ``size`` images to train on, read and checked once."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  slow, not always needed

    images, labels = load_digits(return_X_y=True)
    image = torch.from_numpy(images).to(torch.uint8).view(-1, *shape)
    label = torch.from_numpy(labels).long()
    chosen = torch.zeros(len(label), dtype=torch.bool)
    chosen[stratified(label, size, generator("split", "digits"))] = True
    places = (chosen.nonzero().squeeze(1), (~chosen).nonzero().squeeze(1))
    train, test = (Split(image[place], label[place], place) for place in places)
    if (now := digest(train, test)) != sha256:
        raise DataMissingError(
            f"the digits of the installed scikit-learn are damaged: their content has sha256 "
            f"{now[:12]}…, the published one {sha256[:12]}…; install scikit-learn anew"
        )
    return train, test

"""Digits: the images that ship with scikit-learn."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from benchmarks.datasets.base import Card, Dataset, Split
from benchmarks.seeds import integer


@dataclass(frozen=True)
class Digits(Dataset):
    """1,797 scans of handwritten digits, 8x8 pixels of 17 grey levels: real, small, offline.

    The publisher's test set is what scikit-learn ships, so there is no official split. Each seed
    draws its own, stratified by class, 1,078 for training and 719 for testing, the same for every
    method; intervals over seeds therefore cover the choice of split.
    """

    num_classes = 10
    published = (1078, 719)
    shape = (1, 8, 8)
    white = 16
    mean = (4.884,)
    std = (6.017,)
    resplit = True
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    card = Card(
        source="embedded in scikit-learn",
        paper=(
            "Alpaydin & Kaynak, Optical recognition of handwritten digits, UCI repository, 1998, "
            "https://doi.org/10.24432/C50P49"
        ),
        licence="CC BY 4.0",
        integrity="the installed scikit-learn",
        traps=(
            "719 test images: one of them is 0.14 points of accuracy",
            "flipping left to right makes other characters: augment with crops at most",
        ),
    )

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return the (train, test) of this seed; needs no file."""
        from sklearn.model_selection import train_test_split  # noqa: PLC0415  slow, not always needed

        images, labels = _published()
        image = torch.from_numpy(images).to(torch.uint8).view(-1, *self.shape)
        label = torch.from_numpy(labels).long()
        parts = train_test_split(
            torch.arange(len(label)).numpy(),
            test_size=0.4,
            stratify=labels,
            random_state=integer("resplit", "digits", seed) % 2**32,
        )
        train, test = (torch.from_numpy(part).sort().values for part in parts)
        return Split(image[train], label[train]), Split(image[test], label[test])


@functools.cache
def _published() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all images and labels, read once for every seed."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images, labels = load_digits(return_X_y=True)
    return images, labels

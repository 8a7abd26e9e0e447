"""SVHN."""

from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.datasets.base import Card, Split
from benchmarks.datasets.downloaded import Downloaded


@dataclass(frozen=True)
class SVHN(Downloaded):
    """99,289 photographs of house numbers, one digit each, 32x32 colour pixels; 73,257 to train.

    The publisher's further 531,131 easier images (``extra``) are left out, as in most papers.
    """

    folder = "SVHN"
    num_classes = 10
    published = (73_257, 26_032)
    shape = (3, 32, 32)
    mean = (0.4377 * 255, 0.4438 * 255, 0.4728 * 255)
    std = (0.1980 * 255, 0.2010 * 255, 0.1970 * 255)
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    test_counts = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)
    class_counts = (
        *(4948, 13861, 10585, 8497, 7458),
        *(6882, 5727, 5595, 5045, 4659),
    )
    card = Card(
        source="torchvision.datasets.SVHN",
        paper=(
            "Netzer et al., Reading digits in natural images with unsupervised feature learning, "
            "NIPS workshop, 2011, http://ufldl.stanford.edu/housenumbers/"
        ),
        licence="for non-commercial use only, says the publisher",
        integrity="torchvision's md5 of each file, then sizes and class counts",
        traps=(
            "classes are unbalanced: always answering 1 is right on 19.6 % of the test images",
            "flipping left to right makes other characters: augment with crops at most",
            "the publisher stores the digit 0 as 10; here it is 0",
            "mean and deviations are those in common use; they were not recomputed here",
        ),
    )

    def _read(self, root: Path, train: bool, download: bool) -> Split:
        import torchvision  # noqa: PLC0415  slow, and only these datasets need it

        part = "train" if train else "test"
        files = torchvision.datasets.SVHN(root / self.folder, part, download=download)
        return Split(torch.from_numpy(files.data).contiguous(), torch.from_numpy(files.labels))

"""Every test image by itself: what a network, or an ensemble of them, says of it."""

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.schema import BINS_COUNT, GRID
from benchmarks.store.part_file import Record

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Logits = NDArray[np.floating[Any]]


class Images(NamedTuple):
    """The terms of the means over images, and what the ECE needs of each image."""

    acc: Floats  # (N,), 0 or 1
    nll: Floats
    brier: Floats
    confidence: Floats


class Cell(Protocol):
    """What is kept of a cell that was tested."""

    @property
    def label(self) -> Labels:
        """The class of each image, ``(N,)``."""

    @property
    def own_images(self) -> bool:
        """Whether each seed is tested on images of its own."""


def last_test(record: Record) -> tuple[Logits, Labels]:
    """Return the test logits ``(N, C)`` of a finished cell after its last epoch, and the labels."""
    logits = record.arrays["logits"][record.meta.selections.index("last")]
    return logits, record.arrays["label"].astype(np.int64)


def apart(cells: Iterable[Cell]) -> bool:
    """Tell whether cells were not all tested on the same images."""
    every = list(cells)
    first = every[0].label
    return any(cell.own_images or not np.array_equal(cell.label, first) for cell in every)


def log_shares(logits: Logits) -> Floats:
    """Return the logarithms of the softmax."""
    below = logits - logits.max(-1, keepdims=True).astype(np.float64)
    return np.asarray(below - np.log(np.exp(below).sum(-1, keepdims=True)))


def each_image(log_share: Floats, label: Labels) -> Images:
    """Return the terms of each image, by the definitions of ``metrics.test_metrics``."""
    share = np.exp(log_share)
    place = np.arange(len(label))
    confidence = np.round(share.max(-1) * GRID) / GRID
    brier = (share**2).sum(-1) + 1 - 2 * share[place, label]
    correct = (log_share.argmax(-1) == label).astype(np.float64)
    return Images(correct, -log_share[place, label], brier, confidence)


@functools.cache
def _edges() -> Floats:
    return np.round(np.arange(1, BINS_COUNT) / BINS_COUNT * GRID) / GRID


def gaps(images: Images, part: NDArray[np.intp], parts: int) -> Floats:
    """Return ``(parts, bins)`` sums of confidence less accuracy over parts of the images.

    Args:
        images: of a cell.
        part: ``(N,)``, the part that each image belongs to.
        parts: how many there are.
    """
    bin_of = np.searchsorted(_edges(), images.confidence)  # right-closed
    place = part * BINS_COUNT + bin_of
    sums = np.bincount(place, images.confidence - images.acc, parts * BINS_COUNT)
    return np.asarray(sums.reshape(parts, BINS_COUNT))


def ece(images: Images) -> float:
    """Return the expected calibration error."""
    whole = gaps(images, np.zeros(len(images.acc), np.intp), 1)
    return float(np.abs(whole).sum() / len(images.acc))

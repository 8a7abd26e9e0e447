"""The data of a cell: images on the device, given labels, held-out labels, and what is told."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.datasets import DATASETS
from benchmarks.datasets.content import load
from benchmarks.engine.gathered import Images, held
from benchmarks.noise import NO_CLASS, NOISES
from benchmarks.schema import UNKNOWN_CLASS
from benchmarks.seeds import generator, seeded
from benchmarks.sweep import Cell, corrupted
from methods import METHODS, State, Task
from methods.base import TrustedLabels

FEW_PIXELS = 2**20
"""So many pixels of training images stay normalised where nothing augments them."""

MOMENTS_AT_ONCE = 2**12
"""The vectors whose moments are summed at once."""


class Examples(NamedTuple):
    """Images and their labels: the test set of a cell."""

    image: Images  # (M, channels, H, W) uint8 or float
    label: Tensor  # (M,) int64


class CellData(NamedTuple):
    """The data of one cell, for its device. Only ``noisy`` reaches any method."""

    train: Images  # (N, channels, H, W) uint8 or float, publisher's order, without validation
    noisy: Tensor  # (N,) int64, given labels
    clean: Tensor  # (N,) int64, for metrics only; NO_CLASS where no class is right, or
    # UNKNOWN_CLASS where nobody knows which
    position: Tensor  # (N,) int64, places in the training set that was loaded
    val: Images  # (V, channels, H, W) uint8 or float
    val_noisy: Tensor  # (V,) int64, given labels
    val_clean: Tensor  # (V,) int64, for metrics only
    test: Examples
    mean: Tensor  # (channels, 1, 1)
    std: Tensor
    num_classes: int
    noise_sha256: str  # of the given labels of the whole training set, and of foreign images
    noise_rate: float  # share of wrong labels in it, NaN where it is not known
    transition: Tensor  # (C, C), P(given j | true i), likewise
    trusted: Tensor  # (M,) int64, places in train of the examples whose clean label is given
    side: Tensor | None = None  # (N, C), class probabilities of another model, where there are any
    moments: Tensor | None = None  # (2, D, 1, 1), each feature's mean and deviation over train,
    # where views of vectors are made with them

    def feature_moments(self) -> Tensor:
        """Return each feature's mean and deviation.

        Raises:
            ValueError: no view is made with them.
        """
        if self.moments is None:
            raise ValueError("views of these images need no moments of features")
        return self.moments

    def pixels(self, image: Tensor) -> Tensor:
        """Return normalised floating-point images, of bytes or of such; feature vectors are."""
        if image.is_floating_point():
            return image.to(self.mean.dtype)
        return (image.to(self.mean.dtype) - self.mean) / self.std

    def normalised_once(self) -> "CellData":
        """Return the same with training images that are normalised once, if they are few."""
        few = self.train.numel() <= FEW_PIXELS
        return self._replace(train=self.pixels(self.train[:])) if few else self


def load_cell_data(cell: Cell, root: Path, device: torch.device) -> CellData:
    """Return the data of a cell: its noise, its validation split, its test set.

    Noise is drawn on the whole training set, then the validation images are cut off, so a recipe
    with validation sees the same labels as one without.
    """
    train, test = load(cell.dataset, root, cell.seed, cell.data.partition("+")[0])
    name = DATASETS.name(cell.dataset)
    given = corrupted(cell.dataset, cell.noise, cell.seed, train, root)
    noisy, clean, image = given.label, given.true(train.label), given.images(train.image)
    transition = given.transition
    if cell.dataset.truth == "unknown":
        clean = clean.masked_fill(clean != NO_CLASS, UNKNOWN_CLASS)
        transition = torch.full_like(transition, torch.nan)
    shuffled = torch.randperm(len(noisy), generator=generator("split", name, cell.seed))
    shuffled = shuffled[noisy[shuffled] != NO_CLASS]  # the others are left out
    known = (noisy != NO_CLASS) & (clean != UNKNOWN_CLASS)
    held_out = round(cell.recipe.val_fraction * len(shuffled))
    val, index = shuffled[:held_out].sort().values, shuffled[held_out:].sort().values
    sets = (test.image, None), (image, val), (image, index)
    of_test, of_val, of_train = held(sets, device)
    mean, std = (torch.tensor(v)[:, None, None] for v in cell.dataset.normalisation(root))
    moments = _moments(image, index).to(device, mean.dtype) if cell.changes_vectors else None
    return CellData(
        train=of_train,
        noisy=noisy[index].to(device),
        clean=clean[index].to(device),
        position=index,
        val=of_val,
        val_noisy=noisy[val].to(device),
        val_clean=clean[val].to(device),
        test=Examples(of_test, test.label.to(device)),
        mean=mean.to(device),
        std=std.to(device),
        num_classes=cell.dataset.num_classes,
        noise_sha256=given.sha256(),
        noise_rate=(noisy != clean)[known].double().mean().item(),
        transition=transition.to(device=device, dtype=torch.get_default_dtype()),
        trusted=_trusted(cell, clean[index]).to(device),
        side=None if train.side is None else train.side[index].to(device),
        moments=moments,
    )


def _moments(vector: Tensor, place: Tensor) -> Tensor:
    """Return the mean and the deviation of each feature over some vectors, ``(2, D, 1, 1)``."""
    total = torch.zeros(2, *vector.shape[1:], dtype=torch.float64)
    for some in place.split(MOMENTS_AT_ONCE):
        own = vector[some].double()
        total += torch.stack([own.sum(0), own.square().sum(0)])
    mean, square = total / len(place)
    return torch.stack([mean, (square - mean.square()).clamp(min=0).sqrt()])


def initial_state(cell: Cell, data: CellData) -> State:
    """Return the method's state before the first step."""
    with seeded("method", DATASETS.name(cell.dataset), cell.seed, "init"):
        return cell.method.init(task_of(cell, data))


def task_of(cell: Cell, data: CellData) -> Task:
    """Return what the method may know: what is no given label only by declared privilege."""
    privileges = cell.method.privileges
    trusted = TrustedLabels(data.trusted, data.clean[data.trusted])
    return Task(
        data.noisy,
        data.num_classes,
        cell.recipe.epochs,
        rate=data.noise_rate if "rate" in privileges else None,
        transition=data.transition if "T" in privileges else None,
        trusted=trusted if "clean_subset" in privileges else None,
        side=data.side if "side" in privileges else None,
    )


def _trusted(cell: Cell, clean: Tensor) -> Tensor:
    """Choose the clean subset that the method is privileged to see, the same of every class.

    Raises:
        ValueError: the method learns from one, and no image is of any class.
    """
    wanted = cell.method.trusted_per_class
    salt = ("trusted", DATASETS.name(cell.dataset), cell.seed)
    shuffled = torch.randperm(len(clean), generator=generator(*salt))
    classes = range(cell.dataset.num_classes)
    chosen = [shuffled[clean[shuffled] == k][:wanted] for k in classes if wanted]
    trusted = torch.cat(chosen).sort().values if chosen else torch.empty(0, dtype=torch.long)
    if wanted and not len(trusted):
        raise ValueError(
            f"{METHODS.spec(cell.method)} learns from training images of a known class, and under "
            f"{NOISES.spec(cell.noise)} none has one"
        )
    return trusted

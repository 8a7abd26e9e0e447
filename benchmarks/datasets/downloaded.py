"""Datasets that torchvision downloads and reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from benchmarks.commands import command_line
from benchmarks.datasets.base import Split, digest, stratified
from benchmarks.datasets.chosen import Chosen
from benchmarks.errors import DataMissingError
from benchmarks.inputs import DAMAGES
from benchmarks.outputs import refuse_unwritable
from benchmarks.seeds import generator
from methods.bounds import Added, Between, Field

Kept = Annotated[int, Between(0, 1_000_000), Added(0)]


@dataclass(frozen=True)
class Downloaded(Chosen):
    """A dataset of published files with a published split.

    ``classes`` keeps some of the classes, and of these ``train`` and ``test`` keep that many
    images, for a quick look; 0 keeps all. Classes keep their shares, and a smaller choice is part
    of every larger one. Which images are kept does not depend on the seed of a cell, so cells of
    all seeds train on the same ones.
    """

    train: Kept = 0
    test: Kept = 0

    folder: ClassVar[str]  # under the data root

    @classmethod
    def fields(cls) -> Iterator[Field]:
        """Yield what each field may hold: at most what was published."""
        published = dict(zip(("train", "test"), cls.published, strict=True))
        for field in super().fields():
            most = published.get(field.name)
            yield field if most is None else field._replace(interval=Between(0, most))

    def __post_init__(self) -> None:
        """Refuse to keep more images than there are of the classes.

        Raises:
            ValueError: there are fewer, or a class is unknown, or a part of a tail is asked for.
        """
        super().__post_init__()
        for name, there in zip(("train", "test"), self.published, strict=True):
            if (wanted := getattr(self, name)) > there:
                owner = f"{type(self).__name__}.{name}"
                raise ValueError(
                    f"{owner} must be at most {there}, which there are of these classes, got "
                    f"{wanted}"
                )
        if self.train and self.imbalance > 1:
            raise ValueError(
                f"{type(self).__name__}.train must be 0 where imbalance says how many images of "
                f"each class stay, got {self.train}"
            )

    @property
    def sizes(self) -> tuple[int, int]:
        """Training and test images that :meth:`load` returns."""
        return self.train or self.published[0], self.test or self.published[1]

    def is_there(self, root: Path) -> bool:
        """Tell whether there is a file in the folder of the dataset."""
        return any((root / self.folder).glob("*"))

    def fetch(self, root: Path) -> None:
        """Download the publisher's files unless they are there, and check them."""
        self._checked(root, download=True)

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return the publisher's (train, test), or the part of them that is to be kept."""
        train, test = self.chosen(*self._checked(root, download=False), self.folder)
        return self._kept(train, self.train, "train"), self._kept(test, self.test, "test")

    def _checked(self, root: Path, *, download: bool) -> tuple[Split, Split]:
        """Return (train, test) if their content is the published one."""
        place = root / self.folder
        try:
            train, test = (self._read(root, train, download) for train in (True, False))
        except (*DAMAGES, AssertionError, LookupError) as error:  # whatever torchvision meets
            if download:
                refuse_unwritable(place, error)
            reason = " ".join(str(error).partition("You can use")[0].split()).rstrip(".")
            get = command_line("data", "get", self._name(), "--data", root)
            advice = (
                "try again where there is a network, or name a folder that has the publisher's "
                "files by --data"
                if download
                else f"fetch it with `{get}`, or name its folder by --data"
            )
            tried = "and could not download it " if download else ""
            raise DataMissingError(
                f"{type(self).__name__} is not available: looked in {place} {tried}"
                f"({reason or 'no file'}); {advice}"
            ) from error
        if fault := self._fault(train, test):
            raise DataMissingError(
                f"the files in {place} are damaged: {fault}; delete that folder and fetch them anew"
            )
        return train, test

    def _name(self) -> str:
        """Return the name in the registry."""
        from benchmarks.datasets import DATASETS  # noqa: PLC0415  which imports this module

        return DATASETS.name(self)

    def _read(self, root: Path, train: bool, download: bool) -> Split:
        """Let torchvision read one split, without a copy of the pixels where its layout allows."""
        raise NotImplementedError

    def _fault(self, train: Split, test: Split) -> str:
        """Say how the content differs from the published one; "" if it does not.

        Where no sha256 is on record it is the number of images, their shape, and the classes.
        """
        if self.sha256:
            sha256 = digest(train, test)
            fault = (
                f"their content has sha256 {sha256[:12]}…, the published one {self.sha256[:12]}…"
            )
            return "" if sha256 == self.sha256 else fault
        whole = type(self)
        alike = [whole.published[0] // whole.num_classes] * whole.num_classes
        counts = list(whole.class_counts) or alike
        wanted = [(size, *self.shape) for size in whole.published]
        if [tuple(split.image.shape) for split in (train, test)] != wanted:
            return f"they hold images of {tuple(train.image.shape)}, the published ones {wanted[0]}"
        if len(test.label) != len(test.image) or int(test.label.max()) >= whole.num_classes:
            return "their test labels are not one of each image, or of other classes"
        if train.label.bincount(minlength=whole.num_classes).tolist() != counts:
            return "they hold other numbers of images of a class than the published ones"
        return ""

    def _kept(self, split: Split, count: int, part: str) -> Split:
        """Return the images of a split that are to be kept; ``part`` names it in the stream."""
        if not count:
            return split
        kept = stratified(split.label, count, generator("subset", self.folder, part))
        position = kept if split.position is None else split.position[kept]
        return Split(split.image[kept], split.label[kept], position)

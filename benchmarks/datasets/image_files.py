"""Pictures of one's own: a folder for each class, or a table of paths and labels."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets.decoded import FaultyPicturesError, Pictures, decoded, digests
from benchmarks.datasets.own import (
    Labelled,
    OwnData,
    Share,
    coded,
    drawn_test,
    edition,
    refuse,
    refuse_empty,
)
from benchmarks.inputs import InputError, Table, is_regular, read_table
from benchmarks.inputs.images import ENDINGS, Fit
from methods.bounds import Between, FilePath

Size = Annotated[int, Between(4, 1024)]
PARTS = ("train", "test")


class Row(NamedTuple):
    """A picture, as a folder or a table names it."""

    path: str  # relative to the folder of the pictures
    place: str  # where it is named
    given: str
    clean: str = ""
    part: str = ""  # train, test, or not said


class Wanted(NamedTuple):
    """What is to become of the pictures of a dataset: fields that a spec may set."""

    test: float
    size: int
    fit: Fit


class Listing(NamedTuple):
    """The pictures of a dataset, and what is said of each."""

    rows: tuple[Row, ...]
    labelled: Labelled


@dataclass(frozen=True)
class PictureFiles(OwnData):
    """Files of pictures of any size, decoded once and kept as squares of one size."""

    def source(self) -> Path:
        """Return the file or folder that names the pictures."""
        raise NotImplementedError(f"{type(self).__name__} defines no source")

    def wanted(self) -> Wanted:
        """Return the share that is drawn for testing, and how pictures are brought to one shape."""
        return Wanted(*(getattr(self, name) for name in Wanted._fields))

    def rows(self) -> tuple[Path, Sequence[Row]]:
        """Return the folder of the pictures, and all of them.

        Raises:
            InputError: they are not all there, or are named in a way that cannot be right.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no rows")

    def labelled(self) -> Labelled:
        """Return what is said of the pictures."""
        return _listing(self, self.edition())[1].labelled

    def content(self, root: Path) -> str:
        """Return the digest of the bytes of all files, and of what is said of each."""
        folder, listing = _listing(self, self.edition())
        own = listing.labelled
        told = [own.classes, own.label.tolist(), own.given.tolist(), own.is_test.tolist()]
        in_map = digests(self._pictures(folder, listing), root)
        held = [in_map[place] for place in _mapped(own).argsort()]
        return hashlib.sha256(json.dumps([told, held]).encode()).hexdigest()

    def fetch(self, root: Path) -> None:
        """Decode the pictures, unless they are."""
        self._decoded(root)

    def images(self, root: Path) -> tuple[Tensor, Tensor]:
        """Return training and test images, decoded where they are not."""
        image, size = self._decoded(root), self.sizes[0]
        return image[:size], image[size:]

    def is_there(self, root: Path) -> bool:
        """Tell whether there is what names the pictures."""
        return self.source().exists()

    def _pictures(self, folder: Path, listing: Listing) -> Pictures:
        paths = tuple(listing.rows[place].path for place in _mapped(listing.labelled))
        return Pictures(folder, paths, *self.wanted()[1:])

    def _decoded(self, root: Path) -> Tensor:
        folder, listing = _listing(self, self.edition())
        try:
            return decoded(self._pictures(folder, listing), root, self.source().name)
        except FaultyPicturesError as error:
            places = _mapped(listing.labelled)
            faults = sorted((places[number], reason) for number, reason in error.faults)
            rows = listing.rows
            refuse(self.source(), [(rows[place].path, reason) for place, reason in faults])
            raise


def _mapped(own: Labelled) -> NDArray[np.int64]:
    """Return the places of the examples in the order of their map, ``(N,)``: training ones first.

    So both sets are parts of the map, and none is copied out of it.
    """
    return own.is_test.argsort(kind="stable")


@dataclass(frozen=True)
class Folder(PictureFiles):
    """Pictures of your own in folders named after their classes, or in one, with a table of labels.

    ``path`` has a folder for each class; or the folders ``train`` and ``test`` with these; or
    pictures of which the CSV ``labels`` says what they are, as in ``table``. Where nothing says
    which pictures test, ``test`` is the share that is drawn, the same for all seeds and so that
    classes keep their shares. Other files than pictures, and hidden ones, are left alone.

    Pictures become ``size`` x ``size`` pixels in red, green and blue: ``fit`` says whether what is
    longer is cut at both ends (``crop``) or sides are scaled apart (``squash``).
    """

    path: Annotated[str, FilePath(folder=True)]
    labels: Annotated[str, FilePath()] = ""
    test: Share = 0.0
    size: Size = 32
    fit: Fit = "crop"

    def source(self) -> Path:
        """Return the table, or else the folder."""
        return Path(self.labels or self.path)

    def edition(self) -> object:
        """Return the state of the table, or of the folder and those in it."""
        if self.labels:
            return edition(Path(self.labels))
        return tuple(edition(folder) for folder in (Path(self.path), *_folders(Path(self.path))))

    def rows(self) -> tuple[Path, Sequence[Row]]:
        """Return the pictures of the table, or those of the folders in order."""
        path = Path(self.path)
        if self.labels:
            return path, _table(read_table(self.labels), path, "label")
        if not path.is_dir():
            raise InputError(path, "a folder of pictures is needed, and there is none")
        inside = _folders(path)
        if not inside:
            raise InputError(
                path, "a folder for each class is needed, or labels='labels.csv' beside it"
            )
        has_parts = not self.test and {folder.name for folder in inside} == set(PARTS)
        parts = [path / part for part in PARTS] if has_parts else [path]
        rows = [
            Row(str(file.relative_to(path)), "", kind.name, "", part.name if has_parts else "")
            for part in parts
            for kind in _folders(part)
            for file in _files(kind)
        ]
        empty = [
            (str(kind.relative_to(path)), "the folder has no picture")
            for part in parts
            for kind in _folders(part)
            if not any(True for _ in _files(kind))
        ]
        refuse(path, empty)
        return path, rows


@dataclass(frozen=True)
class TableOfPictures(PictureFiles):
    """Pictures of your own, named in a CSV with the columns ``path`` and ``label``.

    Paths are relative to ``root``, the folder of the CSV where it is left out. A column
    ``clean_label`` has the true labels, which nothing but metrics and the noise ``clean`` sees; a
    column ``split`` says ``train`` or ``test``, and without one ``test`` is the share that is
    drawn. Of several columns of labels, by as many people, ``label`` names the one to train on.
    Pictures are brought to one shape as by ``folder``.
    """

    file: Annotated[str, FilePath()]
    root: Annotated[str, FilePath(folder=True)] = ""
    label: str = "label"
    test: Share = 0.0
    size: Size = 32
    fit: Fit = "crop"

    def source(self) -> Path:
        """Return the table."""
        return Path(self.file)

    def edition(self) -> object:
        """Return the state of the table."""
        return edition(Path(self.file))

    def rows(self) -> tuple[Path, Sequence[Row]]:
        """Return the rows of the table."""
        folder = Path(self.root) if self.root else Path(self.file).parent
        return folder, _table(read_table(self.file), folder, self.label)


def _folders(path: Path) -> list[Path]:
    """Return the folders in one, by name, without hidden ones."""
    try:
        inside = [Path(each) for each in os.scandir(path) if each.is_dir()]
    except OSError:
        return []
    return sorted(each for each in inside if not each.name.startswith("."))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the pictures in a folder and below it, in order."""
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file():
            yield file


def _table(table: Table, root: Path, label: str) -> list[Row]:
    """Return the rows of a table, every one of which names a picture below ``root``."""
    path = Path(table.path)
    for name in ("path", label):
        if name not in table.header:
            have = ", ".join(table.header)
            raise InputError(path, f"a column {name!r} is needed; it has {have}", "line 1")
    known = {"given": label, "path": "path"}
    known |= {n: c for n, c in (("clean", "clean_label"), ("part", "split")) if c in table.header}
    columns = {name: [text.strip() for text in table.column(c)] for name, c in known.items()}
    rows, faults, seen = [], [], dict[Path, int]()
    whole = root.resolve()
    for number, line in enumerate(table.lines):
        own = {name: values[number] for name, values in columns.items()}
        row = Row(**own, place=f"line {line}")
        rows.append(row)
        file = (whole / row.path).resolve()
        first = seen.setdefault(file, line)
        if not row.path:
            faults.append((row.place, "has no path"))
        elif not file.is_relative_to(whole):
            faults.append((row.place, f"{row.path} leads out of {root}"))
        elif first != line:
            faults.append((row.place, f"{row.path} is named in line {first}"))
        elif not is_regular(file):
            faults.append((row.place, f"there is no file {row.path}"))
        elif not all(own.values()):
            blank = next(known[name] for name in own if not own[name])
            hint = "; all rows have one, or none has" if blank in {"clean_label", "split"} else ""
            faults.append((row.place, f"has no {blank}{hint}"))
        elif "part" in own and row.part not in PARTS:
            faults.append((row.place, f"{row.part!r} is no split; it is train or test"))
    refuse(path, faults)
    return rows


@functools.lru_cache(maxsize=8)
def _listing(dataset: PictureFiles, _edition: object) -> tuple[Path, Listing]:
    folder, found = dataset.rows()
    source, (share, size, _) = dataset.source(), dataset.wanted()
    rows = sorted(found, key=lambda row: row.part == "test")  # training images first
    if not rows:
        raise InputError(source, "it has no pictures")
    if rows[0].part and share:
        raise InputError(source, f"it says which pictures test, so leave out test={share:g}")
    if not rows[0].part and not share:
        name = type(dataset).__name__
        raise InputError(
            source,
            f"nothing says which pictures test; {name}.test is the share to draw, as in test=0.2",
        )
    columns = {"label": [row.given for row in rows]}
    if rows[0].clean:
        columns["clean_label"] = [row.clean for row in rows]
    classes, numbers = coded(source, columns, ())
    position = np.arange(len(rows))
    given, clean = numbers["label"], numbers.get("clean_label")
    own = Labelled(classes, (3, size, size), given, clean, position < 0, position)
    is_test = np.array([row.part == "test" for row in rows])
    own = own._replace(is_test=is_test if rows[0].part else drawn_test(own.label, share))
    refuse_empty(source, own)
    return folder, Listing(tuple(rows), own)

"""Pictures of any size, decoded once into a map on disk, in pieces that a killed run keeps."""

import hashlib
import json
import math
import multiprocessing
import os
import shutil
import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import filelock
import msgspec
import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import processes
from benchmarks.inputs import InputError, decode_json, read_bytes
from benchmarks.inputs.arrays import map_array
from benchmarks.inputs.images import Fit, read_pictures
from benchmarks.outputs import make_folder, write_atomically, writing
from benchmarks.streams import tell_progress

FOLDER = "decoded"
"""The folder of maps, in that of the image files."""
ABOUT, IMAGES = "about.json", "images.npy"
TOGETHER = 64
"""Pictures that a process decodes at a time."""
NOTED = 16
"""So many times these are noted together: what a killed run loses at most."""
FEW = 512
"""So many pictures are decoded without starting processes."""


class Pictures(NamedTuple):
    """Picture files, and how they are brought to one shape."""

    root: Path
    paths: tuple[str, ...]  # relative to it
    size: int
    fit: Fit

    def folder(self, data: Path) -> Path:
        """Return where their map is, below the folder of image files.

        Its name follows from path, size and time of every file: where one was written to, all are
        decoded again.

        Raises:
            InputError: a file is not there.
        """
        key = hashlib.sha256(f"{self.root.resolve()} {self.size} {self.fit}".encode())
        for path in self.paths:
            try:
                now = (self.root / path).stat()
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                raise InputError(self.root / path, reason) from error
            key.update(json.dumps([path, now.st_size, now.st_mtime_ns]).encode())
        return data / FOLDER / key.hexdigest()[:16]


class About(msgspec.Struct, forbid_unknown_fields=True):
    """What a map holds; written last, so that it stands for all of it."""

    sha256: list[str]  # of each file, in order


class FaultyPicturesError(Exception):
    """Pictures that cannot be decoded."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__(faults)
        self.faults = faults  # the number of each picture, and what is wrong with it


def digests(pictures: Pictures, data: Path) -> list[str]:
    """Return the sha256 of each file: as it was decoded, or of what it holds where none was.

    Raises:
        InputError: a file cannot be read, or the map is damaged.
    """
    about = _about(pictures.folder(data) / ABOUT)
    if about is not None:
        return about.sha256
    return [hashlib.sha256(read_bytes(pictures.root / path)).hexdigest() for path in pictures.paths]


def decoded(pictures: Pictures, data: Path, name: str) -> Tensor:
    """Return the pixels ``(N, 3, size, size)`` of pictures, mapped into memory.

    Args:
        pictures: which ones.
        data: the folder of image files, in which maps are kept.
        name: what is said to be decoded.

    Raises:
        FaultyPicturesError: some cannot be decoded; nothing is kept.
        InputError: the map is damaged.
        WritingError: it cannot be written.
    """
    folder = pictures.folder(data)
    if _about(folder / ABOUT) is None:
        make_folder(folder.parent)
        with writing(folder), filelock.FileLock(folder.with_suffix(".lock")):
            if _about(folder / ABOUT) is None:
                _decode(pictures, folder, name)
    image = map_array(folder / IMAGES)
    wanted = (len(pictures.paths), 3, pictures.size, pictures.size)
    if image.shape != wanted or image.dtype != np.uint8:
        raise InputError(folder, "is damaged: remove it, and pictures are decoded anew")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an array that cannot be written to
        return torch.from_numpy(image)


def _about(path: Path) -> About | None:
    return decode_json(read_bytes(path), About, path) if path.is_file() else None


class _Piece(NamedTuple):
    """Pictures that follow each other and are noted together, once they are on the disk."""

    start: int
    paths: Sequence[str]
    note: Path  # the digests of their files

    def chunks(self) -> Iterator[Sequence[str]]:
        """Yield the pictures that a process decodes at a time."""
        return (self.paths[at : at + TOGETHER] for at in range(0, len(self.paths), TOGETHER))


def _decode(pictures: Pictures, folder: Path, name: str) -> None:
    """Decode pictures into a folder that then takes its place, but for those that are in it."""
    scratch = folder.with_suffix(".new")  # what a killed run may have left
    if not (scratch / IMAGES).is_file():
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
    pieces, known, faults = _pieces(pictures, scratch), list[str](), list[tuple[int, str]]()
    missing = [some for piece in pieces if not piece.note.is_file() for some in piece.chunks()]
    shape = (len(pictures.paths), 3, pictures.size, pictures.size)
    begun = any(piece.note.is_file() for piece in pieces)
    offset = open_memmap(scratch / IMAGES, "r+" if begun else "w+", np.uint8, shape).offset
    with (scratch / IMAGES).open("r+b") as file, closing(_decoded(pictures, missing)) as found:
        for piece in pieces:
            noted = _about(piece.note)
            file.seek(offset + piece.start * math.prod(shape[1:]))
            for _ in piece.chunks() if noted is None else ():
                pixel, sha256, wrong = next(found)
                file.write(pixel.data)
                faults += [(len(known) + number, reason) for number, reason in wrong]
                known += sha256
                tell_progress("decoded", len(known), shape[0], f"pictures of {name}")
            if noted is not None:
                known += noted.sha256
            elif not faults:
                file.flush()
                os.fsync(file.fileno())
                write_atomically(piece.note, msgspec.json.encode(About(known[piece.start :])))
    if faults:
        shutil.rmtree(scratch, ignore_errors=True)
        raise FaultyPicturesError(faults)
    write_atomically(scratch / ABOUT, msgspec.json.encode(About(known)))
    shutil.rmtree(folder, ignore_errors=True)  # an incomplete one
    scratch.replace(folder)
    for piece in pieces:
        (folder / piece.note.name).unlink()


def _pieces(pictures: Pictures, folder: Path) -> list[_Piece]:
    """Return all pictures in pieces, whose notes are in a folder."""
    size, paths = TOGETHER * NOTED, pictures.paths
    return [
        _Piece(at, some := paths[at : at + size], folder / f"{at}-{at + len(some)}.json")
        for at in range(0, len(paths), size)
    ]


def _decoded(
    pictures: Pictures, some: Sequence[Sequence[str]]
) -> Generator[tuple[NDArray[np.uint8], list[str], list[tuple[int, str]]]]:
    """Yield what is decoded of some pictures after others, by all cores where there are many."""
    root, _, size, fit = pictures
    if sum(map(len, some)) <= FEW or multiprocessing.parent_process() is not None:
        yield from (read_pictures(str(root), each, size, fit) for each in some)
        return
    context = processes.worker_context(("benchmarks.inputs.images",))
    with ProcessPoolExecutor(processes.choose_workers().number, context) as pool:
        same = (repeat(each) for each in (size, fit))
        yield from pool.map(read_pictures, repeat(str(root)), some, *same)

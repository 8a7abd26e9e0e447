"""Pictures of any size, decoded once into a map of bytes on disk: complete, or not there."""

import hashlib
import json
import multiprocessing
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import filelock
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import processes
from benchmarks.inputs import InputError, decode_json, read_bytes
from benchmarks.inputs.arrays import map_array
from benchmarks.inputs.images import Fit, read_pictures
from benchmarks.outputs import make_folder, write_atomically, writing

FOLDER = "decoded"
"""The folder of maps, in that of the image files."""
ABOUT, IMAGES = "about.json", "images.npy"
TOGETHER = 64
"""Pictures that a process decodes at a time."""
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
    about = _about(pictures.folder(data))
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
    if _about(folder) is None:
        make_folder(folder.parent)
        with writing(folder), filelock.FileLock(folder.with_suffix(".lock")):
            if _about(folder) is None:
                _decode(pictures, folder, name)
    image = map_array(folder / IMAGES)
    wanted = (len(pictures.paths), 3, pictures.size, pictures.size)
    if image.shape != wanted or image.dtype != np.uint8:
        raise InputError(folder, "is damaged: remove it, and pictures are decoded anew")
    return torch.from_numpy(image)


def _about(folder: Path) -> About | None:
    path = folder / ABOUT
    return decode_json(read_bytes(path), About, path) if path.is_file() else None


def _decode(pictures: Pictures, folder: Path, name: str) -> None:
    """Decode all pictures into a folder that then takes its place, or none of them."""
    scratch = folder.with_suffix(".new")  # what a killed run may have left
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    shape = (len(pictures.paths), 3, pictures.size, pictures.size)
    image = np.lib.format.open_memmap(scratch / IMAGES, "w+", np.uint8, shape)
    known: list[str] = []
    faults: list[tuple[int, str]] = []
    try:
        for pixel, sha256, wrong in _chunks(pictures):
            image[len(known) : len(known) + len(pixel)] = pixel
            faults += [(len(known) + number, reason) for number, reason in wrong]
            known += sha256
            _tell(len(known), len(pictures.paths), name)
        image.flush()
        if faults:
            raise FaultyPicturesError(faults)
        write_atomically(scratch / ABOUT, msgspec.json.encode(About(known)))
        shutil.rmtree(folder, ignore_errors=True)  # an incomplete one
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _chunks(
    pictures: Pictures,
) -> Iterator[tuple[NDArray[np.uint8], list[str], list[tuple[int, str]]]]:
    """Yield what is decoded of some pictures after others, by all cores where there are many."""
    root, paths, size, fit = pictures
    some = [list(paths[at : at + TOGETHER]) for at in range(0, len(paths), TOGETHER)]
    if len(paths) <= FEW or multiprocessing.parent_process() is not None:
        yield from (read_pictures(str(root), each, size, fit) for each in some)
        return
    context = processes.worker_context(("benchmarks.inputs.images",))
    with ProcessPoolExecutor(processes.choose_workers().number, context) as pool:
        same = (repeat(each) for each in (size, fit))
        yield from pool.map(read_pictures, repeat(str(root)), some, *same)


def _tell(done: int, total: int, name: str) -> None:
    """Say how many pictures have been decoded."""
    if done == total or sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rdecoded {done:,} of {total:,} pictures of {name}", end=end, file=sys.stderr)

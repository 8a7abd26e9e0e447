"""Feature vectors on disk: computed in pieces that a killed run keeps, complete or not there."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.embedding.base import Backbone
from benchmarks.inputs import (
    InputError,
    decode_json,
    open_arrays,
    read_arrays,
    read_bytes,
    sha256_of,
)
from benchmarks.outputs import make_folder, write_atomically, writing
from benchmarks.streams import tell_progress

ABOUT, VECTORS, FITTED = "about.json", "vectors.npz", "fitted.npz"

CHUNK = 2_000
"""Images whose vectors are written together: what a killed run loses at most."""

LEAST = 1e-12
"""The smallest number by which vectors are divided: where all are alike, they are 0."""

Arrays = Mapping[str, NDArray[Any]]


class About(msgspec.Struct, forbid_unknown_fields=True):
    """What a folder of feature vectors holds; written last, so that it stands for all of it."""

    dataset: str
    backbone: str
    features: int
    sha256: str  # of the file of vectors


class Part(NamedTuple):
    """The images of a training or a test set, and their labels."""

    image: Tensor  # (N, channels, height, width) uint8
    label: Tensor  # (N,) int64
    position: Tensor | None  # (N,) int64, places in what was published; None: all, in order


def read_about(folder: Path) -> About | None:
    """Return what a folder holds; None where it is not complete, or not there.

    Raises:
        InputError: the record is damaged.
    """
    path = folder / ABOUT
    return decode_json(read_bytes(path), About, path) if path.is_file() else None


def read_vectors(folder: Path, about: About) -> Arrays:
    """Return the arrays of a complete folder: vectors and labels.

    Raises:
        InputError: they are damaged, or are no longer those of the record.
    """
    path = folder / VECTORS
    if not path.is_file() or sha256_of(path) != about.sha256:
        raise InputError(path, f"is damaged: remove {folder}, and it is computed anew")
    with open_arrays(path) as file:
        return {name: file.read(name) for name in file.names}


def compute(folder: Path, about: About, backbone: Backbone, train: Part, test: Part) -> None:
    """Compute the vectors of all images, unless the folder has them.

    Vectors are shifted by the mean of the training ones and divided by one number, the root of
    their mean variance: so features keep their weights beside each other. Test images take no part
    in it.

    Args:
        folder: where they are kept; a run that was killed is gone on with.
        about: what they are of.
        backbone: what computes them.
        train: the training images.
        test: the test images.

    Raises:
        WritingError: they cannot be written.
    """
    make_folder(folder)
    with writing(folder), filelock.FileLock(folder / ".lock"):
        if read_about(folder):
            return
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        fitted = _fitted(folder / FITTED, backbone, train.image, device)
        raw = np.concatenate(list(_chunks(folder, about, backbone, fitted, (train, test), device)))
        size = len(train.image)
        raw -= raw[:size].mean(0, dtype=np.float64).astype(np.float32)
        spread = np.sqrt(np.square(raw[:size]).mean(dtype=np.float64))
        raw /= np.float32(max(spread, LEAST))
        arrays = {"train": raw[:size], "test": raw[size:]}
        for name, part in (("train", train), ("test", test)):
            arrays[f"{name}_label"] = part.label.numpy()
            if part.position is not None:
                arrays[f"{name}_position"] = part.position.numpy()
        data = _bytes_of(arrays)
        write_atomically(folder / VECTORS, data)
        about.sha256 = hashlib.sha256(data).hexdigest()
        write_atomically(folder / ABOUT, msgspec.json.encode(about))
        for path in (folder / FITTED, *folder.glob("chunk-*.npz")):
            path.unlink(missing_ok=True)


def _fitted(
    path: Path, backbone: Backbone, image: Tensor, device: torch.device
) -> dict[str, Tensor]:
    """Return what the backbone computes from training images, read where a run has left it."""
    if not path.is_file():
        fitted = backbone.fit(image, device)
        write_atomically(path, _bytes_of({name: each.numpy() for name, each in fitted.items()}))
    with open_arrays(path) as file:
        return {name: torch.from_numpy(file.read(name)) for name in file.names}


def _chunks(  # noqa: PLR0913, PLR0917  of one function, in pieces
    folder: Path,
    about: About,
    backbone: Backbone,
    fitted: dict[str, Tensor],
    parts: tuple[Part, Part],
    device: torch.device,
) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors ``(n, features)`` of some images after others, and keep them."""
    every = [chunk for part in parts for chunk in part.image.split(CHUNK)]
    total, done = sum(map(len, every)), 0
    for number, image in enumerate(every):
        path = folder / f"chunk-{number:05}.npz"
        if not path.is_file():
            vectors = backbone.embed(image, fitted, device).numpy()
            write_atomically(path, _bytes_of({"": vectors}))
        (found,) = read_arrays(path).values()
        yield found
        done += len(image)
        tell_progress("embedded", done, total, f"images of {about.dataset}")


def _bytes_of(arrays: Arrays) -> bytes:
    """Return arrays as the bytes of an ``.npz`` file, the same for the same arrays."""
    block = io.BytesIO()
    np.savez(block, **arrays)  # type: ignore[arg-type]  # numpy's stubs
    return block.getvalue()

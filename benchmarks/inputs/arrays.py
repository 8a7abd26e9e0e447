"""Arrays in ``.npy`` and ``.npz`` files: what a header claims is checked before memory is taken."""

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.error import InputError
from benchmarks.inputs.regular import FILE_BYTES, read_bytes, size

ARRAY_BYTES = FILE_BYTES
"""The size of all arrays of a file together."""
MEMBERS = 10_000
HEADER_BYTES = 10_000
"""As numpy: a longer header may take for ever to parse."""

DAMAGES = (
    *(ValueError, TypeError, KeyError, OverflowError, EOFError, OSError, NotImplementedError),
    *(RuntimeError, RecursionError, MemoryError, SyntaxError, tokenize.TokenError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""What decoders raise on damaged bytes."""


def read_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.npy`` or ``.npz`` file by name; of a ``.npy`` file as ``""``.

    What the file is decides, not how it is called. Arrays may have any type that needs no pickle,
    and are no larger than ``ARRAY_BYTES`` together.

    Raises:
        InputError: the file cannot be read, is neither, is damaged, claims more than it holds or
            than is read, or holds Python objects.
    """
    return arrays_of(read_bytes(path), path)


def arrays_of(data: bytes, where: Path | str) -> dict[str, NDArray[Any]]:
    """Return the arrays in the bytes of a file, as :func:`read_arrays` does."""
    if not data:
        raise InputError(where, "is empty")
    if data.startswith(b"PK"):
        return _archive(data, where)
    return {"": _array(data, where, "")}


def _archive(data: bytes, where: Path | str) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _refuse_large(members, where)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in arrays:
                    raise InputError(where, f"has two arrays {name!r}")
                arrays[name] = _array(_unpacked(archive, member), where, name)
    except DAMAGES as error:
        raise InputError(where, f"is damaged: {error or type(error).__name__}") from error
    return arrays


def _refuse_large(members: list[zipfile.ZipInfo], where: Path | str) -> None:
    claimed = sum(member.file_size for member in members)
    if len(members) > MEMBERS or claimed > ARRAY_BYTES:
        raise InputError(
            where,
            f"at most {MEMBERS:,} arrays of {size(ARRAY_BYTES)} together are read, this one has "
            f"{len(members):,} of {claimed:,} bytes",
        )


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member, no more than the directory says, after checking them."""
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise NotImplementedError(f"compression {member.compress_type} is not one of numpy's")
    with archive.open(member) as stream:
        return stream.read()


def _array(data: bytes, where: Path | str, name: str) -> NDArray[Any]:
    """Return the array whose ``.npy`` file this is, in memory of its own."""
    place = f"array {name!r}" if name else ""
    block = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of headers that Python 2 wrote
            shape, fortran, dtype = _header(block)
    except DAMAGES as error:
        raise InputError(where, f"is no array of numpy: {error}", place) from error
    if dtype.hasobject:
        raise InputError(where, "holds Python objects, which are not read", place)
    if any(type(extent) is not int or extent < 0 for extent in shape):
        raise InputError(where, f"has an array of the impossible shape {shape}", place)
    begin, count = block.tell(), math.prod(shape)
    claimed, held = count * dtype.itemsize, len(data) - begin
    if claimed != held or count > ARRAY_BYTES:
        raise InputError(
            where,
            f"claims an array of {claimed:,} bytes, shape {shape}, and holds {held:,} bytes of it",
            place,
        )
    view = np.ndarray(shape, dtype, data, begin, order="F" if fortran else "C")
    return view.copy(order="C")


def _header(block: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(block)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(block, max_header_size=HEADER_BYTES)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(block, max_header_size=HEADER_BYTES)
    if version == (3, 0):  # as 2.0, with names of fields in UTF-8, which numpy keeps to itself
        raise ValueError("version 3.0 of the .npy format, for names beyond ASCII, is not read")
    raise ValueError(f"version {version} of the .npy format is unknown")

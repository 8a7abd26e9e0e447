"""Arrays in ``.npy`` and ``.npz`` files: what a header claims is checked before memory is taken."""

import contextlib
import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.error import InputError
from benchmarks.inputs.regular import FILE_BYTES, open_regular, read_bytes, size

ARRAY_BYTES = FILE_BYTES
"""The size of all arrays of a file together."""
DATA_BYTES = 2**35
"""Likewise of a file of data: images, features and their labels."""
MEMBERS = 10_000
AT_ONCE = 2**24
"""Bytes that are copied at a time."""
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
    file = ArrayFile(io.BytesIO(data), where, ARRAY_BYTES)
    return {name: file.read(name) for name in file.names}


@contextlib.contextmanager
def open_arrays(path: Path | str) -> Iterator["ArrayFile"]:
    """Open a ``.npy`` or ``.npz`` file of data, of which single arrays are read as they are needed.

    Raises:
        InputError: as :func:`read_arrays`; arrays may have ``DATA_BYTES`` together.
    """
    with open_regular(path) as stream:
        yield ArrayFile(stream, path, DATA_BYTES)


def map_array(path: Path | str) -> NDArray[Any]:
    """Map the array of a ``.npy`` file of ours into memory, of which nothing is read at once.

    It may be larger than the memory, and cannot be written to: Linux grants no private copy of what
    it could not hold.

    Raises:
        InputError: it cannot be read, is damaged, or is too short for what it claims.
    """
    with open_regular(path):
        pass
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except DAMAGES as error:
        raise InputError(path, f"is damaged: {error}") from error


class ArrayFile:
    """The arrays of an open ``.npy`` or ``.npz`` file, one of which is read at a time.

    Attributes:
        names: of the arrays; that of a ``.npy`` file is ``""``.
    """

    def __init__(self, stream: BinaryIO, where: Path | str, limit: int) -> None:
        """Read the directory of the file, whose arrays have at most ``limit`` bytes together.

        Raises:
            InputError: it is damaged, has two arrays of one name, or claims more.
        """
        self._stream, self._where = stream, where
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        stream.seek(0, io.SEEK_END)
        self._length = stream.tell()
        stream.seek(0)
        self.names: tuple[str, ...] = ("",)
        magic = stream.read(6)
        if not magic.startswith(b"PK"):
            if magic != b"\x93NUMPY":
                said = f"it begins with {magic!r}, as neither a .npy nor a .npz file does"
                raise InputError(where, f"is no array of numpy: {said}" if magic else "is empty")
            return
        with self._damages():
            self._archive = zipfile.ZipFile(stream)
            members = self._archive.infolist()
            _refuse_large(members, where, limit)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in self._members:
                    raise InputError(where, f"has two arrays {name!r}")
                self._members[name] = member
        self.names = tuple(self._members)

    def kind(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and the type of an array, of which only the header is read.

        Raises:
            InputError: it is no array, holds Python objects, or claims more than is there.
        """
        with self._opened(name) as (stream, length):
            shape, _, dtype = self._checked(stream, length, name)
            return shape, dtype

    def read(self, name: str) -> NDArray[Any]:
        """Return an array, in memory of its own.

        Raises:
            InputError: as :meth:`kind`; or its bytes are damaged.
        """
        with self._opened(name) as (stream, length):
            shape, fortran, dtype = self._checked(stream, length, name)
            array = np.empty(shape, dtype, order="F" if fortran else "C")
            if array.nbytes:
                flat = (array.T if fortran else array).reshape(-1).view(np.uint8)
                _fill(flat, stream)
            stream.read(1)  # at its end an archive compares checksums
            return np.asarray(array, order="C")

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """Open an array at its header, with the number of bytes that it has."""
        with self._damages():
            if self._archive is None:
                self._stream.seek(0)
                yield self._stream, self._length
                return
            member = self._members[name]
            if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                kind = f"compression {member.compress_type}"
                raise NotImplementedError(f"{kind} is not one of numpy's")
            with self._archive.open(member) as stream:
                yield stream, member.file_size

    @contextlib.contextmanager
    def _damages(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except DAMAGES as error:
            raise InputError(self._where, f"is damaged: {error or type(error).__name__}") from error

    def _checked(
        self, stream: IO[bytes], length: int, name: str
    ) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        """Return shape, order and type of an array that has as many bytes as it claims."""
        place = f"array {name!r}" if name else ""
        block = _Counted(stream)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of headers that Python 2 wrote
                shape, fortran, dtype = _header(cast("BinaryIO", block))
        except (zlib.error, zipfile.BadZipFile):
            raise  # of the archive
        except DAMAGES as error:
            raise InputError(self._where, f"is no array of numpy: {error}", place) from error
        if dtype.hasobject:
            raise InputError(self._where, "holds Python objects, which are not read", place)
        if any(type(extent) is not int or extent < 0 for extent in shape):
            reason = f"has an array of the impossible shape {shape}"
            raise InputError(self._where, reason, place)
        claimed, held = math.prod(shape) * dtype.itemsize, length - block.count
        if claimed != held or math.prod(shape) > DATA_BYTES:
            raise InputError(
                self._where,
                f"claims an array of {claimed:,} bytes, shape {shape}, and holds {held:,} bytes "
                "of it",
                place,
            )
        return shape, fortran, dtype


def _fill(block: NDArray[np.uint8], stream: IO[bytes]) -> None:
    """Read as many bytes as there are places for."""
    filled = 0
    while filled < len(block):
        part = stream.read(min(AT_ONCE, len(block) - filled))
        if not part:
            raise EOFError("it ends too soon")
        block[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)


class _Counted:
    """A stream of which the bytes that are read are counted."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.count = stream, 0

    def read(self, count: int = -1) -> bytes:
        data = self._stream.read(count)
        self.count += len(data)
        return data


def _refuse_large(members: list[zipfile.ZipInfo], where: Path | str, limit: int) -> None:
    claimed = sum(member.file_size for member in members)
    if len(members) > MEMBERS or claimed > limit:
        raise InputError(
            where,
            f"at most {MEMBERS:,} arrays of {size(limit)} together are read, this one has "
            f"{len(members):,} of {claimed:,} bytes",
        )


def _header(block: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(block)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(block, max_header_size=HEADER_BYTES)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(block, max_header_size=HEADER_BYTES)
    if version == (3, 0):  # as 2.0, with names of fields in UTF-8, which numpy keeps to itself
        raise ValueError("version 3.0 of the .npy format, for names beyond ASCII, is not read")
    raise ValueError(f"version {version} of the .npy format is unknown")

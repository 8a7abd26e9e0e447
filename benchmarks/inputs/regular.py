"""Bytes and text of regular files, bounded in size."""

import codecs
import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from benchmarks.inputs.error import InputError

MIB = 2**20
FILE_BYTES = 256 * MIB
"""The size of any file, unless its reader states another."""
TEXT_BYTES = 64 * MIB
"""The size of a file of text: a label, an index and a file name for a million images."""

ZIP = b"PK\x03\x04"
"""The first bytes of a zip archive."""

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_bytes(path: Path | str, limit: int = FILE_BYTES) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file; a link to one is followed.
        limit: the most bytes that it may have.

    Raises:
        InputError: it cannot be read, is a pipe, device or directory, or is larger.
    """
    with open_regular(path) as file:
        held = os.fstat(file.fileno()).st_size  # of a file of the system's, 0 whatever it holds
        data = file.read(held or limit + 1) if held <= limit else None  # which takes so much memory
    if data is None or len(data) > limit:
        raise InputError(path, f"a file of at most {size(limit)} is read, and this one is larger")
    return data


@contextlib.contextmanager
def open_regular(path: Path | str) -> Iterator[BufferedReader]:
    """Open a regular file of any size.

    Raises:
        InputError: it cannot be read, or is a pipe, device or directory.
    """
    try:
        kind = stat.S_IFMT(Path(path).stat().st_mode)  # first: opening a pipe waits
        if kind != stat.S_IFREG:
            what = KINDS.get(kind, "something else")
            raise InputError(path, f"a regular file is needed, and this is {what}")
    except ValueError as error:  # a zero byte in its name
        raise InputError(repr(str(path)), f"cannot be read: {error}") from error
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from error
    try:
        with Path(path).open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from error


def is_regular(path: Path) -> bool:
    """Say whether a path leads to a regular file; one that no file can have does not."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # too long a name among them, or a zero byte in it
        return False


def sha256_of(path: Path | str) -> str:
    """Return the sha256 of a regular file of any size, in hexadecimal.

    Raises:
        InputError: as :func:`open_regular`.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path | str, limit: int = TEXT_BYTES) -> str:
    """Return the text of a regular file, which must be UTF-8, without a byte order mark.

    Raises:
        InputError: it cannot be read, is too large, or is no UTF-8.
    """
    return text_of(read_bytes(path, limit), path)


def text_of(data: bytes, where: Path | str) -> str:
    """Return bytes that must be UTF-8 as text, without a byte order mark."""
    if data.startswith(ZIP):
        raise InputError(where, "is a zip archive, as Excel's files are; save its table as CSV")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        found = "this is UTF-16" if is_wide else f"the byte 0x{data[error.start]:02x} is none"
        reason = f"text must be UTF-8, and {found}"
        raise InputError(where, reason, f"line {line}") from error


def size(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> size(64 * 2**20), size(1000)
    ('64 MiB', '1,000 bytes')
    """
    return f"{count / MIB:g} MiB" if count >= MIB else f"{count:,} bytes"

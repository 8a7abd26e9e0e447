"""Files that a field of a noise names: their digest, their numbers, and whose fault they are."""

import contextlib
import functools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import InputError, arrays_of, read_bytes, records_of, sha256_of, text_of

REAL = re.compile(r"[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?")
SETTLED_NS = 2 * 10**9
"""The age, in nanoseconds, at which the time of a file tells whether it was written to again."""
SHOWN = 40
"""Characters of a value that a sentence shows."""

_digests: dict[Path, tuple[tuple[int, int, int], str]] = {}  # with the state of each file then


@contextlib.contextmanager
def told_by(owner: str) -> Iterator[None]:
    """Name the field, ``Labels.file``, in front of what is said of its file.

    Raises:
        ValueError: an ``InputError`` was raised within.
    """
    try:
        yield
    except InputError as error:
        raise ValueError(f"{owner}: {error}") from error


def digest(path: Path, owner: str) -> str:
    """Return the digest of a file that is part of a cell's identity.

    Thousands of cells may ask for one, which is read again once it was written to.

    Raises:
        ValueError: it cannot be read.
    """
    with told_by(owner):
        try:
            now = path.stat()
        except (OSError, ValueError):
            return _digest(path)  # and say why it cannot be read
        state = (now.st_ino, now.st_size, now.st_mtime_ns)
        if path not in _digests or _digests[path][0] != state:
            _digests[path] = (state, _digest(path))
            if time.time_ns() - now.st_mtime_ns < SETTLED_NS:
                return _digests.pop(path)[1]
        return _digests[path][1]


def _digest(path: Path) -> str:
    return sha256_of(path)[:12]


def read_numbers(path: Path, owner: str) -> NDArray[np.float64]:
    """Return the numbers of a file: the one array of a ``.npy`` or ``.npz``, or a text's rows.

    Text is UTF-8 with a row a line and commas or blanks between the numbers; lines that begin with
    ``#`` are comments.

    Raises:
        ValueError: it cannot be read, or holds something else.
    """
    with told_by(owner):
        return _parsed(read_bytes(path), path)


@functools.lru_cache(maxsize=4)
def _parsed(data: bytes, path: Path) -> NDArray[np.float64]:
    """Return the numbers; the cells of one file ask for them each."""
    if not holds_arrays(data, path):
        return np.array(list(_rows(without_comments(text_of(data, path)), path)), np.float64)
    arrays = list(arrays_of(data, path).values())
    if len(arrays) != 1:
        raise InputError(path, f"one array is needed, and it has {len(arrays)}")
    if arrays[0].dtype.kind not in "iuf":
        raise InputError(path, f"numbers are needed, not an array of the type {arrays[0].dtype}")
    return arrays[0].astype(np.float64)


def holds_arrays(data: bytes, path: Path) -> bool:
    """Tell whether a file is one of arrays and not text, by what it holds, then by its name."""
    if data.startswith(b"\x93NUMPY"):
        return True
    return path.suffix.lower() in {".npy", ".npz"} and not _is_text(data)


def _is_text(data: bytes) -> bool:
    try:
        return bool(data.decode()) and b"\0" not in data
    except UnicodeDecodeError:
        return False


def _rows(text: str, path: Path) -> Iterator[list[float]]:
    """Yield the numbers of each line, as many as the first line has."""
    width = 0
    for line, fields in records_of(text, path):
        words = [word.strip(" \t") for word in (fields if len(fields) > 1 else fields[0].split())]
        if words[0].startswith("#"):
            continue
        if wrong := [word for word in words if not REAL.fullmatch(word)]:
            hint = "" if width else "; leave out names above the numbers and before them"
            if ";" in wrong[0]:
                hint = "; commas or blanks part numbers, and a point their decimals"
            raise InputError(path, f"{shown(wrong[0])} is no number{hint}", f"line {line}")
        width = width or len(words)
        if len(words) != width:
            raise InputError(
                path, f"a row of {len(words)} numbers where the first has {width}", f"line {line}"
            )
        yield list(map(float, words))


def without_comments(text: str) -> str:
    """Blank the lines before the first value that begin with ``#``, so that lines keep numbers."""
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if line.startswith("#"):
            lines[place] = ""
        elif line.strip():
            break
    return "\n".join(lines)


def shown(value: object) -> str:
    """Return a value as a sentence shows it, bounded in length.

    >>> shown("cat"), shown(2.5), shown(7)
    ("'cat'", '2.5', '7')
    """
    text = f"{value:g}" if isinstance(value, float) else str(value)
    short = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return repr(short) if isinstance(value, str) else short

"""Read what ``numpy.savez`` wrote: every member checked, thousands a second.

``numpy.load`` parses an archive's directory, and each array's header, anew for every array; a sweep
has hundreds of thousands of arrays, of a few shapes.
"""

import functools
import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAMAGES = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a damaged file raises."""

_LOCAL = struct.Struct("<4s22xHH")  # magic; lengths of the name and of what follows it


def members(path: Path) -> dict[str, memoryview]:
    """Return the bytes of every array of an uncompressed archive, after checking all of them.

    Raises:
        OSError: it cannot be read.
        zipfile.BadZipFile: it is damaged.
    """
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return dict(_checked(info, memoryview(data)) for info in archive.infolist())


def _checked(info: zipfile.ZipInfo, data: memoryview) -> tuple[str, memoryview]:
    magic, name, extra = b"", 0, 0
    if info.header_offset + _LOCAL.size <= len(data):
        magic, name, extra = _LOCAL.unpack_from(data, info.header_offset)
    begin = info.header_offset + _LOCAL.size + name + extra
    body = data[begin : begin + info.file_size]
    whole = magic == b"PK\x03\x04" and len(body) == info.file_size and not info.compress_type
    if not whole or zlib.crc32(body) != info.CRC:
        raise zipfile.BadZipFile(f"bad member {info.filename}")
    return info.filename.removesuffix(".npy"), body


def array(body: memoryview) -> NDArray[Any]:
    """Return the array whose ``.npy`` file this is.

    Raises:
        ValueError: it is none, or holds Python objects.
    """
    size = 10 + int.from_bytes(body[8:10], "little")
    shape, fortran, dtype = _header(bytes(body[:size]))
    if dtype.hasobject or len(body) - size != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array of a part holds other bytes than its header says")
    return np.ndarray(shape, dtype, body, size, order="F" if fortran else "C").copy()


@functools.lru_cache(maxsize=4096)
def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    block = io.BytesIO(head)
    if np.lib.format.read_magic(block) != (1, 0):
        raise ValueError("an array of a part is of another version of the .npy format")
    return np.lib.format.read_array_header_1_0(block)

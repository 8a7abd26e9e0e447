"""The file of a part: an uncompressed ``.npz`` archive that ``numpy.load`` reads.

Its member ``meta`` is the JSON text of what is known of each cell. The arrays lie in structured
arrays ``cells.0``, ``cells.1``, ...: a row for each cell, a field ``cell_id`` and one for each of
its arrays, so that a pack of any size is a few members. Cells whose arrays differ in name, shape or
type lie in different ones, and cells without arrays in none.
"""

import functools
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Collection, Container, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.outputs import make_folder, write_atomically

DAMAGES = (OSError, ValueError, KeyError, RuntimeError, struct.error, zipfile.BadZipFile)
"""The errors that reading a damaged file raises."""


class Record(NamedTuple):
    """The results of one cell: JSON-able facts, and the arrays that ``results/README.md`` lists."""

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def cell_id(self) -> str:
        """Return the id of the cell."""
        return str(self.meta["keys"]["cell_id"])


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write a part with these records, whole or not at all.

    Raises:
        ValueError: an array holds Python objects, or a fact is no JSON.
    """
    text = json.dumps([record.meta for record in records], sort_keys=True, allow_nan=False)
    width = max((len(record.cell_id) for record in records), default=1)
    alike: dict[np.dtype[Any], list[Record]] = {}
    for record in records:
        if record.arrays:
            fields = [(name, one.dtype, one.shape) for name, one in record.arrays.items()]
            row = np.dtype([("cell_id", f"U{width}"), *fields])
            alike.setdefault(row, []).append(record)
    members = {"meta": np.frombuffer(text.encode(), np.uint8)}
    for number, (row, cells) in enumerate(alike.items()):
        table = members[f"cells.{number}"] = np.zeros(len(cells), row)
        table["cell_id"] = [record.cell_id for record in cells]
        for place, record in enumerate(cells):
            for name, values in record.arrays.items():
                table[name][place] = values
    block = io.BytesIO()
    np.savez(block, allow_pickle=False, **members)
    make_folder(path.parent)
    write_atomically(path, block.getvalue())


def read_meta(path: Path) -> list[dict[str, Any]]:
    """Return what is known of each cell of a part, after checking every byte of its arrays.

    Raises:
        DAMAGES: the file cannot be read, or is not as it was written.
    """
    meta: list[dict[str, Any]] = json.loads(_array(_members(path)["meta"]).tobytes())
    return meta


def read_arrays(
    path: Path, wanted: Container[str], names: Collection[str] | None = None
) -> dict[str, dict[str, NDArray[Any]]]:
    """Return arrays of a part by cell and name, after checking every byte.

    Args:
        path: the part.
        wanted: ids of cells.
        names: of the arrays to read; None reads all.

    Raises:
        DAMAGES: the file cannot be read, or is not as it was written.
    """
    arrays: dict[str, dict[str, NDArray[Any]]] = {}
    for member, data in _members(path).items():
        owner, _, name = member.partition(".")
        if owner == "cells":
            for row in _array(data):
                cell_id, fields = str(row["cell_id"]), row.dtype.names[1:]
                if cell_id in wanted:
                    kept = [field for field in fields if names is None or field in names]
                    arrays[cell_id] = {field: np.array(row[field]) for field in kept}
        elif owner in wanted and (names is None or name in names):  # results version 2
            arrays.setdefault(owner, {})[name] = _array(data).copy()
    return arrays


def _members(path: Path) -> dict[str, memoryview]:
    """Return the bytes of every member of a part, checked.

    ``zipfile`` reads the directory. It would take as long again to read the members, and does not
    see that its directory lists fewer than there are.
    """
    data = path.read_bytes()
    listed = zipfile.ZipFile(io.BytesIO(data)).infolist()
    # In the last record, how many members there are, if under 2^16.
    if int.from_bytes(data[-12:-10], "little") != min(len(listed), 2**16 - 1):
        raise zipfile.BadZipFile("a directory that lists other members than there are")
    members = {}
    for info in listed:
        begin = info.header_offset + 30
        name, extra = struct.unpack_from("<HH", data, begin - 4)  # their lengths
        member = memoryview(data)[begin + name + extra :][: info.file_size]
        if data[begin : begin + name].decode() != info.filename or zlib.crc32(member) != info.CRC:
            raise zipfile.BadZipFile(f"bad member {info.filename}")
        members[info.filename.removesuffix(".npy")] = member
    return members


def _array(member: memoryview) -> NDArray[Any]:
    """Return the array whose ``.npy`` file this is, as ``numpy.load`` does in fifty times the time.

    Raises:
        ValueError: the bytes are no such file, or the array holds Python objects.
    """
    size = 10 + int.from_bytes(member[8:10], "little")
    shape, fortran, dtype = _header(bytes(member[:size]))
    if dtype.hasobject:
        raise ValueError("an array of a part holds Python objects")
    return np.ndarray(shape, dtype, member, size, order="F" if fortran else "C")


@functools.lru_cache(maxsize=4096)
def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse the header of a ``.npy`` file; the parts of a sweep have few different ones."""
    block = io.BytesIO(head)
    if np.lib.format.read_magic(block) != (1, 0):
        raise ValueError("an array of a part is of another version of the .npy format")
    return np.lib.format.read_array_header_1_0(block)

"""The file of a part: an uncompressed ``.npz`` archive that ``numpy.load`` reads.

Its member ``meta`` is the JSON text of what is known of each cell. The arrays lie in structured
arrays ``cells.0``, ``cells.1``, ...: a row for each cell, a field ``cell_id`` and one for each of
its arrays, so that a pack of any size is a few members. Cells whose arrays differ in name, shape or
type lie in different ones, and cells without arrays in none.
"""

import contextlib
import functools
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import InputError
from benchmarks.outputs import write_atomically, writing
from benchmarks.store.cell_meta import (
    CellMeta,
    CollectedMeta,
    check_cell,
    check_collected,
    check_values,
)

NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A pipe in place of a file is opened at once; Windows keeps the ends of lines as they are."""

Arrays = dict[str, NDArray[Any]]


class DamagedPartError(Exception):
    """A file that is no part: the text says why."""


class Record(NamedTuple):
    """The results of one cell: what is known of it, and its arrays (``results/README.md``)."""

    meta: CellMeta
    arrays: Arrays

    @property
    def cell_id(self) -> str:
        """Return the id of the cell."""
        return self.meta.keys.cell_id


class Recomputed(NamedTuple):
    """Numbers of one cell that were computed again from what its part keeps."""

    meta: CollectedMeta
    arrays: Arrays

    @property
    def cell_id(self) -> str:
        """Return the id of the cell."""
        return self.meta.keys.cell_id


def write_records(path: Path, records: Sequence[Record | Recomputed]) -> None:
    """Write a part with these records, whole or not at all.

    Raises:
        ValueError: an array holds Python objects, or a fact is no JSON.
    """
    facts = [msgspec.to_builtins(record.meta) for record in records]
    alike: dict[np.dtype[Any], list[Record | Recomputed]] = {}
    width = max((len(record.cell_id) for record in records), default=1)
    for record in records:
        if record.arrays:
            fields = [(name, one.dtype, one.shape) for name, one in record.arrays.items()]
            row = np.dtype([("cell_id", f"U{width}"), *fields])
            alike.setdefault(row, []).append(record)
    tables = []
    for row, cells in alike.items():
        table = np.zeros(len(cells), row)
        table["cell_id"] = [record.cell_id for record in cells]
        for place, record in enumerate(cells):
            for name, values in record.arrays.items():
                table[name][place] = values
        tables.append(table)
    _write(path, facts, tables)


def _write(path: Path, facts: Sequence[Any], tables: Sequence[NDArray[Any]]) -> None:
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    members = {"meta": np.frombuffer(text.encode(), np.uint8)}
    members |= {f"cells.{number}": table for number, table in enumerate(tables)}
    block = io.BytesIO()
    np.savez(block, allow_pickle=False, **members)
    with writing(path.parent):  # not the results folder, which may have been moved meanwhile
        path.parent.mkdir(exist_ok=True)
    write_atomically(path, block.getvalue())


def read_meta(path: Path) -> list[CellMeta]:
    """Return what is known of each cell of a part, after checking every byte and every array.

    Raises:
        DamagedPartError: the file is not as it was written, or is no part.
        InputError: it cannot be read.
    """
    members = _members(path)
    with _decoding():
        metas = msgspec.json.decode(_array(members["meta"]).tobytes(), type=list[CellMeta])
        waiting = {meta.keys.cell_id: meta for meta in metas}
        if len(waiting) < len(metas):
            raise DamagedPartError("it holds a cell twice")
        for table in _tables(members):
            own = [waiting.pop(str(cell_id)) for cell_id in table["cell_id"]]
            axes = {tuple(check_cell(meta, table.dtype).items()) for meta in own}
            rows = {name: table[name] for name in table.dtype.names or ()}
            for each in axes:
                check_values(rows, dict(each))
        if any(meta.status == "done" for meta in waiting.values()):
            raise DamagedPartError("it lacks the arrays of a finished cell")
        return metas


def read_collected(path: Path, known: Mapping[str, CellMeta]) -> dict[str, CollectedMeta]:
    """Return what is known of recomputed numbers by cell, after checking them as a part's.

    Args:
        path: the file.
        known: what training left of each cell; others are left out.

    Raises:
        DamagedPartError: the file is not as it was written, or does not fit its part.
        InputError: it cannot be read.
    """
    members = _members(path)
    with _decoding():
        metas = msgspec.json.decode(_array(members["meta"]).tobytes(), type=list[CollectedMeta])
        waiting = {meta.keys.cell_id: meta for meta in metas}
        wanted = {i: meta for i, meta in waiting.items() if i in known}
        for table in _tables(members):
            for cell_id in map(str, table["cell_id"]):
                later = waiting.pop(cell_id)
                if cell_id in known:
                    check_collected(known[cell_id], later, table.dtype)
            if "bins" in (table.dtype.names or ()) and not np.isfinite(table["bins"]).all():
                raise DamagedPartError("bins holds numbers that are not finite")
        if wanted.keys() & waiting.keys():
            raise DamagedPartError("it lacks the arrays of a cell")
        return wanted


def read_arrays(
    path: Path, wanted: Container[str], names: Collection[str] | None = None
) -> dict[str, Arrays]:
    """Return arrays of a part by cell and name, after checking every byte.

    Args:
        path: the part.
        wanted: ids of cells.
        names: of the arrays to read; None reads all.

    Raises:
        DamagedPartError: the file is not as it was written, or is no part.
        InputError: it cannot be read.
    """
    members, arrays = _members(path), dict[str, Arrays]()
    with _decoding():
        for table in _tables(members):
            for row in table:
                cell_id, fields = str(row["cell_id"]), (row.dtype.names or ())[1:]
                if cell_id in wanted:
                    kept = [field for field in fields if names is None or field in names]
                    arrays[cell_id] = {field: np.array(row[field]) for field in kept}
        return arrays


def remove_cells(path: Path, ids: Collection[str]) -> int:
    """Take cells out of a part, whose other cells stay as they are; return how many it held.

    A part that holds no other is removed.

    Raises:
        DamagedPartError: the file is not as it was written, or is no part.
        InputError: it cannot be read.
        OSError: it cannot be written.
    """
    members = _members(path)
    with _decoding():
        facts = json.loads(_array(members["meta"]).tobytes())
        kept = [fact for fact in facts if fact["keys"]["cell_id"] not in ids]
        tables = [
            table[[str(i) not in ids for i in table["cell_id"]]] for table in _tables(members)
        ]
    if not kept:
        with writing(path):
            path.unlink()
    elif len(kept) < len(facts):
        _write(path, kept, [table for table in tables if len(table)])
    return len(facts) - len(kept)


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    """Say of bytes that cannot be decoded what is wrong with them, whatever a decoder raises."""
    try:
        yield
    except (DamagedPartError, MemoryError):  # which says nothing of the bytes
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it has no {reason}"
        raise DamagedPartError(reason[:200]) from error


def _content(path: Path) -> bytes:
    """Return the bytes of a part, opened once: a folder has thousands."""
    try:
        number = os.open(path, os.O_RDONLY | NEVER_WAIT)
        with open(number, "rb", buffering=0) as file:  # noqa: PTH123  what is open already
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise DamagedPartError("it is no regular file")
            return file.readall()
    except IsADirectoryError as error:
        raise DamagedPartError("it is no regular file") from error
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from error


def _members(path: Path) -> dict[str, memoryview]:
    """Return the bytes of every member of a part, checked.

    ``zipfile`` reads the directory. It would take as long again to read the members, and does not
    see that its directory lists fewer than there are.
    """
    data = _content(path)
    with _decoding():
        listed = zipfile.ZipFile(io.BytesIO(data)).infolist()
        # In the last record, how many members there are, if under 2^16.
        if int.from_bytes(data[-12:-10], "little") != min(len(listed), 2**16 - 1):
            raise DamagedPartError("its directory lists other members than there are")
        members = {}
        for info in listed:
            begin = info.header_offset + 30
            name, extra = struct.unpack_from("<HH", data, begin - 4)  # their lengths
            member = memoryview(data)[begin + name + extra :][: info.file_size]
            if data[begin : begin + name].decode() != info.filename:
                raise DamagedPartError(f"its directory has another name than {info.filename}")
            if zlib.crc32(member) != info.CRC:
                raise DamagedPartError(f"the bytes of {info.filename} are not as written")
            members[info.filename.removesuffix(".npy")] = member
        return members


def _tables(members: Mapping[str, memoryview]) -> Iterator[NDArray[Any]]:
    """Yield the structured arrays of a part: a row for each cell."""
    single: dict[str, Arrays] = {}  # of results version 2: an array of each cell by itself
    for member, data in members.items():
        owner, _, name = member.partition(".")
        if owner == "cells":
            yield _array(data)
        elif name:
            single.setdefault(owner, {})[name] = _array(data)
    for cell_id, arrays in single.items():
        fields = [(name, array.dtype, array.shape) for name, array in arrays.items()]
        table = np.zeros(1, np.dtype([("cell_id", f"U{len(cell_id)}"), *fields]))
        table["cell_id"] = cell_id
        for name, array in arrays.items():
            table[name][0] = array
        yield table


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

"""Parts: the ``.npz`` files that hold the records of cells, and the plan of a folder."""

import hashlib
import io
import json
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import RefusedError
from benchmarks.store.archive import DAMAGES, Archive, array, members
from benchmarks.store.files import write_atomically


class Record(NamedTuple):
    """One cell's results: JSON-able facts, and arrays, as ``results/README.md`` lists them."""

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def cell_id(self) -> str:
        """Return the id of the cell."""
        return str(self.meta["keys"]["cell_id"])


def write_part(folder: Path, records: Sequence[Record]) -> Path:
    """Write the records of a pack as one part and return its path."""
    ids = sorted(record.cell_id for record in records)
    path = folder / "parts" / f"{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.npz"
    _collected(path).unlink(missing_ok=True)  # was measured on what this part replaces
    _write(path, records)
    return path


def write_collected(part: Path, records: Sequence[Record]) -> None:
    """Lay recomputed numbers beside a part; wherever its cells are read, they replace its own."""
    _write(_collected(part), records)


def _collected(part: Path) -> Path:
    return part.parent.parent / "collected" / part.name


def _write(path: Path, records: Sequence[Record]) -> None:
    text = json.dumps([record.meta for record in records], sort_keys=True, allow_nan=False)
    members = {
        f"{record.cell_id}.{name}": array
        for record in records
        for name, array in record.arrays.items()
    }
    block = io.BytesIO()
    np.savez(block, allow_pickle=False, meta=np.frombuffer(text.encode(), np.uint8), **members)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, block.getvalue())


class Parts:
    """The valid parts of a results folder, by cell; damaged ones are put aside and named."""

    def __init__(self, folder: Path) -> None:
        self.damaged: list[Path] = []
        self._where: dict[str, Path] = {}
        self.meta: dict[str, dict[str, Any]] = {}
        self._lists: dict[tuple[str, ...], list[str]] = {}
        for path in sorted((folder / "parts").glob("*.npz")):
            try:
                found = _metas(members(path))
            except DAMAGES:
                self.damaged.append(path.replace(path.with_suffix(".damaged")))
                continue
            for meta in found:
                self._add(meta, path)

    def _add(self, meta: dict[str, Any], path: Path) -> None:
        cell_id = meta["keys"]["cell_id"]
        known = self.meta.get(cell_id)
        if known is None or known["status"] == "failed":  # a success outranks a failure
            self.meta[cell_id], self._where[cell_id] = self._shared(meta), path

    def _shared(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Keep the lists of names once: they are most of what is known of a cell, and the same."""
        lists = {name: value for name, value in meta.items() if isinstance(value, list)}
        return meta | {k: self._lists.setdefault(tuple(v), v) for k, v in lists.items()}

    def done(self) -> set[str]:
        """Return the ids of the cells that need no training."""
        return {cell_id for cell_id, meta in self.meta.items() if meta["status"] != "failed"}

    def records(
        self, wanted: Container[str], names: Collection[str] | None = None
    ) -> Iterator[Record]:
        """Yield the records of these cells, part by part.

        Args:
            wanted: ids of cells.
            names: of the arrays to read; None reads all.

        Raises:
            RefusedError: recomputed numbers of one of them are damaged.
        """
        for path, ids in self.by_part(wanted).items():
            trained, again = Archive(path), _collected(path)
            new = _read_collected(again, names) if again.exists() else {}
            for cell_id in ids:
                later = new.get(cell_id, Record({}, {}))
                arrays = _arrays(trained, cell_id, names) | later.arrays
                yield Record(self.meta[cell_id] | later.meta, arrays)

    def trained(self, cell_id: str) -> Record:
        """Return what training left of a cell, without recomputed numbers."""
        return Record(self.meta[cell_id], _arrays(Archive(self._where[cell_id]), cell_id))

    def by_part(self, wanted: Container[str]) -> dict[Path, list[str]]:
        """Return the ids of these cells by the part that holds them."""
        found: dict[Path, list[str]] = {}
        for cell_id, path in sorted(self._where.items()):
            if cell_id in wanted:
                found.setdefault(path, []).append(cell_id)
        return found


def _arrays(
    part: Mapping[str, memoryview], cell_id: str, names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a cell; of a part with many cells, by name where names are known."""
    found = names if names is not None else [key.partition(".")[2] for key in part]
    keys = {name: f"{cell_id}.{name}" for name in found}
    return {name: array(part[key]) for name, key in keys.items() if key in part}


def _read_collected(path: Path, names: Collection[str] | None) -> dict[str, Record]:
    """Return the recomputed numbers of a part by cell."""
    try:
        part = members(path)
        metas = {meta["keys"]["cell_id"]: meta for meta in _metas(part)}
        return {i: Record(meta, _arrays(part, i, names)) for i, meta in metas.items()}
    except DAMAGES as error:
        raise RefusedError(f"{path} is damaged: collect again, or remove it ({error})") from error


def _metas(part: Mapping[str, memoryview]) -> list[dict[str, Any]]:
    """Return the facts in a part."""
    found: list[dict[str, Any]] = json.loads(array(part["meta"]).tobytes())
    return found

"""The parts of a results folder, and the recomputed numbers beside them."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.errors import RefusedError
from benchmarks.outputs import writing
from benchmarks.store.part_file import DAMAGES, Record, read_arrays, read_meta, write_records


def write_part(folder: Path, records: Sequence[Record]) -> Path:
    """Write the records of a pack as one part and return its path."""
    ids = sorted(record.cell_id for record in records)
    path = folder / "parts" / f"{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.npz"
    with writing(_collected(path)):
        _collected(path).unlink(missing_ok=True)  # was measured on what this part replaces
    write_records(path, records)
    return path


def write_collected(part: Path, records: Sequence[Record]) -> None:
    """Write recomputed numbers next to a part; they replace its own wherever its cells are read."""
    write_records(_collected(part), records)


def _collected(part: Path) -> Path:
    """Return the path of the recomputed numbers of a part."""
    return part.parent.parent / "collected" / part.name


class Parts:
    """The valid parts of a results folder, by cell.

    Attributes:
        meta: what is known of each cell, by its id.
        damaged: paths of the damaged parts, which were put aside.
    """

    def __init__(self, folder: Path) -> None:
        self.damaged: list[Path] = []
        self.meta: dict[str, dict[str, Any]] = {}
        self._where: dict[str, Path] = {}
        self._lists: dict[tuple[str, ...], list[str]] = {}
        for path in sorted((folder / "parts").glob("*.npz")):
            try:
                metas = read_meta(path)
            except DAMAGES:
                self.damaged.append(path.replace(path.with_suffix(".damaged")))
                continue
            for meta in metas:
                self._add(meta, path)

    def _add(self, meta: dict[str, Any], path: Path) -> None:
        """Take in a cell, unless another part holds it already."""
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
        self, wanted: Iterable[str], names: Collection[str] | None = None
    ) -> Iterator[Record]:
        """Yield the records of these cells, part by part, with recomputed numbers.

        Args:
            wanted: ids of cells; those without a part are left out.
            names: of the arrays to read; None reads all.

        Raises:
            RefusedError: recomputed numbers of one of them are damaged.
        """
        for path, ids in self.by_part(wanted).items():
            recomputed = _read_collected(_collected(path), names)
            for trained in self._read(path, ids, names):
                later = recomputed.get(trained.cell_id, Record({}, {}))
                yield Record(trained.meta | later.meta, trained.arrays | later.arrays)

    def trained(self, wanted: Iterable[str]) -> Iterator[Record]:
        """Yield what training left of these cells, part by part, without recomputed numbers."""
        for path, ids in self.by_part(wanted).items():
            yield from self._read(path, ids)

    def by_part(self, wanted: Iterable[str]) -> dict[Path, list[str]]:
        """Return the ids of these cells by the part that holds them."""
        ids: dict[Path, list[str]] = {}
        for cell_id in sorted(self._where.keys() & set(wanted)):
            ids.setdefault(self._where[cell_id], []).append(cell_id)
        return ids

    def _read(
        self, path: Path, ids: Sequence[str], names: Collection[str] | None = None
    ) -> Iterator[Record]:
        """Yield the records of cells of one part."""
        arrays = read_arrays(path, ids, names)
        for cell_id in ids:
            yield Record(self.meta[cell_id], arrays.get(cell_id, {}))


def _read_collected(path: Path, names: Collection[str] | None) -> dict[str, Record]:
    """Return the recomputed numbers of a part by cell; none where there is no such file."""
    if not path.exists():
        return {}
    try:
        metas = {meta["keys"]["cell_id"]: meta for meta in read_meta(path)}
        arrays = read_arrays(path, metas, names)
    except DAMAGES as error:
        raise RefusedError(f"{path} is damaged: collect again, or remove it ({error})") from error
    return {i: Record(meta, arrays.get(i, {})) for i, meta in metas.items()}

"""The parts of a results folder, and the recomputed numbers beside them."""

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.errors import RefusedError, count, on_one_line
from benchmarks.inputs import InputError
from benchmarks.outputs import writing
from benchmarks.store.cell_meta import CellMeta, Names
from benchmarks.store.part_file import (
    DamagedPartError,
    Recomputed,
    Record,
    read_arrays,
    read_collected,
    read_meta,
    remove_cells,
    write_records,
)

ASIDE = ".damaged"
"""The end of the name of a damaged part that a run put aside."""
NAME = re.compile("[0-9a-f]{16}[.]npz")
"""The names of parts."""
_LISTS = ("curves", "selections", "scores", "metrics")


def write_part(folder: Path, records: Sequence[Record]) -> Path:
    """Write the records of a pack as one part and return its path."""
    path = _place(folder / "parts", sorted(record.cell_id for record in records))
    with writing(collected_path(path)):
        collected_path(path).unlink(missing_ok=True)  # was measured on what this part replaces
    write_records(path, records)
    return path


def _place(parts: Path, ids: Sequence[str]) -> Path:
    """Return the path for a part of these cells, none that holds others.

    A part whose name belongs to these cells has been renamed, and may be all that is left of its.
    """
    texts = (" ".join([*ids, str(number)] if number else ids) for number in itertools.count())
    names = (hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts)
    paths = (parts / f"{name}.npz" for name in names)
    return next(path for path in paths if not _holds_others(path, ids))


def _holds_others(path: Path, ids: Collection[str]) -> bool:
    """Return whether a part is there that can be read and holds other cells, too."""
    try:
        return any(meta.keys.cell_id not in ids for meta in read_meta(path))
    except (DamagedPartError, InputError):  # or there is none
        return False


def write_collected(part: Path, records: Sequence[Recomputed]) -> None:
    """Write recomputed numbers next to a part; they replace its own wherever its cells are read."""
    write_records(collected_path(part), records)


def collected_path(part: Path) -> Path:
    """Return the path of the recomputed numbers of a part."""
    return part.parent.parent / "collected" / part.name


class DamagedPart(NamedTuple):
    """A file among the parts that is none, or not as it was written, and why."""

    path: Path
    reason: str


Version = tuple[int, int, int]
"""What tells whether a file is the one that was read: its number, size and time."""


class Parts:
    """The valid parts of a results folder, by cell; opening them changes nothing.

    Args:
        folder: the results folder.
        before: its parts as they were read earlier; files that are the same are not read again.

    Attributes:
        meta: what is known of each cell, by its id.
        damaged: the parts that cannot be used.
        foreign: files among the parts that are none, and are not named as one.
        aside: damaged parts that an earlier run put aside.
        read_as: every part that could be read, as it was then.
    """

    def __init__(self, folder: Path, before: "Parts | None" = None) -> None:
        self.read_as: dict[Path, tuple[Version, list[CellMeta]]] = {}
        self.damaged: list[DamagedPart] = []
        self.foreign: list[DamagedPart] = []
        self.meta: dict[str, CellMeta] = {}
        self._where: dict[str, Path] = {}
        self._lists: dict[Names, Names] = {}
        self.aside = tuple(sorted((folder / "parts").glob(f"*{ASIDE}")))
        for path in sorted((folder / "parts").glob("*.npz")):
            try:
                metas = self._metas(path, before)
            except DamagedPartError as error:
                own = self.damaged if NAME.fullmatch(path.name) else self.foreign
                own.append(DamagedPart(path, str(error)))
                continue
            for meta in metas:
                self._add(meta, path)

    def _metas(self, path: Path, before: "Parts | None") -> list[CellMeta]:
        """Return what is known of each cell of a part, from an earlier reading where it can be."""
        if not path.exists():
            return read_meta(path)  # which says what it is
        found = path.stat()
        version = (found.st_ino, found.st_size, found.st_mtime_ns)
        known = before and before.read_as.get(path)
        metas = known[1] if known and known[0] == version else read_meta(path)
        self.read_as[path] = version, metas
        return metas

    def _add(self, meta: CellMeta, path: Path) -> None:
        """Take in a cell, unless another part holds it already."""
        cell_id = meta.keys.cell_id
        known = self.meta.get(cell_id)
        if known is None or known.status == "failed":  # a success outranks a failure
            for name in _LISTS:  # kept once: they are most of what is known of a cell, and the same
                names = getattr(meta, name)
                setattr(meta, name, self._lists.setdefault(names, names))
            self.meta[cell_id], self._where[cell_id] = meta, path

    def done(self) -> set[str]:
        """Return the ids of the cells that need no training."""
        return {cell_id for cell_id, meta in self.meta.items() if meta.status != "failed"}

    def damage(self, fate: str = "left as it is; `run` trains its cells again") -> list[str]:
        """Return a line for each file that is no part, and one that counts what was put aside.

        Args:
            fate: what becomes of the damaged parts.
        """
        lines = [f"damaged part, {fate}: {path} ({reason})" for path, reason in self.damaged]
        lines += [
            f"{path} is no part of these results and is left alone ({reason}); move it away"
            for path, reason in self.foreign
        ]
        if self.aside:
            lines.append(
                f"{count(len(self.aside), 'damaged part')} put aside by an earlier run: "
                f"{self.aside[0].parent}/*{ASIDE}"
            )
        return [on_one_line(line) for line in lines]

    def put_aside(self) -> None:
        """Rename the damaged parts, so that their cells can be trained again; the lock is held."""
        for path, _ in self.damaged:
            target, number = path.with_suffix(ASIDE), 1
            while target.exists():
                target, number = path.with_suffix(f".{number}{ASIDE}"), number + 1
            with writing(path):
                path.replace(target)

    def remove(self, ids: Collection[str], but: Collection[Path] = ()) -> None:
        """Take cells out of all parts, and of the recomputed numbers beside them; the lock is held.

        Each part is rewritten whole, with the other cells as they were; whenever this is killed,
        doing it again goes on.

        Args:
            ids: of the cells.
            but: parts that stay as they are.
        """
        folders = {path.parent for path in self._where.values()}
        every = {path for folder in folders for path in folder.glob("*.npz")}
        usable = sorted(every - {path for path, _ in (*self.damaged, *self.foreign)} - set(but))
        for path in usable:
            _read_collected(collected_path(path), {}, ())  # refused before anything is changed
        for path in usable:
            remove_cells(path, ids)
            if collected_path(path).exists():
                remove_cells(collected_path(path), ids)
        self.meta = {i: meta for i, meta in self.meta.items() if i not in ids}
        self._where = {i: path for i, path in self._where.items() if i not in ids}

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
            known = {cell_id: self.meta[cell_id] for cell_id in ids}
            recomputed = _read_collected(collected_path(path), known, names)
            for trained in self._read(path, ids, names):
                if later := recomputed.get(trained.cell_id):
                    own = {"metrics": later.meta.metrics, "metric_specs": later.meta.metric_specs}
                    meta = msgspec.structs.replace(trained.meta, **own)
                    yield Record(meta, trained.arrays | later.arrays)
                else:
                    yield trained

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
        try:
            arrays = read_arrays(path, ids, names)
        except DamagedPartError as error:
            raise RefusedError(f"{path} was damaged while it was read ({error})") from error
        for cell_id in ids:
            yield Record(self.meta[cell_id], arrays.get(cell_id, {}))


def _read_collected(
    path: Path, known: Mapping[str, CellMeta], names: Collection[str] | None
) -> dict[str, Recomputed]:
    """Return the recomputed numbers of a part by cell; none where there is no such file."""
    if not path.exists():
        return {}
    try:
        metas = read_collected(path, known)
        arrays = read_arrays(path, metas, names)
    except DamagedPartError as error:
        raise _damaged(path, error) from error
    return {i: Recomputed(meta, arrays.get(i, {})) for i, meta in metas.items()}


def _damaged(path: Path, error: DamagedPartError) -> RefusedError:
    return RefusedError(f"{path} is damaged: collect again, or remove it ({error})")

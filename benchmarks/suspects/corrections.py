"""A reviewer's corrections, applied: files of labels that the noise ``labels(file=...)`` reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.commands import quoted
from benchmarks.errors import RefusedError
from benchmarks.file_names import file_stem
from benchmarks.inputs import InputError, Table, read_table
from benchmarks.noise import NO_CLASS
from benchmarks.outputs import refuse_foreign_files, replaced_files
from benchmarks.report.phrases import listing
from benchmarks.store import Parts, read_plan
from benchmarks.suspects.class_names import class_of, whole_number
from benchmarks.suspects.ranking import built
from benchmarks.sweep import Cell, corrupted, published_index

VERB = "relabel"
NEEDED = ("cell_id", "position", "given", "corrected")


class LabelFile(NamedTuple):
    """A file of corrected labels, and how many were looked at."""

    path: Path
    corrected: int  # labels that changed
    confirmed: int  # labels that a reviewer looked at and left as they were
    size: int
    repeated: Sequence[int]  # the lines that say of an image what one above has said


@dataclass(frozen=True)
class Relabelled:
    """The noises of a dataset that were corrected together.

    ``noises`` has the spec of every noise that was corrected, and the file that replaces it, with
    ``{seed}`` in its name where there is one for each of the ``seeds``.
    """

    dataset: str
    noises: Mapping[str, str]
    seeds: tuple[int, ...]


@dataclass
class _Vector:
    """The labels that some seeds were given, and a reviewer's classes for some of them."""

    cell: Cell
    dataset: str  # their specs
    noise: str
    seeds: tuple[int, ...]
    given: NDArray[np.int64]
    places: Mapping[int, int]  # the publisher's index: position
    reviewed: dict[int, tuple[int, int]] = field(default_factory=dict)  # position: class, line
    rows: set[tuple[str, int]] = field(default_factory=set)  # the cell and position of each
    repeated: list[int] = field(default_factory=list)  # the lines of rows that stand there twice

    def corrected(self) -> NDArray[np.int64]:
        """Return the labels with the reviewer's classes."""
        new = self.given.copy()
        for position, (label, _) in self.reviewed.items():
            new[position] = label
        return new


def relabel(
    folder: Path, reviewed: Path, root: Path, out: str
) -> tuple[list[LabelFile], list[Relabelled]]:
    """Apply a reviewer's corrections to the given labels of a results folder and write them.

    A blank in ``corrected`` says nothing of a label; its given class confirms it. Rows that speak
    of the same labels and image must agree, whichever method they come from. An image is found by
    the publisher's ``index`` where the table has it, else by its ``position``.

    Args:
        folder: the results folder that was audited.
        reviewed: ``suspects.csv`` with its column ``corrected`` filled in.
        root: the folder of the image files.
        out: the ``.npy`` file; ``{seed}`` in it stands for the seed, ``{noise}`` and ``{dataset}``
            for the noise and the dataset, which it needs where the table speaks of several.

    Returns:
        the files that were written, and which noises they replace.

    Raises:
        RefusedError: the table is no such table, contradicts itself, or does not fit the labels, or
            a file is in the way; nothing was written.
        DataMissingError: the dataset's files are not there.
    """
    vectors = _Reader(folder, root).corrected(read_table(reviewed))
    return _write(_paths(vectors, out)), _replaced_noises(vectors, out)


class _Reader:
    """A table of corrections, read against the labels of a results folder."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root
        plan = read_plan(folder)
        self._version, self._cells = plan.schema, {cell.cell_id: cell for cell in plan.cells}
        self._meta = Parts(folder).meta
        self._known: dict[tuple[str, str, int], _Vector] = {}  # by dataset, noise and seed
        self._vectors: dict[tuple[str, str, str], _Vector] = {}  # by dataset, noise and digest

    def corrected(self, table: Table) -> list[_Vector]:
        """Return the vectors that the table corrects, with their corrections."""
        if missing := [name for name in NEEDED if name not in table.header]:
            raise InputError(
                table.path,
                f"has no column {missing[0]!r}; it should be suspects.csv, with its column "
                "corrected filled in",
            )
        for number, fields in enumerate(table.rows):
            row = {n: text.strip() for n, text in zip(table.header, fields, strict=True)}
            if not row["cell_id"] and not row["corrected"]:
                continue  # a remark
            try:
                vector = self._vector(row["cell_id"]) if row["corrected"] else None
                self._refuse_unknown(row["cell_id"])
                if vector:
                    _correct(vector, row, table.lines[number])
            except ValueError as error:
                raise table.fault(number, str(error)) from error
        if not self._vectors:
            raise InputError(table.path, "corrects nothing: fill in its column corrected")
        self._refuse_edits_elsewhere(table)
        return list(self._vectors.values())

    def _refuse_edits_elsewhere(self, table: Table) -> None:
        """Refuse a row that corrects nothing and has another given label than its image.

        Somebody wrote the correction over the given label, where nothing would read it.
        """
        for number, fields in enumerate(table.rows):
            row = {n: text.strip() for n, text in zip(table.header, fields, strict=True)}
            entry = self._cells.get(row["cell_id"])
            vector = entry and self._known.get((entry.dataset, entry.noise, entry.seed))
            if vector and not row["corrected"] and row["given"]:
                try:
                    _checked_position(vector, row)
                except ValueError as error:
                    raise table.fault(
                        number, f"{error}, or a correction stands in the column given"
                    ) from error

    def _refuse_unknown(self, cell_id: str) -> None:
        if cell_id not in self._cells:
            hint = (
                "; a spreadsheet has made a number of an id: import that column as text"
                if re.fullmatch(r"[0-9][0-9.,]*([eE][+-]?[0-9]+)?", cell_id)
                else ""
            )
            raise ValueError(f"{self._folder} has no cell {cell_id!r}{hint}")

    def _vector(self, cell_id: str) -> _Vector:
        """Return the labels that a cell was given."""
        self._refuse_unknown(cell_id)
        entry = self._cells[cell_id]
        key = (entry.dataset, entry.noise, entry.seed)
        if key not in self._known:
            self._known[key] = self._drawn_again(cell_id)
        return self._known[key]

    def _drawn_again(self, cell_id: str) -> _Vector:
        entry = self._cells[cell_id]
        cell = built(self._folder, self._version, entry)
        train = cell.dataset.load(self._root, cell.seed)[0]
        labels = corrupted(cell.dataset, cell.noise, cell.seed, train, self._root)
        digest, recorded = labels.sha256(), self._digest(cell_id)
        if recorded not in {digest, ""}:
            raise ValueError(
                f"the noise {entry.noise} does not give the labels any more that the cell "
                f"{cell_id} was trained on: its file or the dataset has changed since"
            )
        dataset, noise = entry.dataset, entry.noise
        if (labels.label == NO_CLASS).any():
            raise ValueError(
                f"the noise {noise} leaves out images of {dataset}, and a file of labels has one "
                "for each; correct the labels of all classes"
            )
        if (dataset, noise, digest) not in self._vectors:
            given = labels.label.numpy()
            places = {number: k for k, number in enumerate(published_index(train).tolist())}
            seeds = self._seeds(dataset, noise, digest) | {cell.seed}
            vector = _Vector(cell, dataset, noise, tuple(sorted(seeds)), given, places)
            self._vectors[dataset, noise, digest] = vector
        return self._vectors[dataset, noise, digest]

    def _digest(self, cell_id: str) -> str:
        """Return the digest of the labels that a cell was trained on; nothing without its part."""
        meta = self._meta.get(cell_id)
        return meta.facts.noise_sha256 if meta else ""

    def _seeds(self, dataset: str, noise: str, digest: str) -> set[int]:
        """Return the seeds that were trained on the same labels."""
        return {
            cell.seed
            for cell_id, cell in self._cells.items()
            if (cell.dataset, cell.noise) == (dataset, noise) and self._digest(cell_id) == digest
        }


def _correct(vector: _Vector, row: Mapping[str, str], line: int) -> None:
    """Add the correction of a row to the labels that it is of, after checking it against them.

    Raises:
        ValueError: the row does not fit the labels, or contradicts one above.
    """
    position = _checked_position(vector, row)
    new = class_of(row["corrected"], vector.cell.dataset)
    before, where = vector.reviewed.setdefault(position, (new, line))
    if before != new:
        raise ValueError(
            f"image {position} is corrected to {new} here and to {before} in line {where}"
        )
    if (row["cell_id"], position) in vector.rows:
        vector.repeated.append(line)
    vector.rows.add((row["cell_id"], position))


def _checked_position(vector: _Vector, row: Mapping[str, str]) -> int:
    """Return the row of the training set that a row of the table speaks of, by its given label.

    Raises:
        ValueError: there is none, or it was given another label.
    """
    position = _position(vector, row)
    given = int(vector.given[position])
    if whole_number(row["given"]) != given:
        raise ValueError(
            f"the label given to image {position} is {given}, not {row['given'][:40]}: the table "
            "is of other labels"
        )
    return position


def _position(vector: _Vector, row: Mapping[str, str]) -> int:
    """Return the row of the training set that a row of the table speaks of."""
    size, text = len(vector.given), row["position"]
    position = whole_number(text)
    if text and (position is None or position >= size):
        raise ValueError(f"position must be from 0 to {size - 1}, got {text[:40]!r}")
    if not (index := row.get("index", "")):
        if position is None:
            raise ValueError(f"position must be from 0 to {size - 1}, got nothing")
        return position
    place = vector.places.get(-1 if (number := whole_number(index)) is None else number)
    if place is None:
        raise ValueError(
            f"index must be that of a training image of {vector.dataset}, got {index[:40]!r}"
        )
    if position not in {place, None}:
        raise ValueError(
            f"the image of index {number} is at position {place}, not {position}: the table is of "
            "another training set, or its columns were sorted apart"
        )
    return place


def _paths(vectors: Sequence[_Vector], out: str) -> dict[Path, _Vector]:
    """Return where the labels are to be written: a file for each vector, or for each seed.

    Raises:
        RefusedError: the name does not tell apart what has to be told apart.
    """
    paths: dict[Path, _Vector] = {}
    for vector in vectors:
        if vector.cell.dataset.resplit and "{seed}" not in out:
            raise RefusedError(
                f"--out must have {{seed}} in its name, as {vector.dataset} is split anew for each "
                f"seed, got {out!r}"
            )
        for seed in vector.seeds:
            path = Path(_template(out, vector).replace("{seed}", str(seed)))
            if paths.setdefault(path, vector) is not vector:
                raise RefusedError(_too_few(vectors, out))
    return paths


def _template(out: str, vector: _Vector) -> str:
    """Return the name of a vector's file; ``{seed}`` stays in it."""
    named = out.replace("{dataset}", file_stem(vector.dataset))
    return named.replace("{noise}", file_stem(vector.noise))


def _too_few(vectors: Sequence[_Vector], out: str) -> str:
    """Say which words a name needs to tell vectors apart."""
    needed = distinguishing([(vector.dataset, vector.noise) for vector in vectors])
    words = [f"{{{name}}}" for name in needed if f"{{{name}}}" not in out]
    path = Path(out)
    better = path.with_name("-".join([path.stem, *words]) + path.suffix)
    return (
        f"the table corrects {len(vectors)} vectors of given labels and --out names one file for "
        f"several of them; put {listing(words)} into its name: --out {quoted(str(better))}"
    )


def distinguishing(vectors: Sequence[tuple[str, str]]) -> list[str]:
    """Return what tells vectors of labels apart: of dataset, noise and seed what is needed.

    Args:
        vectors: the dataset and the noise of each.

    >>> distinguishing([("digits", "a"), ("digits", "b"), ("digits", "b")])
    ['noise', 'seed']
    """
    datasets, noises = zip(*vectors, strict=True)
    needed = {
        "dataset": len(set(datasets)) > 1,
        "noise": len(set(noises)) > 1,
        "seed": len(set(vectors)) < len(vectors),
    }
    return [name for name, is_needed in needed.items() if is_needed]


def _write(paths: Mapping[Path, _Vector]) -> list[LabelFile]:
    """Write the labels of every path, those of one folder together."""
    for path in paths:
        refuse_foreign_files(path.parent, VERB, [path.name])
    for folder in dict.fromkeys(path.parent for path in paths):
        with replaced_files(folder, VERB, adds=True) as new:
            for path, vector in paths.items():
                if path.parent == folder:
                    np.save(new / path.name, vector.corrected())
    return [_counted(path, vector) for path, vector in paths.items()]


def _counted(path: Path, vector: _Vector) -> LabelFile:
    changed = int((vector.corrected() != vector.given).sum())
    confirmed = len(vector.reviewed) - changed
    return LabelFile(path, changed, confirmed, len(vector.given), vector.repeated)


def _replaced_noises(vectors: Sequence[_Vector], out: str) -> list[Relabelled]:
    """Return what was corrected: the noises of a dataset together whose seeds are the same."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for vector in vectors:
        seeds.setdefault((vector.dataset, vector.noise), set()).update(vector.seeds)
    groups: dict[tuple[str, tuple[int, ...]], dict[str, str]] = {}
    for vector in vectors:
        alike = tuple(sorted(seeds[vector.dataset, vector.noise]))
        files = groups.setdefault((vector.dataset, alike), {})
        files[vector.noise] = _template(out, vector)
    return [Relabelled(dataset, files, alike) for (dataset, alike), files in groups.items()]

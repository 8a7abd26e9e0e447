"""A reviewer's corrections, applied: files of labels that the noise ``labels(file=...)`` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import asdict

from benchmarks.errors import RefusedError
from benchmarks.noise import label_sha256
from benchmarks.store import read_plan
from benchmarks.sweep import Cell, corrupted
from methods.bounds import suggestion

NEEDED = ("cell_id", "position", "given", "corrected")


class LabelFile(NamedTuple):
    """A file of corrected labels, and how many were looked at."""

    path: Path
    corrected: int  # labels that changed
    confirmed: int  # labels that a reviewer looked at and left as they were
    size: int


class _ReviewedLabels:
    """The labels that a cell was given, and a reviewer's classes for some of them."""

    def __init__(self, cell: Cell, root: Path) -> None:
        train = cell.dataset.load(root, cell.seed)[0]
        given = corrupted(cell.dataset, cell.noise, cell.seed, train, root).label
        self.cell, self.given = cell, given.numpy()  # in the publisher's order
        self.sha256 = label_sha256(given)
        self.reviewed: dict[int, int] = {}  # position: class

    def write(self, path: Path) -> LabelFile:
        new = self.given.copy()
        new[list(self.reviewed)] = list(self.reviewed.values())
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, new)
        changed = int((new != self.given).sum())
        return LabelFile(path, changed, len(self.reviewed) - changed, len(new))


def relabel(folder: Path, reviewed: Path, root: Path, out: str) -> list[LabelFile]:
    """Apply a reviewer's corrections to the given labels of a results folder and write them.

    A blank in ``corrected`` says nothing of a label; its given class confirms it. Rows that speak
    of the same labels and image must agree, whichever method they come from.

    Args:
        folder: the results folder that was audited.
        reviewed: ``suspects.csv`` with its column ``corrected`` filled in.
        root: the folder of the image files.
        out: the ``.npy`` file; ``{seed}`` in it stands for the seed, which it needs where the
            table speaks of several vectors of given labels.

    Raises:
        RefusedError: the table is no such table, contradicts itself, or does not fit the labels;
            nothing was written.
        DataMissingError: the dataset's files are not there.
    """
    table = _read(reviewed)
    plan = {cell.cell_id: asdict(cell.specs) for cell in read_plan(folder).cells}
    known: dict[tuple[Any, ...], str] = {}  # dataset, noise and seed: digest of their labels
    vectors: dict[str, _ReviewedLabels] = {}  # by digest: several cells may share one
    for number, row in enumerate(table.to_dict("records"), start=2):
        where = f"{reviewed}, line {number}"
        specs = plan.get(str(row["cell_id"]))
        if specs is None:
            raise RefusedError(f"{where}: {folder} has no cell {row['cell_id']}")
        if not str(row["corrected"]).strip():
            continue
        key = tuple(specs[name] for name in ("dataset", "noise", "seed"))
        if key not in known:
            labels = _ReviewedLabels(Cell.build(specs), root)
            known[key] = labels.sha256
            vectors.setdefault(labels.sha256, labels)
        _add_correction(vectors[known[key]], row, where)
    if not vectors:
        raise RefusedError(f"{reviewed} corrects nothing: fill in its column corrected")
    paths = {Path(out.replace("{seed}", str(v.cell.seed))): v for v in vectors.values()}
    if len(paths) < len(vectors):
        raise RefusedError(
            f"{reviewed} speaks of {len(vectors)} vectors of given labels, and {out} holds "
            f"{len(paths)}; put {{seed}} into its name, or keep the rows of one dataset and noise"
        )
    return [labels.write(path) for path, labels in paths.items()]


def _read(path: Path) -> pd.DataFrame:
    """Read the table as text, but for the numbers in it."""
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RefusedError(f"cannot read {path}: {error}") from error
    if missing := [name for name in NEEDED if name not in table]:
        raise RefusedError(
            f"{path} has no column {missing[0]!r}; it should be suspects.csv, with its column "
            "corrected filled in"
        )
    return table


def _add_correction(labels: _ReviewedLabels, row: Mapping[Any, Any], where: str) -> None:
    """Add the correction of a row to the labels that it is of, after checking it against them."""
    text, size = str(row["position"]), len(labels.given)
    if not text.isdecimal() or int(text) >= size:
        raise RefusedError(f"{where}: position must be from 0 to {size - 1}, got {text!r}")
    position, given = int(text), str(row["given"])
    if given != str(labels.given[position]):
        raise RefusedError(
            f"{where}: the label given to image {position} is {labels.given[position]}, not "
            f"{given}: the table is of other labels"
        )
    new = _class_index(str(row["corrected"]).strip(), labels.cell, where)
    if labels.reviewed.setdefault(position, new) != new:
        raise RefusedError(
            f"{where}: image {position} is corrected to {new} here and to "
            f"{labels.reviewed[position]} above"
        )


def _class_index(text: str, cell: Cell, where: str) -> int:
    """Return the class that a number or a name stands for."""
    names, count = cell.dataset.classes, cell.dataset.num_classes
    if text in names and not text.isdecimal():
        return names.index(text)
    if text.isdecimal() and int(text) < count:
        return int(text)
    hint = suggestion(text, names) or ""
    raise RefusedError(
        f"{where}: corrected must be a class from 0 to {count - 1} or its name, got {text!r}{hint}"
    )

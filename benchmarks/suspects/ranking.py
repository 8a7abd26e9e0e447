"""Rankings of training labels by how doubtful the cells of a results folder found them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import asdict
from numpy.typing import NDArray

from benchmarks.commands import command_line
from benchmarks.errors import RefusedError, refuse_unknown
from benchmarks.file_names import file_stem
from benchmarks.metrics import detection
from benchmarks.schema import ONE_SPLIT, UNKNOWN_CLASS, table_path
from benchmarks.store import Parts, PlannedCell, Record, read_plan
from benchmarks.sweep import REGISTRIES, Cell
from methods import Registry

KEYS = ("dataset", "noise", "model", "recipe", "method")
"""The keys that name a ranking: a method and its setting."""


CLEAN = "clean"
"""The noise whose labels are known to be right: it is ranked only when it is asked for."""


class CellFilter(NamedTuple):
    """The cells to take labels from: those with one of the values of each axis that has any.

    Without any noises, all are taken but ``clean``.
    """

    datasets: Sequence[str] = ()
    noises: Sequence[str] = ()
    methods: Sequence[str] = ()
    seeds: Sequence[int] = ()

    def axes(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield the name of each axis with its values."""
        return zip(("dataset", "noise", "method", "seed"), self, strict=True)

    def canonical(self) -> "CellFilter":
        """Return the same with specs as a results folder writes them."""
        datasets, noises, methods = (
            [_canonical(REGISTRIES[name], spec) for spec in values]
            for name, values in self.axes()
            if name in REGISTRIES
        )
        return CellFilter(datasets, noises, methods, self.seeds)

    def accepts(self, keys: Mapping[str, Any]) -> bool:
        """Return whether a cell with these keys is taken."""
        return (bool(self.noises) or keys["noise"] != CLEAN) and self.names(keys)

    def names(self, keys: Mapping[str, Any]) -> bool:
        """Return whether the values ask for a cell with these keys, be its labels clean or not."""
        return all(not values or keys[name] in values for name, values in self.axes())


def _canonical(registry: Registry[Any], spec: str) -> str:
    """Return the shortest spec of the same entry; a spec that builds none stays as it is."""
    with contextlib.suppress(ValueError):
        return registry.spec(registry.build(spec))
    return spec


@dataclass(frozen=True)
class LabelRanking:
    """One vector of given labels, ranked by how doubtful one method finds each.

    ``table`` has a row for each label, the most doubtful first: ``rank`` from 1, ``position`` in
    the training set as it is loaded, ``given``, ``predicted`` and ``true`` class, ``value`` of the
    score, ``cells`` that trained on it, and whether it is known to be ``wrong``. A cell says
    nothing of the images that it held out, so ``cells`` differs where the seeds hold out different
    ones, and those that all of them held out have no row.
    """

    cell: Cell  # the first that trained on these labels: it names dataset, noise and seed
    keys: Mapping[str, Any]
    seeds: tuple[int, ...]
    sha256: str  # of the given labels
    score: str
    table: pd.DataFrame
    held_out: NDArray[np.int64]  # positions of the labels that no cell trained on
    auroc: float  # of the score for wrong labels; nan where no label is known to be wrong
    ap: float  # likewise, average precision

    @property
    def title(self) -> str:
        """The setting, the method and the seeds in words."""
        seeds = "seed" if len(self.seeds) == 1 else "seeds"
        return f"{', '.join(self._names())}, {seeds} {', '.join(map(str, self.seeds))}"

    @property
    def stem(self) -> str:
        """The name of this ranking's files, without a suffix."""
        return file_stem(*self._names(), f"seed {self.seeds[0]}")

    @property
    def truth_unknown(self) -> bool:
        """Whether nobody knows any of the true labels."""
        return self.cell.dataset.truth == "unknown"

    @property
    def doubtful(self) -> int:
        """The number of labels to look at: as many as are known to be wrong.

        Where none is, as many as the method would give another class in the end.
        """
        wrong = int(self.table["wrong"].sum())
        return wrong or int((self.table["predicted"] != self.table["given"]).sum())

    def _names(self) -> list[str]:
        return [str(self.keys[name]) for name in KEYS]


class FinishedCells:
    """The finished cells of a results folder whose labels are to be ranked.

    Args:
        folder: a results folder with its parts.
        cells: which cells to take.

    Raises:
        RefusedError: there is none.
    """

    def __init__(self, folder: Path, cells: CellFilter) -> None:
        plan = read_plan(folder)
        self._folder, self._version = folder, plan.schema
        self._cells = {cell.cell_id: cell for cell in plan.cells}
        self._parts, cells = Parts(folder), cells.canonical()
        done = {i: meta for i, meta in self._parts.meta.items() if meta.status == "done"}
        finished = {i: done[i] for i in self._cells if i in done}  # in the order of the plan
        if not finished:
            raise RefusedError(_why_nothing_finished(folder, self._parts))
        _refuse_unknown_names(folder, [asdict(meta.keys) for meta in finished.values()], cells)
        self._meta = {i: m for i, m in finished.items() if cells.accepts(asdict(m.keys))}

    def any_truth(self) -> bool:
        """Return whether the true labels of any of the cells are known."""
        return any(meta.facts.truth != "unknown" for meta in self._meta.values())

    def damage(self) -> list[str]:
        """Return a line for each damaged part, whose cells are not ranked."""
        return self._parts.damage()

    def without(self, score: str) -> list[str]:
        """Return the methods that do not have a score, and so are not ranked by it."""
        lacking = (meta for meta in self._meta.values() if score not in meta.scores)
        return list(dict.fromkeys(meta.keys.method for meta in lacking))

    def rankings(self, score: str) -> Iterator[LabelRanking]:
        """Yield a ranking for every method and vector of given labels.

        Cells that trained on the same given labels by the same method are averaged: with human
        labels or those of one file that is every seed, with drawn noise each seed stands alone.

        Args:
            score: ``loss_mean``, the mean of ``-log p[given]`` over the evaluated epochs of the
                last stage, which memorising blurs least; ``loss``, the same at the end; ``own``,
                one less the method's own probability that the label is right, where it has one.

        Raises:
            RefusedError: no cell has the score.
        """
        groups: dict[tuple[Any, ...], list[str]] = {}
        for cell_id, meta in self._meta.items():
            group = (*(getattr(meta.keys, name) for name in KEYS), meta.facts.noise_sha256)
            groups.setdefault(group, []).append(cell_id)
        none_has_score = True
        for ids in groups.values():
            records = sorted(
                self._parts.trained(ids), key=lambda record: self._cells[record.cell_id].seed
            )
            if all(score in _scores(record) for record in records):
                none_has_score = False
                cell = built(self._folder, self._version, self._cells[records[0].cell_id])
                yield _averaged(cell, records, score)
        if none_has_score:
            raise RefusedError(self._why_no_score(score))

    def _why_no_score(self, score: str) -> str:
        if {name for meta in self._meta.values() for name in meta.scores} - {score}:
            return f"no method of {self._folder} has the score {score!r}; use loss_mean or loss"
        return (
            f"the parts of {self._folder} hold no scores of training labels: a version without the "
            "label audit wrote them; train the cells again in another --out"
        )


def _scores(record: Record) -> Sequence[str]:
    """Return the scores that a record holds for every training label."""
    whole = {"position", "noisy", "clean", "train_scores"} <= record.arrays.keys()
    return record.meta.scores if whole else ()


def built(folder: Path, version: int, entry: PlannedCell) -> Cell:
    """Return a cell of the plan of a folder, which is of a version of the results.

    Raises:
        RefusedError: it cannot be built, say because a plugin is missing, or it was trained on
            other images than its dataset has now.
    """
    try:
        cell = Cell.build(asdict(entry.specs), folder)
    except ValueError as error:
        raise RefusedError(
            f"{folder} holds a cell that cannot be built ({error})"
            f"{read_plan(folder).missing_plugins()}"
        ) from error
    if version < ONE_SPLIT and entry.dataset == "digits":
        raise RefusedError(
            f"{folder} was written by results version {version}, in which each seed had other "
            "training images of digits; train its cells again in another --out to audit them"
        )
    return cell


def _refuse_unknown_names(
    folder: Path, finished: Sequence[Mapping[str, Any]], cells: CellFilter
) -> None:
    """Refuse a request that no finished cell answers, and names in it that none of them has."""
    known = {name: {keys[name] for keys in finished} for name, _ in cells.axes()}
    refuse_unknown(f"no finished cell of {folder}", dict(cells.axes()), known)
    if any(map(cells.accepts, finished)):
        return
    if any(map(cells.names, finished)):
        raise RefusedError(
            f"{folder} has no finished cell with noisy labels among these: clean labels count as "
            "right and are ranked only when asked for, by --noises clean"
        )
    raise RefusedError(
        f"{folder} has finished cells with each of these names, but none with all of them together"
    )


def _why_nothing_finished(folder: Path, parts: Parts) -> str:
    """Say why there is no finished cell to rank the labels of."""
    if any((folder / "parts").glob("*.npz")):
        diverged = sum(meta.status == "diverged" for meta in parts.meta.values())
        when = f", as {diverged} diverged" if diverged else " yet"
        status = command_line("status", folder)
        return f"{folder} has no finished cell{when}: `{status}` says what is done"
    if table_path(folder, "results.csv").is_file():
        return (
            f"{folder} keeps its CSV files only, which do not say what was thought of every label: "
            "the audit needs the folder parts of the run"
        )
    return f"{folder} has no finished cell yet: it has no parts"


def _refuse_other_images(record: Record, size: int, classes: int) -> None:
    """Refuse a record of a training set that had more images or classes than it has now."""
    arrays = record.arrays
    bounds = {"position": size, "noisy": classes, "predicted": classes}
    for name, bound in bounds.items():
        if name in arrays and arrays[name].size and arrays[name].max() >= bound:
            keys = record.meta.keys
            raise RefusedError(
                f"the dataset {keys.dataset} has changed since the cell {keys.cell_id} was trained "
                f"on it: that has a {name} of {arrays[name].max()}, which must be below {bound}"
            )


def _averaged(cell: Cell, records: Sequence[Record], score: str) -> LabelRanking:
    """Rank labels by the mean score of the cells that trained on each."""
    size, classes = cell.dataset.sizes[0], cell.dataset.num_classes
    total, count = np.zeros(size), np.zeros(size, np.int64)
    votes = np.zeros((size, classes), np.int64)
    given, clean = np.full((2, size), -1)
    for record in records:
        arrays = record.arrays
        at = arrays["position"]
        _refuse_other_images(record, size, classes)
        total[at] += arrays["train_scores"][record.meta.scores.index(score)]
        count[at] += 1
        given[at], clean[at] = arrays["noisy"], arrays["clean"]
        if "predicted" in arrays:  # parts of earlier versions do not say
            votes[at, arrays["predicted"]] += 1
    seen = np.flatnonzero(count)
    value = total[seen] / count[seen]
    position = seen[np.argsort(-value, kind="stable")]
    majority = np.where(votes.any(1), votes.argmax(1), -1)  # the first of equals; -1 for none
    wrong = (given != clean) & (clean != UNKNOWN_CLASS)
    auroc, ap = detection(value, wrong[seen])
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(position) + 1),
            "position": position,
            "given": given[position],
            "predicted": majority[position],
            "true": clean[position],
            "value": total[position] / count[position],
            "cells": count[position],
            "wrong": wrong[position],
        }
    )
    seeds = tuple(record.meta.keys.seed for record in records)
    keys, held_out = asdict(records[0].meta.keys), np.flatnonzero(count == 0)
    sha256 = records[0].meta.facts.noise_sha256
    return LabelRanking(cell, keys, seeds, sha256, score, table, held_out, float(auroc), float(ap))

"""Rankings of training labels by how doubtful the cells of a results folder found them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import asdict

from benchmarks.errors import RefusedError
from benchmarks.metrics import detection
from benchmarks.store import Parts, Record, read_plan
from benchmarks.sweep import Cell
from methods.bounds import suggestion

KEYS = ("dataset", "noise", "model", "recipe", "method")
"""The keys that name a ranking: a method and its setting."""


class CellFilter(NamedTuple):
    """The cells to take labels from: those with one of the values of each axis that has any."""

    datasets: Sequence[str] = ()
    noises: Sequence[str] = ()
    methods: Sequence[str] = ()
    seeds: Sequence[int] = ()

    def accepts(self, keys: Mapping[str, Any]) -> bool:
        """Return whether a cell with these keys is taken."""
        axes = zip(("dataset", "noise", "method", "seed"), self, strict=True)
        return all(not values or keys[name] in values for name, values in axes)


@dataclass(frozen=True)
class LabelRanking:
    """One vector of given labels, ranked by how doubtful one method finds each.

    ``table`` has a row for each label, the most doubtful first: ``rank`` from 1, ``position`` in
    the publisher's order, ``given`` and ``predicted`` class, ``value`` of the score, ``cells`` that
    trained on it, and whether it is known to be ``wrong``. A cell says nothing of the images that
    it held out, so ``cells`` differs where the seeds hold out different ones.
    """

    cell: Cell  # the first that trained on these labels: it names dataset, noise and seed
    keys: Mapping[str, Any]
    seeds: tuple[int, ...]
    score: str
    table: pd.DataFrame
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
        return re.sub(r"\W+", "-", " ".join([*self._names(), f"seed {self.seeds[0]}"])).strip("-")

    def _names(self) -> list[str]:
        return [str(self.keys[name]) for name in KEYS]


def rank(folder: Path, cells: CellFilter, score: str) -> Iterator[LabelRanking]:
    """Yield a ranking for every method and vector of given labels.

    Cells that trained on the same given labels by the same method are averaged: with human or
    clean labels that is every seed, with drawn noise each seed stands alone.

    Args:
        folder: a results folder with its parts.
        cells: which cells to take.
        score: ``loss_mean``, the mean of ``-log p[given]`` over the epochs of the last stage, which
            memorising blurs least; ``loss``, the same at the end; ``own``, one less the method's
            own probability that the label is right, for methods that have one.

    Raises:
        RefusedError: no finished cell is taken, or none has the score.
    """
    plan = {cell.cell_id: cell for cell in read_plan(folder).cells}
    parts = Parts(folder)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for cell_id, meta in parts.meta.items():
        if cell_id in plan and meta.status == "done" and cells.accepts(asdict(meta.keys)):
            group = (*(getattr(meta.keys, name) for name in KEYS), meta.facts.noise_sha256)
            groups.setdefault(group, []).append(cell_id)
    if not groups:
        raise RefusedError(_why_none(folder, parts, cells))
    none_has_score = True
    for ids in groups.values():
        records = sorted(parts.trained(ids), key=lambda record: plan[record.cell_id].seed)
        if all(score in record.meta.scores for record in records):
            none_has_score = False
            yield _averaged(Cell.build(asdict(plan[records[0].cell_id].specs)), records, score)
    if none_has_score:
        raise RefusedError(f"no method of {folder} has the score {score!r}; use loss_mean or loss")


def _why_none(folder: Path, parts: Parts, cells: CellFilter) -> str:
    """Say why no cell is taken, with the nearest name there is."""
    finished = [asdict(meta.keys) for meta in parts.meta.values() if meta.status == "done"]
    for name, values in zip(("dataset", "noise", "method"), cells, strict=False):
        known = tuple(sorted({str(keys[name]) for keys in finished}))
        for value in values:
            if value not in known:
                hint = suggestion(str(value), known) or ";"
                return f"no finished cell of {folder} has the {name} {value!r}{hint} known: " + (
                    ", ".join(known) or "none"
                )
    return f"{folder} has no finished cell that fits; its parts are needed, not only its CSV files"


def _averaged(cell: Cell, records: Sequence[Record], score: str) -> LabelRanking:
    """Rank labels by the mean score of the cells that trained on each."""
    size, classes = cell.dataset.sizes[0], cell.dataset.num_classes
    total, count = np.zeros(size), np.zeros(size, np.int64)
    votes = np.zeros((size, classes), np.int64)
    given, clean = np.full((2, size), -1)
    for record in records:
        arrays = record.arrays
        at = arrays["position"]
        total[at] += arrays["train_scores"][record.meta.scores.index(score)]
        count[at] += 1
        given[at], clean[at] = arrays["noisy"], arrays["clean"]
        if "predicted" in arrays:  # parts of earlier versions do not say
            votes[at, arrays["predicted"]] += 1
    seen = np.flatnonzero(count)
    value = total[seen] / count[seen]
    position = seen[np.argsort(-value, kind="stable")]
    majority = np.where(votes.any(1), votes.argmax(1), -1)  # the first of equals; -1 for none
    wrong = given != clean
    auroc, ap = detection(value, wrong[seen])
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(position) + 1),
            "position": position,
            "given": given[position],
            "predicted": majority[position],
            "value": total[position] / count[position],
            "cells": count[position],
            "wrong": wrong[position],
        }
    )
    seeds = tuple(record.meta.keys.seed for record in records)
    keys = asdict(records[0].meta.keys)
    return LabelRanking(cell, keys, seeds, score, table, float(auroc), float(ap))

"""Rank training labels by how doubtful the finished cells of a results folder found them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.errors import RefusedError
from benchmarks.metrics import detection
from benchmarks.store import Parts, Record, read_plan
from benchmarks.sweep import Cell
from methods.bounds import suggestion

PLACE = ("dataset", "noise", "model", "recipe", "method")
SCORES = ("loss_mean", "loss", "own")


class Wanted(NamedTuple):
    """Which cells to ask; what is empty asks all."""

    datasets: Sequence[str] = ()
    noises: Sequence[str] = ()
    methods: Sequence[str] = ()
    seeds: Sequence[int] = ()

    def has(self, keys: Mapping[str, Any]) -> bool:
        """Whether a cell is among them."""
        axes = zip(("dataset", "noise", "method", "seed"), self, strict=True)
        return all(not values or keys[name] in values for name, values in axes)


@dataclass(frozen=True)
class Suspects:
    """What one method makes of one vector of given labels, over all seeds that trained on it.

    ``position`` counts in the publisher's order. A cell says nothing of the images that it held
    out, so ``cells`` differs between images where the seeds hold out different ones.
    """

    cell: Cell  # the first of them: names dataset, noise and seed of the labels
    keys: Mapping[str, Any]
    seeds: tuple[int, ...]
    score: str
    table: (
        pd.DataFrame
    )  # rank, position, given, predicted, value, cells, wrong; most doubtful first
    auroc: float  # nan where no label is known to be wrong
    ap: float

    @property
    def title(self) -> str:
        """The labels and the method in words."""
        seeds = "seed" if len(self.seeds) == 1 else "seeds"
        named = ", ".join(str(self.keys[name]) for name in PLACE)
        return f"{named}, {seeds} {', '.join(map(str, self.seeds))}"

    @property
    def stem(self) -> str:
        """A file name of its own."""
        words = [str(self.keys[name]) for name in PLACE] + [f"seed {self.seeds[0]}"]
        return re.sub(r"\W+", "-", " ".join(words)).strip("-")


def rank(folder: Path, wanted: Wanted, score: str) -> Iterator[Suspects]:
    """Yield the labels of every method and label vector, most doubtful first.

    Cells that trained on the same given labels by the same method are averaged: with human or
    clean labels that is every seed, with drawn noise each seed stands alone.

    Args:
        folder: a results folder with its parts.
        wanted: which cells.
        score: ``loss_mean``, the mean of ``-log p[given]`` over the epochs of the last stage, which
            memorising blurs least; ``loss``, the same at the end; ``own``, one less the method's
            own probability that the label is right, for methods that have one.

    Raises:
        RefusedError: no finished cell is wanted, or none has the score.
    """
    plan = {cell["cell_id"]: cell for cell in read_plan(folder)["cells"]}
    parts = Parts(folder)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for cell_id, meta in parts.meta.items():
        if cell_id in plan and meta["status"] == "done" and wanted.has(meta["keys"]):
            place = (*(meta["keys"][name] for name in PLACE), meta["facts"]["noise_sha256"])
            groups.setdefault(place, []).append(cell_id)
    if not groups:
        raise RefusedError(_nothing(folder, parts, wanted))
    found = False
    for ids in groups.values():
        records = [parts.trained(i) for i in sorted(ids, key=lambda i: plan[i]["seed"])]
        if all(score in record.meta["scores"] for record in records):
            found = True
            yield _together(Cell.build(plan[records[0].cell_id]["specs"]), records, score)
    if not found:
        raise RefusedError(f"no method of {folder} has the score {score!r}; use loss_mean or loss")


def _nothing(folder: Path, parts: Parts, wanted: Wanted) -> str:
    """Say why nothing is ranked, with the nearest name there is."""
    finished = [meta["keys"] for meta in parts.meta.values() if meta["status"] == "done"]
    for name, values in zip(("dataset", "noise", "method"), wanted, strict=False):
        known = tuple(sorted({str(keys[name]) for keys in finished}))
        for value in values:
            if value not in known:
                hint = suggestion(str(value), known) or ";"
                return f"no finished cell of {folder} has the {name} {value!r}{hint} known: " + (
                    ", ".join(known) or "none"
                )
    return f"{folder} has no finished cell that fits; its parts are needed, not only its CSV files"


def _together(cell: Cell, records: Sequence[Record], score: str) -> Suspects:
    """Average what cells with the same given labels say of each image."""
    size, classes = cell.dataset.sizes[0], cell.dataset.num_classes
    total, count = np.zeros(size), np.zeros(size, np.int64)
    votes = np.zeros((size, classes), np.int64)
    given, clean = np.full((2, size), -1)
    for record in records:
        arrays = record.arrays
        at = arrays["position"]
        total[at] += arrays["train_scores"][record.meta["scores"].index(score)]
        count[at] += 1
        given[at], clean[at] = arrays["noisy"], arrays["clean"]
        if "predicted" in arrays:  # parts of earlier versions do not say
            votes[at, arrays["predicted"]] += 1
    seen = np.flatnonzero(count)
    value = total[seen] / count[seen]
    place = seen[np.argsort(-value, kind="stable")]
    wrong = given != clean
    auroc, ap = detection(value, wrong[seen])
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(place) + 1),
            "position": place,
            "given": given[place],
            "predicted": _winner(votes[place]),
            "value": total[place] / count[place],
            "cells": count[place],
            "wrong": wrong[place],
        }
    )
    seeds = tuple(record.meta["keys"]["seed"] for record in records)
    return Suspects(cell, records[0].meta["keys"], seeds, score, table, float(auroc), float(ap))


def _winner(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class with most votes, the first of equals; -1 without votes."""
    found: NDArray[np.int64] = np.where(votes.any(1), votes.argmax(1), -1)
    return found

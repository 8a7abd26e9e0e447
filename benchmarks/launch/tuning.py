"""The trials of the profile ``tuned``, in a results folder of their own, and the best of them.

Trials are cells like any others, trained and kept in ``tuning`` within the results folder, so they
resume. What is chosen follows from their parts; ``tuning.csv`` beside them says it.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.errors import RefusedError
from benchmarks.outputs import write_atomically
from benchmarks.profiles import Tuned
from benchmarks.profiles.search import candidates
from benchmarks.store import Parts
from benchmarks.sweep import Cell, label_space
from methods import METHODS

FOLDER = "tuning"
TABLE = "tuning.csv"
AXES = ("dataset", "noise", "model", "recipe", "method")
COLUMNS = (
    *AXES,
    *("trial", "trials", "seed", "cell_id", "method_spec", "status", "val_acc", "chosen"),
)


class Search(NamedTuple):
    """The trials of one method in one setting; a spec with fields counts as a method."""

    keys: tuple[Any, ...]  # values of AXES
    trials: tuple[Cell, ...]


def trials(cells: Sequence[Cell], profile: Tuned) -> list[Cell]:
    """Return the trials that must be trained before these cells can be, each once.

    Raises:
        RefusedError: a recipe holds no validation labels out to judge them by, or the noise does
            not fit the seed of the trials.
    """
    for recipe in {cell.recipe for cell in cells}:
        if not recipe.val_fraction:
            raise RefusedError(
                f"the profile tuned needs validation labels and {type(recipe).__name__}."
                "val_fraction is 0.0; use a recipe with, say, val_fraction=0.1"
            )
    try:
        for dataset, noise in dict.fromkeys((cell.dataset, cell.noise) for cell in cells):
            noise.check(label_space(dataset), [profile.seed])
    except ValueError as error:
        raise RefusedError(f"trials at seed {profile.seed}: {error}") from error
    searches = _searches(cells, profile)
    return list(dict.fromkeys(trial for search in searches for trial in search.trials))


def _searches(cells: Sequence[Cell], profile: Tuned) -> Iterator[Search]:
    first: dict[tuple[Any, ...], Cell] = {}  # of the seeds
    for cell in cells:
        first.setdefault(_axes_of(cell), cell)
    for keys, cell in first.items():
        fixed = METHODS.explicit(keys[-1])[1]
        methods = candidates(cell.method, fixed, profile.trials)
        base = replace(cell, seed=profile.seed, asked="", profile="trial")
        yield Search(keys, tuple(replace(base, method=method) for method in methods))


def _axes_of(cell: Cell) -> tuple[Any, ...]:
    keys = cell.keys()
    return tuple(keys[name] for name in AXES)


def chosen(cells: Sequence[Cell], profile: Tuned, folder: Path) -> list[Cell]:
    """Return the cells with the best trials' hyper-parameters, read from the trials' folder.

    Raises:
        RefusedError: trials are missing.
    """
    parts = Parts(folder)
    searches = list(_searches(cells, profile))
    missing = sum(trial.id not in parts.meta for each in searches for trial in each.trials)
    if missing:
        raise RefusedError(f"{folder} lacks {missing} trials; `run` trains them")
    best = {search.keys: search.trials[_judged(search, parts)[1]].method for search in searches}
    axes = map(_axes_of, cells)
    return [
        replace(cell, method=best[keys], asked=keys[-1])
        for cell, keys in zip(cells, axes, strict=True)
    ]


def _score(parts: Parts, cell_id: str) -> float:
    """Return a trial's accuracy on noisy validation labels after the last epoch; else NaN."""
    if parts.meta[cell_id].status != "done":
        return math.nan
    (record,) = parts.trained([cell_id])
    last = record.arrays["selected"][record.meta.selections.index("last")]
    accuracy = record.arrays["curves"][last, record.meta.curves.index("val_acc")]
    return float(accuracy)


def _judged(search: Search, parts: Parts) -> tuple[list[float], int]:
    """Return the trials' scores and the first of the best trials, of all if none finished."""
    scores = [_score(parts, trial.id) for trial in search.trials]
    known = [-math.inf if math.isnan(score) else score for score in scores]
    return scores, known.index(max(known))


def write(cells: Sequence[Cell], profile: Tuned, folder: Path) -> None:
    """Write ``tuning.csv``: one row for each trial, and which was chosen."""
    block = io.StringIO()
    writer = csv.DictWriter(block, COLUMNS, lineterminator="\n")
    writer.writeheader()
    parts = Parts(folder)
    for search in sorted(_searches(cells, profile), key=lambda search: search.keys):
        scores, best = _judged(search, parts)
        writer.writerows(
            {
                **dict(zip(AXES, search.keys, strict=True)),
                "trial": number,
                "trials": len(search.trials),
                "seed": trial.seed,
                "cell_id": trial.id,
                "method_spec": trial.method_spec,
                "status": parts.meta[trial.id].status,
                "val_acc": "" if math.isnan(score) else f"{score:.9g}",
                "chosen": int(number == best),
            }
            for number, (trial, score) in enumerate(zip(search.trials, scores, strict=True))
        )
    write_atomically(folder / TABLE, block.getvalue().encode())

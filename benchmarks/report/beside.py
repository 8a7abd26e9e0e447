"""Cells of another results folder among those of this one, where they are comparable."""

from typing import NamedTuple

import pandas as pd

from benchmarks.errors import some
from benchmarks.store import PlanFile

Tables = dict[str, pd.DataFrame]

PLACE = ["dataset", "noise", "model", "recipe"]
"""The columns of a setting."""
SAME = [
    *("noise_sha256", "n_train", "n_test", "metric_spec", "profile"),
    *("spelled_model", "spelled_recipe"),
]
"""What cells of one setting and seed must have in common to be compared, in the order of asking."""
REASONS = {
    "noise_sha256": "other labels",
    "n_train": "another number of training images",
    "n_test": "another number of test images",
    "metric_spec": "other definitions of the metrics",
    "profile": "another profile of hyper-parameters",
    "spelled_model": "another model",
    "spelled_recipe": "another recipe",
}


class Beside(NamedTuple):
    """The methods that were taken from another folder, and what could not be."""

    name: str  # of the folder
    methods: tuple[str, ...]
    cells: int
    left_out: tuple[str, ...]  # a sentence for each setting


class Folder(NamedTuple):
    """The tables of a results folder as they were read, and its plan, if it has one."""

    tables: Tables
    plan: PlanFile | None

    def cells(self) -> pd.DataFrame:
        """Return a row for each cell, with its model and recipe spelled out where that is known."""
        rows = self.tables["results.csv"].drop_duplicates("cell_id").set_index("cell_id")
        planned = self.plan.cells if self.plan else ()
        for name in ("model", "recipe"):
            known = {cell.cell_id: getattr(cell.specs, name) for cell in planned}
            shown = zip(rows.index, rows[name], strict=True)
            rows[f"spelled_{name}"] = [known.get(str(i), short) for i, short in shown]
        return rows


def joined(own: Folder, other: Folder, name: str) -> tuple[Tables, Beside]:
    """Return the tables of a folder with comparable cells of another one, and what these are.

    Cells are comparable that have the same dataset, noise and seed, and agree in ``SAME``. Of a
    method that this folder has, none is taken.

    Args:
        own: the folder that a report is of.
        other: the folder whose methods stand beside.
        name: what the report calls it.
    """
    mine, theirs = own.cells(), other.cells()
    kept: list[str] = []
    left_out: list[str] = []
    theirs = theirs[~theirs["method"].isin(mine["method"])]
    for place, here in mine[mine["noise_sha256"] != ""].groupby(PLACE, sort=False):
        at = dict(zip(PLACE, map(str, place), strict=True))
        there = theirs[(theirs["dataset"] == at["dataset"]) & (theirs["noise"] == at["noise"])]
        fits, reason = _comparable(here, there)
        kept += fits
        if reason:
            left_out.append(f"{at['dataset']}, {at['noise']}: {name} has {reason}.")
    tables = {n: _with(own.tables[n], other.tables[n], theirs, kept) for n in own.tables}
    methods = tuple(dict.fromkeys(theirs.loc[kept, "method"]))
    return tables, Beside(name, methods, len(kept), tuple(left_out))


def _comparable(here: pd.DataFrame, there: pd.DataFrame) -> tuple[list[str], str]:
    """Return the ids of the cells there that compare with those here, and why others do not."""
    if there.empty:
        return [], "no cell of it"
    same = there[there["model"].isin(here["model"]) & there["recipe"].isin(here["recipe"])]
    if same.empty:
        return [], f"it with {_kinds(there)}"
    same = same[same["seed"].isin(here["seed"])]
    if same.empty:
        return [], "it at other seeds"
    expected = here.drop_duplicates("seed").set_index("seed")[SAME]
    unlike = same[SAME].ne(expected.loc[same["seed"]].set_axis(same.index))
    fits = same.index[~unlike.any(axis=1)]
    faults = [
        f"{REASONS[column]} at seed{'s' * (len(seeds) > 1)} {some(seeds)}"
        for column in SAME
        if (seeds := sorted(set(same.loc[unlike[column], "seed"])))
    ]
    return [str(i) for i in fits], "; ".join(faults[:1])


def _kinds(there: pd.DataFrame) -> str:
    models, recipes = (sorted(set(there[name])) for name in ("model", "recipe"))
    return f"the model {some(models)} and the recipe {some(recipes)}"


def _with(
    own: pd.DataFrame, other: pd.DataFrame, theirs: pd.DataFrame, kept: list[str]
) -> pd.DataFrame:
    """Return a table with the rows of the kept cells; of pooled rows those whose seeds all are."""
    if "cell_id" not in other:  # its rows pool the seeds of a method in a setting
        keys = [*PLACE, "method"]
        taken = theirs.assign(kept=theirs.index.isin(kept)).groupby(keys)["kept"].all()
        whole = taken.index[taken]
        more = other[pd.MultiIndex.from_frame(other[keys]).isin(whole)] if len(other) else other
    else:
        more = other[other["cell_id"].isin(kept)]
    parts = [table for table in (own, more) if len(table)]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else (parts or [own])[0]

"""A cell of a results folder as the run of a tracker: parameters, metrics and curves."""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import schema
from benchmarks.report.data import TEXT, checked_table, planned
from benchmarks.report.data import suite_of as _suite_of
from benchmarks.store.plan_file import fields_of

FORMAT = 1
"""Raised when runs are made otherwise of the same cells, so that those in stores are replaced."""

AXES = {"dataset": "dataset", "noise": "noise", "model": "model", "method": "method_spec"}
"""The column whose spec has the fields of each part of a cell."""

PARAMETERS = (*schema.KEYS[1:], "profile", "privileges", "precision", "n_train", "n_test")
"""The columns of ``results.csv`` that are parameters of a run."""

FACTS = ("status", "reason", "metric_spec", "noise_sha256")
"""The columns that are known of a run beside its numbers."""

MEASURED = ("noise_rate_realised", *schema.METRICS)
"""The columns that are final metrics, under the name of the selection."""

PRIVATE = "host"
"""The column of ``costs.csv`` that stays here: stores are shared."""

Value = str | int | float | bool


class CellRun(NamedTuple):
    """A cell that ended, as plain values that any tracker can write."""

    cell_id: str
    ended: float  # when, in seconds since 1970 in UTC; 0 where nobody recorded it
    parameters: Mapping[str, Value]  # of the cell; method.beta for a field of its method
    facts: Mapping[str, str]  # status, versions, hardware
    epoch: int  # the last one; 0 where it has no curve
    metrics: Mapping[str, float]  # last/acc, oracle/acc, detection/auroc_loss, cost/train_seconds
    curves: Mapping[int, Mapping[str, float]]  # epoch/acc by epoch
    sha256: str  # of all of these, 16 hex digits

    @property
    def failed(self) -> bool:
        """Whether it has no numbers, for its training failed."""
        return self.facts["status"] == "failed"


def suite_of(tables: Path, folder: Path) -> str:
    """Return the name of what was run: the suite's, or without a plan the folder's.

    Args:
        tables: a folder with the CSV files.
        folder: the results folder that they are of.
    """
    return _suite_of(folder, planned(tables))


def cell_runs(folder: Path) -> Iterator[CellRun]:
    """Yield a run for each cell of ``results.csv``, in its order.

    Raises:
        RefusedError: a table is missing or has other columns than the schema names.
    """
    plan = planned(folder)
    recipes = {cell.recipe: cell.specs.recipe for cell in plan.cells} if plan else {}
    names = ("results.csv", "curves.csv", "detection.csv", "costs.csv")
    results, *others = (checked_table(folder, name) for name in names)
    curves, detection, costs = (dict(iter(t.groupby("cell_id"))) for t in others)
    none = pd.DataFrame()
    for cell_id, rows in results.groupby("cell_id", sort=False):
        cost = _known(costs[cell_id].iloc[0]) if cell_id in costs else {}
        by_epoch = dict(_curves(curves.get(cell_id, none)))
        facts = {name: str(rows[name].iloc[0]) for name in FACTS}
        facts |= {n: f"{v:g}" if n == "cores" else str(v) for n, v in cost.items() if _is_fact(n)}
        parts = (
            _parameters(_known(rows.iloc[0]), recipes),
            {name: value for name, value in facts.items() if value},
            max(by_epoch, default=0),
            dict(_final(rows, detection.get(cell_id, none), cost)),
            by_epoch,
        )
        ended = _seconds(str(cost.get("finished_utc", "")))
        yield CellRun(str(cell_id), ended, *parts, _digest(ended, *parts))


def _known(row: "pd.Series[Any]") -> dict[str, Any]:
    """Return what is not blank of a row."""
    return {str(name): value for name, value in row.items() if pd.notna(value) and value != ""}


def _is_fact(column: str) -> bool:
    """Tell whether a column of ``costs.csv`` tells with what a cell was trained."""
    return column in TEXT - {"cell_id", "status", PRIVATE} or column == "cores"


def _parameters(row: Mapping[str, Any], recipes: Mapping[str, str]) -> dict[str, Value]:
    """Return what a cell is: its keys, and every field of its parts that is spelled out."""
    parameters = {name: _plain(row[name]) for name in PARAMETERS if name in row}
    specs = {axis: str(row.get(column, "")) for axis, column in AXES.items()}
    specs["recipe"] = recipes.get(str(row["recipe"]), str(row["recipe"]))
    for axis, spec in specs.items():
        for name, value in fields_of(spec)[1].items():
            parameters[f"{axis}.{name}"] = _plain(value)
    return parameters


def _plain(value: object) -> Value:
    """Return a value as one of Python's own types."""
    own = value.item() if isinstance(value, np.generic) else value
    return own if isinstance(own, str | int | float | bool) else repr(own)


def _final(
    rows: pd.DataFrame, detection: pd.DataFrame, cost: Mapping[str, Any]
) -> Iterator[tuple[str, float]]:
    """Yield the metrics of every selection, of detection, and what training took."""
    for row in rows.to_dict("records"):
        for name in (*MEASURED, "epoch"):
            if not math.isnan(row[name]):
                yield f"{row['selection']}/{name}", float(row[name])
    for row in detection.to_dict("records"):
        for name in ("auroc", "ap", "missed"):
            if not math.isnan(row[name]):
                yield f"detection/{name}_{row['score']}", float(row[name])
    for name, value in cost.items():
        if name not in TEXT | {"cell_id", "status", "cores"}:
            yield f"cost/{name}", float(value)


def _curves(rows: pd.DataFrame) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield every epoch with what was measured after it."""
    if rows.empty:
        return
    names = [f"epoch/{name}" for name in schema.CURVES[len(schema.KEYS) + 1 :]]
    values = rows[list(schema.CURVES[len(schema.KEYS) + 1 :])].to_numpy("float64").tolist()
    for epoch, own in zip(rows["epoch"].tolist(), values, strict=True):
        yield int(epoch), {n: v for n, v in zip(names, own, strict=True) if not math.isnan(v)}


def _seconds(moment: str) -> float:
    """Return the seconds since 1970 of an ISO time in UTC; 0 of a text that is none."""
    try:
        return dt.datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def _digest(*content: object) -> str:
    text = json.dumps([FORMAT, *content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

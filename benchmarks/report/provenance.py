"""Where, when and with what the cells were trained: from what is stored, never from this machine.

Everything is read from ``costs.csv`` and ``results.csv``, so a report that is built elsewhere, or
later, says the same to the byte.
"""

import pandas as pd

from benchmarks.errors import count
from benchmarks.report.data import Run
from benchmarks.report.phrases import BLANK
from benchmarks.report.render import Block
from benchmarks.report.tables import Table, unmarked

MACHINE = {
    "host": "Host",
    "device": "Device",
    "cpu": "CPU",
    "cores": "Cores",
    "system": "System",
}
SOFTWARE = {
    "commit": "Commit",
    "driver": "Driver",
    "precision": "Precision",
    "python": "Python",
    "torch": "torch",
    "packages": "Packages",
}
DIRTY = "-dirty"
_NOTE = (
    "From costs.csv and results.csv. Training and evaluation: wall time added up over "
    "cells, whatever ran beside them. First, last: when a cell was finished, in UTC. A dash: "
    "not recorded."
)


def section(run: Run) -> list[Block]:
    """Return the summary, the machines and the software."""
    rows = _rows(run)
    if rows.empty:
        return ["Nothing was recorded: the folder has no costs.csv, or none of its cells is in it."]
    return [_summary(rows), "### Machines", _machines(rows), "### Software", _software(rows)]


def _rows(run: Run) -> pd.DataFrame:
    """Return the recorded cells of the run with their precision, and a dash for each blank."""
    known = run.cells[["cell_id", "precision"]]
    rows = run.costs.merge(known, on="cell_id").sort_values("cell_id")
    rows["cores"] = ["" if n != n else f"{n:.0f}" for n in rows["cores"].astype(float)]  # noqa: PLR0124
    for name in (*MACHINE, *SOFTWARE):
        rows[name] = rows[name].replace("", BLANK)
    return rows


def _summary(rows: pd.DataFrame) -> str:
    """Return a sentence on how much was computed when, and one on the state of the code."""
    trained, evaluated = (rows[f"{part}_seconds"].astype(float).sum() for part in ("train", "eval"))
    when = sorted(set(rows["finished_utc"]) - {""})
    dates = f", finished between {_moment(when[0])} and {_moment(when[-1])} UTC" if when else ""
    dirty = int(rows["commit"].str.endswith(DIRTY).sum())
    state = "All by code that is committed."
    if dirty:
        state = f"{dirty} by code with uncommitted changes (`{DIRTY}`)."
    if (rows["commit"] == BLANK).all():
        state = "No commit was recorded: the code was not in a git repository."
    return (
        f"{count(len(rows), 'cell')}{dates}: {_duration(trained)} of training and "
        f"{_duration(evaluated)} of evaluation. {state}"
    )


def _machines(rows: pd.DataFrame) -> Table:
    """Return a row for each machine: cells, wall time, first and last moment."""
    groups = list(rows.groupby(list(MACHINE), sort=True))
    lines = []
    for key, own in groups:
        when = sorted(set(own["finished_utc"]) - {""})
        peak = own["peak_memory_mb"].astype(float).max()
        lines.append(
            dict(zip(MACHINE.values(), map(str, key), strict=True))
            | {"Cells": str(len(own))}
            | {"Training": _duration(own["train_seconds"].astype(float).sum())}
            | {"Evaluation": _duration(own["eval_seconds"].astype(float).sum())}
            | {"Peak memory": f"{peak:.0f} MB" if peak > 0 else BLANK}
            | {"First": _moment(when[0]) if when else BLANK}
            | {"Last": _moment(when[-1]) if when else BLANK}
        )
    text = pd.DataFrame(lines).set_index("Host")
    return unmarked(text, text, (_NOTE,))


def _software(rows: pd.DataFrame) -> Table:
    """Return a row for each state of code and versions, and how many cells it trained."""
    lines = [
        dict(zip(SOFTWARE.values(), map(str, key), strict=True)) | {"Cells": str(len(own))}
        for key, own in rows.groupby(list(SOFTWARE), sort=True)
    ]
    note = (
        "Driver: one_by_one trains one cell at a time, stack several at once (once called "
        "reference and packed), with graph and deterministic where asked for."
    )
    text = pd.DataFrame(lines).set_index("Commit")
    return unmarked(text, text, (note,))


def _moment(stamp: str) -> str:
    """Return ``2026-11-25 06:17`` for an ISO time of UTC."""
    return stamp[:16].replace("T", " ")


def _duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> [_duration(s) for s in (0.0, 12.34, 90, 5400, 1e6)]
    ['0.0 s', '12.3 s', '1.5 min', '1.5 h', '277.8 h']
    """
    for size, name in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"

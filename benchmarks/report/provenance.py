"""Where, when and with what the cells were trained: from what is stored, never from this machine.

Everything is read from ``costs.csv`` and ``results.csv``, so a report that is built elsewhere, or
later, says the same to the byte.
"""

import pandas as pd

from benchmarks.errors import count
from benchmarks.report.data import Run
from benchmarks.report.phrases import BLANK
from benchmarks.report.render import Block, Words
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
    "From costs.csv and results.csv. First, last: when a cell was finished, in UTC. A dash: not "
    "recorded. Seconds are not told, as other cells trained beside each."
)


def section(run: Run) -> list[Block]:
    """Return the summary, the machines and the software."""
    rows, licences = _rows(run), Words(_licences(run))
    if rows.empty:
        missing = (
            "Nothing was recorded: the folder has no costs.csv, or none of its cells is in it."
        )
        return [missing, licences]
    tables: list[Block] = ["### Machines", _machines(rows), "### Software", _software(rows)]
    return [_summary(rows), licences, *tables]


def _licences(run: Run) -> str:
    """Say under which licence the images are that the numbers are of."""
    unknown = "not recorded (data info tells)"
    said = [f"{run.images[name]}: {run.licences.get(name, unknown)}" for name in run.datasets]
    return f"Licence of the images: {'; '.join(said)}."


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
    when = sorted(set(rows["finished_utc"]) - {""})
    dates = f", finished between {_moment(when[0])} and {_moment(when[-1])} UTC" if when else ""
    dirty = int(rows["commit"].str.endswith(DIRTY).sum())
    state = "All by code that is committed."
    if dirty:
        state = f"{dirty} by code with uncommitted changes (`{DIRTY}`)."
    if (rows["commit"] == BLANK).all():
        state = "No commit was recorded: the code was not in a git repository."
    began = rows.loc[rows["earlier"] != "", "earlier"].value_counts().sort_index()
    elsewhere = [
        f" {count(number, 'cell')} went on from a checkpoint of another environment: {words}."
        for words, number in began.items()
    ]
    return f"{count(len(rows), 'cell')}{dates}. {state}{''.join(elsewhere)}"


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

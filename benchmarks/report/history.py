"""The history of a suite: a value for each run, method and metric, and where it changed.

Change points are those of ``ruptures``, which is imported when one is looked for: it is optional.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.errors import RefusedError, bounded
from benchmarks.inputs import InputError, read_table, read_text
from benchmarks.schema import METRICS, Metric, history_places

COLUMNS = (
    *("time", "branch", "run", "commit", "suite", "method", "metric", "value"),
    *("settings", "seeds"),
)
"""``branch`` is what Apache Otava tells the series of one file apart by."""
TRACKED = METRICS | {"auroc": Metric("auroc", "AUROC", "higher", False, "of wrong labels")}
"""The metrics that a report can name."""
SHORTEST = 5
"""The fewest runs between two change points, so that a single odd run is none."""
_COUNT = re.compile(r"[0-9]{1,9}")
_MOST = 10
"""The most change points of a series that are sought."""
_PENALTY = 18.0
"""Of a change point: in one series of 1,000 without a change, of 20 runs or of 500, one is found.

Simulated, as ``tests/report/test_history.py`` does in small.
"""


class Change(NamedTuple):
    """A change point: a series, its first run after it, and the medians before and after."""

    method: str
    metric: str
    first: pd.Series
    before: float
    after: float


def path_of(folder: Path) -> Path | None:
    """Return the history that a report shows: in its results folder or beside it, if one is."""
    return next((p for p in history_places(folder) if p.is_file() and is_history(p)), None)


def is_history(path: Path) -> bool:
    """Return whether a file begins as a history does, so that it is not a user's own."""
    try:
        return read_text(path).partition("\n")[0].strip() == ",".join(COLUMNS)
    except InputError:
        return False


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a history, in the order of time.

    Raises:
        InputError: it is none, or a value or a time is not one.
    """
    table = read_table(path)
    if table.header != COLUMNS:
        raise InputError(path, f"is no history: its columns are not {', '.join(COLUMNS)}")
    for k, row in enumerate(table.rows):
        if reason := _fault(dict(zip(COLUMNS, row, strict=True))):
            raise table.fault(k, reason)
    rows = pd.DataFrame(table.rows, columns=list(COLUMNS), dtype="str")
    numbers = {"value": "float64", "settings": "int64", "seeds": "int64"}
    rows = rows.astype(numbers).assign(time=[datetime.fromisoformat(t) for t in rows["time"]])
    return rows.sort_values("time", kind="stable", ignore_index=True)


def _fault(row: dict[str, str]) -> str:
    """Say what is wrong with a row; nothing where nothing is."""
    try:
        if datetime.fromisoformat(row["time"]).tzinfo is None:
            return f"the time {row['time']!r} has no zone"
    except ValueError:
        return f"{row['time']!r} is no time"
    counts = [row[name] for name in ("settings", "seeds")]
    if wrong := [text for text in counts if not _COUNT.fullmatch(text)]:
        return f"{bounded(repr(wrong[0]))} is no whole number of at most nine digits"
    try:
        finite = math.isfinite(float(row["value"]))
    except ValueError:
        finite = False
    return "" if finite else f"the value {row['value']!r} is no finite number"


def line(values: Sequence[object]) -> str:
    """Return a row as a line of the file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def of_suite(rows: pd.DataFrame, suite: str) -> pd.DataFrame:
    """Return the runs of a suite that are like the last one, numbered by ``number`` from 1.

    Where a method has other settings or seeds than in its last run, its value is another mean.
    """
    own = rows[(rows["suite"] == suite) & rows["metric"].isin(list(TRACKED))]
    shape = own.groupby("branch")[["settings", "seeds"]].transform("last")
    own = own[(own[["settings", "seeds"]] == shape).all(axis=1)]
    return own.assign(number=pd.factorize(own["run"])[0] + 1).reset_index(drop=True)


def changes(rows: pd.DataFrame) -> Iterator[Change]:
    """Yield the change points of each series.

    Raises:
        RefusedError: ``ruptures`` is not installed.
    """
    for _, own in rows.groupby("branch", sort=False):
        values = own["value"].to_numpy()
        ends = [0, *change_points(values), len(values)]
        for before, first, after in zip(ends, ends[1:], ends[2:], strict=False):
            medians = (
                float(np.median(part)) for part in (values[before:first], values[first:after])
            )
            row = own.iloc[first]
            yield Change(str(row["method"]), str(row["metric"]), row, *medians)


def change_points(values: NDArray[np.float64]) -> list[int]:
    """Return where a series changes: the first place after each change.

    Formula: of the ranks, segmented into ``K + 1`` parts of the least squares ``RSS_K`` about
    their means, the ``K`` of the least ``n log RSS_K + 18 K``. Ranks, and parts that are not too
    short, so that an odd run changes nothing. Ranks hide how far apart two runs are, so each
    change is then moved to where the values deviate least from the medians of its two parts.

    Raises:
        RefusedError: ``ruptures`` is not installed.
    """
    n = len(values)
    if n < 2 * SHORTEST or np.ptp(values) == 0:
        return []
    try:
        import ruptures  # noqa: PLC0415  optional
    except ModuleNotFoundError as error:
        raise RefusedError(
            "change points need ruptures, which the extra 'history' installs"
        ) from error
    ranks = np.asarray(pd.Series(values).rank(), np.float64)
    search = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST).fit(ranks[:, None])
    found = [[n]] + [search.predict(n_bkps=k) for k in range(1, min(_MOST, n // SHORTEST - 1) + 1)]
    criteria = [n * math.log(_squares(ranks, ends)) + _PENALTY * len(ends) for ends in found]
    ends = [0, *found[int(np.argmin(criteria))]]
    for place in range(1, len(ends) - 1):
        start, end = ends[place - 1], ends[place + 1]
        nearer = ruptures.Dynp(model="l1", min_size=SHORTEST, jump=1).fit(values[start:end])
        ends[place] = start + int(nearer.predict(n_bkps=1)[0])
    return ends[1:-1]


def _squares(ranks: NDArray[np.float64], ends: Sequence[int]) -> float:
    """Return the squares about the means of parts, or hardly more than none."""
    parts = np.split(ranks, ends[:-1])
    return max(sum(float(part.var()) * len(part) for part in parts), 1e-6)

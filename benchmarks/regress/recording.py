"""A run as lines of a history: one for each method and metric, each run once."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

import filelock
import numpy as np

from benchmarks.errors import RefusedError
from benchmarks.inputs import InputError, read_bytes
from benchmarks.outputs import make_folder, write_atomically, writing
from benchmarks.regress.gates import TRACKED
from benchmarks.report import history
from benchmarks.report.data import costs, of_one_truth, outcomes, planned, suite_of
from benchmarks.schema import table_path

Line = tuple[object, ...]


def record(path: Path, folder: Path, seeds: Collection[int]) -> int:
    """Append a run to a history unless it is in it, and return how many lines that took.

    Args:
        path: the history; a new one where there is none.
        folder: the results folder of the run.
        seeds: whose cells count.

    Raises:
        RefusedError: the file is something else, or nothing says when the run ended.
    """
    make_folder(path.absolute().parent)
    with writing(path), filelock.FileLock(path.with_name(f".{path.name}.lock")):
        before = read_bytes(path) if path.exists() else b""
        if before and not history.is_history(path):
            raise InputError(path, f"is no history: its columns are not {history.COLUMNS}")
        known = set(history.read(path)["run"]) if before.count(b"\n") > 1 else set()
        lines = [line for line in lines_of(folder, seeds) if line[2] not in known]
        if lines:
            start = before or history.line(history.COLUMNS).encode()
            end = b"" if start.endswith(b"\n") else b"\n"
            write_atomically(path, start, end, *(history.line(line).encode() for line in lines))
    return len(lines)


def lines_of(folder: Path, seeds: Collection[int]) -> Iterator[Line]:
    """Yield a line for each method and metric: the mean over settings of the means over seeds.

    Settings without clean labels count only where none has any.
    """
    ended = costs(folder)
    ended = ended[ended["finished_utc"] != ""].sort_values("finished_utc")
    if ended.empty:
        raise RefusedError(f"{folder / 'costs.csv'} does not say when a cell was trained")
    last, suite = ended.iloc[-1], suite_of(folder, planned(folder))
    cells = outcomes(folder)
    cells = of_one_truth(cells[(cells["status"] == "done") & cells["seed"].isin(seeds)])
    for method, own in cells.groupby("method"):
        for metric in TRACKED:
            means = own.groupby("setting")[metric.id].agg(["mean", "count"]).dropna()
            if np.isfinite(value := means["mean"].mean()):
                branch = f"{suite} {method} {metric.id}"
                start = (last["finished_utc"], branch, _digest(folder), last["commit"], suite)
                end = (f"{value:.9g}", len(means), int(means["count"].max()))
                yield (*start, method, metric.id, *end)


def _digest(folder: Path) -> str:
    """Return the identity of a run: what came out, when, where and by which code."""
    digest = hashlib.sha256()
    for name in ("results.csv", "costs.csv"):
        digest.update(read_bytes(table_path(folder, name)))
    return digest.hexdigest()[:12]

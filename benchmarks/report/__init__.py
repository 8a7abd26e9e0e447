"""Figures, tables and a verdict from the CSVs of a results folder. Imports nothing heavy."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.report import fingerprint, venues
from benchmarks.schema import table_path

_STALE_SECONDS = 3600.0
_MANY = 2**17  # bytes of results: about fifty cells


@dataclass(frozen=True)
class Report:
    """The files of a report in ``folder``, and the two texts that a terminal shows."""

    folder: Path
    ranking: str
    verdict: str
    paths: tuple[Path, ...]
    rebuilt: bool


def build(
    folder: Path, *, force: bool = False, venue: str = venues.DEFAULT, workers: int = 1
) -> Report:
    """Write ``folder/report`` unless it already shows exactly these results.

    The report is written to a folder beside it and swapped in whole: whenever this is killed,
    there is the old report, or the new one, or none.

    Args:
        folder: a results folder with its CSVs, and ``plan.json`` if the sweep had a plan.
        force: build again even if nothing changed.
        venue: whose page widths and type sizes the figures have, one of ``VENUES``.
        workers: how many processes draw; with few results this one alone is sooner done.

    Raises:
        RefusedError: a CSV is missing, empty or of other columns, or its rows contradict.
    """
    report = folder / "report"
    wanted = fingerprint.fingerprint(folder, venue)
    kept = None if force else fingerprint.recall(report, wanted)
    if kept is not None:
        return _report(report, kept, rebuilt=False)
    results = table_path(folder, "results.csv")
    if workers > 1 and results.is_file() and results.stat().st_size > _MANY:
        processes.start_fork_server(processes.DRAWING)  # while this process imports the same
    else:
        workers = 1
    from benchmarks.report import document  # noqa: PLC0415 - imports pandas and matplotlib

    new = folder / f".report-new-{os.getpid()}"
    _clear(folder)
    shutil.rmtree(new, ignore_errors=True)
    try:
        texts = document.write(folder, new, venues.VENUES[venue], workers)
        fingerprint.remember(new, wanted, texts)
        _swap(new, report)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return _report(report, texts, rebuilt=True)


def _report(report: Path, texts: dict[str, str], *, rebuilt: bool) -> Report:
    paths = (*fingerprint.outputs_of(report), report / fingerprint.FILE)
    return Report(report, texts["ranking"], texts["verdict"], paths, rebuilt)


def _swap(new: Path, report: Path) -> None:
    old = report.with_name(f".report-old-{os.getpid()}")
    shutil.rmtree(old, ignore_errors=True)
    if report.exists():
        report.rename(old)
    new.rename(report)
    shutil.rmtree(old, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Remove what builds that were killed over an hour ago left behind."""
    for path in folder.glob(".report-*-*"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)

"""Figures, tables and a verdict from the CSVs of a results folder. Imports nothing heavy."""

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import processes
from benchmarks.schema import table_path

_DIGEST = "digest.json"
_INPUTS = (
    *("results.csv", "curves.csv", "bins.csv", "detection.csv"),
    *("losses.csv", "transitions.csv", "costs.csv", "plan.json", "suspects/index.md"),
)
_DRAWN_BY = (
    *("pandas", "numpy", "scipy", "networkx"),
    *("matplotlib", "seaborn", "jinja2", "markdown-it-py"),
)
"""The packages whose next version may draw or print the same numbers otherwise."""

_STALE_SECONDS = 3600.0
_MANY = 2**17  # bytes of results: about fifty cells


@dataclass(frozen=True)
class Report:
    """The files of a report in ``folder``, and the two texts that a terminal shows."""

    folder: Path
    ranking: str
    verdict: str
    rebuilt: bool


def build(folder: Path, *, force: bool = False, venue: str = "neurips", workers: int = 1) -> Report:
    """Write ``folder/report`` unless it already shows exactly these results.

    The report is written to a folder beside it and swapped in whole: whenever this is killed,
    there is the old report, or the new one, or none.

    Args:
        folder: a results folder with its CSVs, and ``plan.json`` if the sweep had a plan.
        force: build again even if nothing changed.
        venue: whose page widths and type sizes the figures have, one of ``layout.VENUES``.
        workers: how many processes draw; with few results this one alone is sooner done.

    Raises:
        RefusedError: a CSV is missing, empty or of other columns, or its rows contradict.
    """
    report = folder / "report"
    wanted = _fingerprint(folder, venue)
    kept = None if force else _recall(report, wanted)
    if kept is not None:
        return kept
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
        texts = document.write(folder, new, venue, workers)
        _remember(new, wanted, texts)
        _swap(new, report)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Report(report, **texts, rebuilt=True)


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


def _fingerprint(folder: Path, venue: str) -> str:
    """Return a SHA-256 of all that a report depends on: inputs, source, versions and the venue.

    Hashing the source in place of a hand-kept version number means that no edit of the report
    can leave an old one standing.
    """
    here = Path(__file__).parent
    kinds = ("*.py", "*.mplstyle", "*.j2", "*.css", "*.js")
    sources = [path for kind in kinds for path in sorted(here.rglob(kind))]
    sources += [here.parent / name for name in ("schema.py", "catalogue/methods.csv")]
    parts = {f"source {path.relative_to(here.parent)}": _sha256(path) for path in sources}
    parts |= {f"input {name}": _sha256(table_path(folder, name)) for name in _INPUTS}
    parts["venue"] = venue
    parts |= {f"version of {name}": version(name) for name in _DRAWN_BY}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "absent"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recall(report: Path, wanted: str) -> Report | None:
    """Return the report in place, if it is whole and still true."""
    try:
        kept = json.loads((report / _DIGEST).read_text(encoding="utf-8"))
        current = kept["digest"] == wanted and all((report / p).is_file() for p in kept["outputs"])
        return Report(report, kept["ranking"], kept["verdict"], rebuilt=False) if current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(report: Path, wanted: str, texts: dict[str, str]) -> None:
    """Write what :func:`_recall` reads, once every other output stands in ``report``."""
    files = sorted(path for path in report.rglob("*") if path.is_file())
    outputs = [path.relative_to(report).as_posix() for path in files]
    kept = {"digest": wanted, "outputs": outputs, **texts}
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    (report / _DIGEST).write_text(text, encoding="utf-8")

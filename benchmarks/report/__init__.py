"""Figures, tables and a verdict from the CSVs of a results folder. Imports nothing heavy."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks import processes
from benchmarks.errors import RefusedError
from benchmarks.inputs import InputError, decode_json, read_bytes, sha256_of
from benchmarks.outputs import (
    adopt_files,
    read_manifest,
    refuse_foreign_files,
    replaced_files,
    why_no_folder,
    write_atomically,
)
from benchmarks.schema import TIMINGS_NAME, history_places, table_path

_VERB = "report"
_DIGEST = ".report-digest.json"
_FORMER_DIGEST = "digest.json"
_AUDIT = "suspects/index.md"
_SUSPECTS = "suspects/suspects.csv"
_INPUTS = (
    *("results.csv", "curves.csv", "bins.csv", "detection.csv"),
    *("losses.csv", "transitions.csv", "pairs.csv", "ensembles.csv"),
    *("confusion.csv", "risk_coverage.csv", "precision_recall.csv", "estimates.csv"),
    *("costs.csv", TIMINGS_NAME, "plan.json", _AUDIT, _SUSPECTS),
)
_DRAWN_BY = (
    *("pandas", "numpy", "scipy", "networkx"),
    *("matplotlib", "seaborn", "jinja2", "markdown-it-py", "ruptures"),
)
"""The packages whose next version may draw or print the same numbers otherwise."""

_MANY = 2**17  # bytes of results: about fifty cells


class Paper(NamedTuple):
    """The paper that figures and tables are for, what they show, and what they compare with.

    All is shown where nothing is named; a method or a noise is named by its spec, or without
    values for all of its specs.
    """

    venue: str = "neurips"  # whose page widths and type sizes they have: of ``venues.VENUES``
    ranking: tuple[str, ...] = ()  # columns of the ranking in LaTeX; else those there is room for
    pdf: bool = False  # whether figures are PDF, too
    beside: Path | None = None  # a results folder whose methods stand beside
    columns: int = 2  # of the page, that a figure is as wide as
    methods: tuple[str, ...] = ()  # in figures
    noises: tuple[str, ...] = ()  # in figures
    metrics: tuple[str, ...] = ()  # in figures of one metric


NEURIPS = Paper()


@dataclass(frozen=True)
class Report:
    """The files of a report in ``folder``, and the two texts that a terminal shows."""

    folder: Path
    ranking: str
    answer: str  # summary and guide
    rebuilt: bool


class _Kept(msgspec.Struct):
    """What is kept of a report, for when it is asked for again and nothing has changed."""

    digest: str  # of all that it depends on
    ranking: str
    answer: str


class _Former(msgspec.Struct):
    """What a version without manifests kept."""

    outputs: list[str]


def build(
    folder: Path,
    report: Path | None = None,
    *,
    force: bool = False,
    paper: Paper = NEURIPS,
    workers: int = 1,
) -> Report:
    """Write the report of a results folder unless it already shows exactly these results.

    It is drawn whole before a file of the old one goes. What a user keeps in its folder stays.

    Args:
        folder: a results folder with its CSVs, and ``plan.json`` if the sweep had a plan.
        report: the folder of the report; ``folder/report`` if it is None.
        force: build again even if nothing changed.
        paper: what its figures and tables are for.
        workers: how many processes draw; with few results this one alone is sooner done.

    Raises:
        RefusedError: a CSV is missing, empty or of other columns, or its rows contradict; what the
            paper is to show is not there; or a file of the user's is where one of the report
            belongs.
        WritingError: the report cannot be written.
    """
    for each in (folder, *([paper.beside] if paper.beside else [])):
        if reason := why_no_folder(each):
            raise RefusedError(f"{each} {reason}")
    report = report or folder / "report"
    wanted = _fingerprint(folder, paper)
    kept = None if force else _recall(report, wanted)
    if kept is not None:
        return kept
    results = table_path(folder, "results.csv")
    if workers > 1 and results.is_file() and results.stat().st_size > _MANY:
        processes.start_fork_server(processes.DRAWING)  # while this process imports the same
    else:
        workers = 1
    with processes.collecting_seldom():
        texts = _written(folder, report, wanted, paper, workers)
    text = msgspec.json.encode(_Kept(wanted, **texts))
    write_atomically(report / _DIGEST, msgspec.json.format(text, indent=1) + b"\n")
    return Report(report, **texts, rebuilt=True)


def _written(folder: Path, report: Path, title: str, paper: Paper, workers: int) -> dict[str, str]:
    """Write the report in place of the former one, and return what a terminal shows of it."""
    from benchmarks.report import document  # noqa: PLC0415 - imports pandas and matplotlib

    refuse_lost_files(report)
    with replaced_files(report, _VERB, title=title) as new:
        audited = report == folder / "report" and (folder / _AUDIT).is_file()
        return document.write(folder, new, paper, workers, audited=audited)


def refuse_lost_files(report: Path) -> None:
    """Refuse to draw a report where a file of the user's would be lost.

    Raises:
        RefusedError: ``report.md`` is not ours, or a file of a former report was changed.
    """
    _adopt_former(report)
    refuse_foreign_files(report, _VERB, {*read_manifest(report, _VERB).files, "report.md"})


def _adopt_former(report: Path) -> None:
    """Know the files of a report that a version without manifests drew."""
    path = report / _FORMER_DIGEST
    with suppress(InputError):
        former = decode_json(read_bytes(path), _Former, path)
        adopt_files(report, _VERB, [*former.outputs, _FORMER_DIGEST])


def _fingerprint(folder: Path, paper: Paper) -> str:
    """Return a SHA-256 of all that a report depends on: inputs, source, versions and the paper.

    Hashing the source in place of a hand-kept version number means that no edit of the report
    can leave an old one standing.
    """
    here = Path(__file__).parent
    kinds = ("*.py", "*.mplstyle", "*.j2", "*.css", "*.js")
    sources = [path for kind in kinds for path in sorted(here.rglob(kind))]
    known = ("schema.py", "catalogue/methods.csv", "catalogue/families.csv")
    sources += [here.parent / name for name in known]
    parts = {f"source {path.relative_to(here.parent)}": _sha256(path) for path in sources}
    for which, place in {"input": folder, "beside": paper.beside}.items():
        parts |= {f"{which} {n}": _sha256(table_path(place, n)) for n in _INPUTS if place}
    parts |= {f"history {k}": _sha256(path) for k, path in enumerate(history_places(folder))}
    parts["paper"] = repr(paper)
    parts |= {f"version of {name}": _version(name) for name in _DRAWN_BY}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # of an extra
        return "absent"


def _sha256(path: Path) -> str:
    return sha256_of(path) if path.is_file() else "absent"


def _recall(report: Path, wanted: str) -> Report | None:
    """Return the report in place, if it is whole and still true."""
    path = report / _DIGEST
    try:
        kept = decode_json(read_bytes(path), _Kept, path)
        manifest = read_manifest(report, _VERB)
    except RefusedError:
        return None
    current = kept.digest == manifest.title == wanted and not manifest.coming
    if not current or not all((report / name).is_file() for name in manifest.files):
        return None
    return Report(report, kept.ranking, kept.answer, rebuilt=False)

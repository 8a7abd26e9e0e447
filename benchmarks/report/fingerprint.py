"""Tell whether a report is up to date. Imports nothing heavy."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from benchmarks.schema import table_path

FILE = "digest.json"
INPUTS = (
    *("results.csv", "curves.csv", "bins.csv", "detection.csv"),
    *("losses.csv", "transitions.csv", "costs.csv", "plan.json", "suspects/index.md"),
)
DRAWN_BY = (
    *("pandas", "numpy", "scipy", "networkx"),
    *("matplotlib", "seaborn", "jinja2", "markdown-it-py"),
)
"""The packages whose next version may draw or print the same numbers otherwise."""


def fingerprint(folder: Path, venue: str) -> str:
    """Return a SHA-256 of all that a report depends on: inputs, source, versions and the venue.

    Hashing the source in place of a hand-kept version number means that no edit of the report
    can leave an old one standing.
    """
    here = Path(__file__).parent
    kinds = ("*.py", "*.mplstyle", "*.j2", "*.css", "*.js")
    sources = [path for kind in kinds for path in sorted(here.rglob(kind))]
    sources += [here.parent / name for name in ("schema.py", "catalogue/methods.csv")]
    parts = {f"source {path.relative_to(here.parent)}": _sha256(path) for path in sources}
    parts |= {f"input {name}": _sha256(table_path(folder, name)) for name in INPUTS}
    parts["venue"] = venue
    parts |= {f"version of {name}": version(name) for name in DRAWN_BY}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "absent"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recall(report: Path, wanted: str) -> dict[str, str] | None:
    """Return ``ranking`` and ``verdict`` of the report in place, if it is whole and still true."""
    try:
        kept = json.loads((report / FILE).read_text(encoding="utf-8"))
        current = kept["digest"] == wanted and all((report / p).is_file() for p in kept["outputs"])
        return {name: str(kept[name]) for name in ("ranking", "verdict")} if current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(report: Path, wanted: str, texts: dict[str, str]) -> None:
    """Write what :func:`recall` reads, once every other output stands in ``report``."""
    outputs = [path.relative_to(report).as_posix() for path in outputs_of(report)]
    kept = {"digest": wanted, "outputs": outputs, **texts}
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    (report / FILE).write_text(text, encoding="utf-8")


def outputs_of(report: Path) -> tuple[Path, ...]:
    """Return every file of a report but the fingerprint, sorted."""
    return tuple(sorted(p for p in report.rglob("*") if p.is_file() and p.name != FILE))

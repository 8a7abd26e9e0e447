"""What a run on a GPU finds: one line of JSON for each finding, on the disk as soon as it is known.

The machine may be taken away at any moment. So a line is written whole by one call, and synced; a
last line that was cut off is left out when the file is read again.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FILE = "findings.jsonl"

GREEN, RED, UNJUDGED, MEASURED = "green", "red", "not judged", "measured"
"""What is said of a finding: as it should be, not so, nobody can tell here, or just a number."""

Row = dict[str, object]


def read(folder: Path) -> Iterator[Row]:
    """Yield the findings of a folder, in the order in which they were written."""
    path = folder / FILE
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # cut off when the machine was taken
        yield row


class Findings:
    """The findings of a folder, to which several processes may add, and of earlier folders.

    Args:
        folder: where new ones are written.
        earlier: folders of earlier runs, whose findings are not looked for again.
    """

    def __init__(self, folder: Path, earlier: Sequence[Path] = ()) -> None:
        self._path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = [row for place in (*earlier, folder) for row in read(place)]
        self._known = {(row["stage"], row["key"]): row for row in self.rows}

    def get(self, stage: str, key: str) -> Row | None:
        """Return a finding that is known by now to this process."""
        return self._known.get((stage, key))

    def add(self, stage: str, key: str, verdict: str, **values: object) -> Row:
        """Write a finding, and say it on a terminal."""
        row: Row = {"stage": stage, "key": key, "verdict": verdict, "at": round(time.time(), 1)}
        row |= {name: _written(value) for name, value in values.items()}
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, (json.dumps(row) + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._known[stage, key] = row
        self.rows.append(row)
        print(in_words(row), flush=True)
        return row


def in_words(row: Row) -> str:
    """Return a finding as a line of text."""
    rest = {name: _short(value) for name, value in row.items() if name not in _SAID}
    named = ", ".join(f"{name} {value}" for name, value in rest.items())
    verdict = str(row["verdict"])
    mark = verdict.upper() if verdict == RED else verdict
    return f"{mark:10} {row['stage']}: {row['key']}: {named}"


_SAID = {"stage", "key", "verdict", "at", "trace"}


def _written(value: object) -> object:
    """Return what JSON can hold: no infinity, and no number that is none."""
    odd = isinstance(value, float) and not math.isfinite(value)
    return str(value) if odd else value


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value

"""Results on disk. Parts are immutable and are the truth; every CSV is derived from them.

A part is one ``.npz`` that holds the records of the cells that one worker trained together. It is
written under a temporary name, flushed to the disk and renamed, so it is there whole or not at all.
A cell is done when its id is in a valid part whose status is not ``failed``.
"""

import csv
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import schema
from benchmarks.refusals import RefusedError

Row = dict[str, Any]
CURVE_VALUES = schema.CURVES[len(schema.KEYS) :]
LAST_EPOCHS = 10


class Record(NamedTuple):
    """One cell's results: JSON-able facts, and arrays."""

    meta: dict[str, Any]  # keys, facts, status, reason, costs, stamp
    arrays: dict[str, NDArray[Any]]

    @property
    def cell_id(self) -> str:
        """Return the id of the cell."""
        return str(self.meta["keys"]["cell_id"])


def write_atomically(path: Path, data: bytes) -> None:
    """Put a whole file at ``path``, or leave what was there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def write_part(folder: Path, records: Sequence[Record]) -> Path:
    """Write the records of a pack as one part and return its path."""
    ids = sorted(record.cell_id for record in records)
    path = folder / "parts" / f"{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.npz"
    text = json.dumps([record.meta for record in records], sort_keys=True, allow_nan=False)
    members = {
        f"{record.cell_id}.{name}": array
        for record in records
        for name, array in record.arrays.items()
    }
    block = io.BytesIO()
    np.savez(block, allow_pickle=False, meta=np.frombuffer(text.encode(), np.uint8), **members)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, block.getvalue())
    return path


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what ``plan.json`` of a results folder says.

    Raises:
        RefusedError: it is absent, damaged, or of another version.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise RefusedError(f"{folder} is not a results folder: it has no plan.json")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = found["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{path} is damaged: {error}") from error
    if version != schema.SCHEMA_VERSION:
        raise RefusedError(
            f"{folder} was written by results version {version}, this is {schema.SCHEMA_VERSION}; "
            f"use another --out, or the version that wrote it"
        )
    return found


class Parts:
    """The valid parts of a results folder, by cell; damaged ones are put aside and named."""

    def __init__(self, folder: Path) -> None:
        self.damaged: list[Path] = []
        self._where: dict[str, Path] = {}
        self.meta: dict[str, dict[str, Any]] = {}
        for path in sorted((folder / "parts").glob("*.npz")):
            try:
                found = _metas(path)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                self.damaged.append(path.replace(path.with_suffix(".damaged")))
                continue
            for meta in found:
                self._add(meta, path)

    def _add(self, meta: dict[str, Any], path: Path) -> None:
        cell_id = meta["keys"]["cell_id"]
        known = self.meta.get(cell_id)
        if known is None or known["status"] == "failed":  # a success outranks a failure
            self.meta[cell_id], self._where[cell_id] = meta, path

    def done(self) -> set[str]:
        """Return the ids of the cells that need no training."""
        return {cell_id for cell_id, meta in self.meta.items() if meta["status"] != "failed"}

    def records(self, wanted: Container[str]) -> Iterator[Record]:
        """Yield the records of these cells in the order of the CSV files."""
        for cell_id in sorted(self.meta, key=lambda c: _order(self.meta[c]["keys"])):
            if cell_id not in wanted:
                continue
            with np.load(self._where[cell_id], allow_pickle=False) as part:
                names = [name for name in part.files if name.startswith(f"{cell_id}.")]
                arrays = {name.partition(".")[2]: part[name] for name in names}
            yield Record(self.meta[cell_id], arrays)


def _metas(path: Path) -> list[dict[str, Any]]:
    """Return the facts in a part after checking every byte of it."""
    with zipfile.ZipFile(path) as archive:
        if bad := archive.testzip():
            raise zipfile.BadZipFile(f"{path}: {bad}")
    with np.load(path, allow_pickle=False) as part:
        found: list[dict[str, Any]] = json.loads(part["meta"].tobytes())
    return found


def _order(keys: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(keys[name] for name in schema.KEYS[1:]), keys["cell_id"])


def derive(folder: Path, parts: Parts) -> None:
    """Write every CSV of a results folder from the parts of its planned cells."""
    planned = {cell["cell_id"] for cell in read_plan(folder)["cells"]}
    tables: dict[str, list[Row]] = {name: [] for name in schema.TABLES}
    makers: dict[str, Callable[[Record], Iterable[Row]]] = {
        "results.csv": _results,
        "curves.csv": _curves,
        "bins.csv": _bins,
        "detection.csv": _detection,
        "costs.csv": _costs,
    }
    for record in parts.records(planned):
        for name, make in makers.items():
            tables[name] += make(record)
    for name, rows in tables.items():
        block = io.StringIO()
        writer = csv.DictWriter(block, schema.TABLES[name], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _text(value) for key, value in row.items()} for row in rows)
        data = block.getvalue().encode()
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)


def _text(value: object) -> object:
    """Write floats with nine significant digits, and what is not a number as nothing."""
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return value


def _results(record: Record) -> Iterator[Row]:
    """One row per selection; one without numbers for a cell that has none."""
    meta, arrays = record
    shared = {**meta["keys"], **meta["facts"], "status": meta["status"], "reason": meta["reason"]}
    if meta["status"] != "done":
        yield {**shared, "selection": "last"}
        return
    curves, final = arrays["curves"], arrays["final"]
    first = CURVE_VALUES.index(next(iter(schema.METRICS)))
    chosen = dict(zip(meta["selections"], arrays["selected"].tolist(), strict=True))
    for name, row in chosen.items():
        metrics = dict(zip(schema.METRICS, curves[row, first:].tolist(), strict=True))
        yield {**shared, "selection": name, "epoch": int(curves[row, 0]), **metrics}
    if len(final) >= LAST_EPOCHS:
        mean = curves[final[-LAST_EPOCHS:], first:].mean(0).tolist()
        yield {**shared, "selection": "last10", **dict(zip(schema.METRICS, mean, strict=True))}


def _curves(record: Record) -> Iterator[Row]:
    for values in record.arrays.get("curves", np.empty((0, 0))).tolist():
        row = dict(zip(CURVE_VALUES, values, strict=True))
        yield {**record.meta["keys"], **row, "epoch": int(row["epoch"])}


def _bins(record: Record) -> Iterator[Row]:
    """One row per selection and confidence bin; an empty bin has no means."""
    meta, arrays = record
    for name, table in zip(meta.get("selections", ()), arrays.get("bins", ()), strict=True):
        for number, (count, confidence, correct) in enumerate(table.tolist()):
            yield {
                **meta["keys"],
                "selection": name,
                "bin": number,
                "low": number / schema.BINS_COUNT,
                "high": (number + 1) / schema.BINS_COUNT,
                "count": int(count),
                "confidence": confidence / count if count else math.nan,
                "accuracy": correct / count if count else math.nan,
            }


def _detection(record: Record) -> Iterator[Row]:
    """How well a score tells mislabelled training images from the others."""
    meta, arrays = record
    for name, (auroc, ap) in zip(meta.get("scores", ()), arrays.get("detection", ()), strict=True):
        yield {
            **meta["keys"],
            "score": name,
            "auroc": float(auroc),
            "ap": float(ap),
            "mislabelled": meta["mislabelled"],
            "n_train": meta["facts"]["n_train"],
        }


def _costs(record: Record) -> Iterator[Row]:
    yield {
        "cell_id": record.cell_id,
        "status": record.meta["status"],
        **record.meta["costs"],
        **record.meta["stamp"],
    }

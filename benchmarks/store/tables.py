"""The CSV files of a results folder, derived from its parts."""

import csv
import io
import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import schema
from benchmarks.store.parts import Parts, Record, read_plan, write_atomically
from benchmarks.store.pooled import Losses, Row, Transitions

CURVE_VALUES = schema.CURVES[len(schema.KEYS) :]
LAST_EPOCHS = 10


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
    pools: dict[str, Losses | Transitions] = {
        "losses.csv": Losses(),
        "transitions.csv": Transitions(),
    }
    for record in parts.records(planned):
        for name, make in makers.items():
            tables[name] += make(record)
        for pool in pools.values():
            pool.add(record)
    tables |= {name: list(pool.rows()) for name, pool in pools.items()}
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
    specs = dict.fromkeys(meta["selections"], meta["facts"]["metric_spec"])
    specs |= meta.get("metric_specs", {})
    rows = zip(specs.items(), arrays["selected"].tolist(), arrays["measured"].tolist(), strict=True)
    for (name, spec), row, values in rows:
        own = {"metric_spec": spec, "selection": name, "epoch": int(curves[row, 0])}
        yield {**shared, **own, **_known(meta["metrics"], values, schema.METRICS)}
    if len(final) >= LAST_EPOCHS:
        mean = curves[final[-LAST_EPOCHS:]].mean(0).tolist()
        metrics = _known(meta["curves"], mean, schema.EPOCH_METRICS)
        yield {**shared, "selection": "last10", **metrics}


def _known(names: Sequence[str], values: Sequence[float], wanted: Container[str]) -> Row:
    """Return the values by name, without what this version has no column for."""
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if name in wanted}


def _curves(record: Record) -> Iterator[Row]:
    for values in record.arrays.get("curves", np.empty((0, 0))).tolist():
        row = _known(record.meta["curves"], values, CURVE_VALUES)
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

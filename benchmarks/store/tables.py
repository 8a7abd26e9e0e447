"""The CSV files of a results folder, derived from its parts."""

import csv
import functools
import io
import math
import operator
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks import schema
from benchmarks.store.files import write_atomically
from benchmarks.store.part_file import Record
from benchmarks.store.parts import Parts
from benchmarks.store.plan_file import read_plan
from benchmarks.store.pooled import Losses, Row, Transitions

CURVE_VALUES = schema.CURVES[len(schema.KEYS) :]
LAST_EPOCHS = 10
ARRAYS = (
    *("curves", "final", "selected", "measured", "bins", "detection"),
    *("train_scores", "noisy", "clean", "estimate"),
)
"""What the tables need of a record; the logits are several times as much."""


def derive(folder: Path, parts: Parts) -> None:
    """Write every CSV of a results folder from the parts of its planned cells."""
    planned = {cell["cell_id"] for cell in read_plan(folder)["cells"]}
    makers: dict[str, Callable[[Record], Iterable[str]]] = {
        "results.csv": lambda record: _lines("results.csv", _results(record)),
        "curves.csv": _curves,
        "bins.csv": _bins,
        "detection.csv": lambda record: _lines("detection.csv", _detection(record)),
        "costs.csv": lambda record: _lines("costs.csv", _costs(record)),
    }
    pools: dict[str, Losses | Transitions] = {
        "losses.csv": Losses(),
        "transitions.csv": Transitions(),
    }
    cells = []
    for record in parts.records(planned, ARRAYS):
        keys = record.meta["keys"]
        begin = _line([keys[key] for key in schema.KEYS])[:-1] + ","
        blocks = {}
        for name, make in makers.items():
            own = begin if _keyed(name) else ""
            blocks[name] = "".join([own + line for line in make(record)]).encode()
        cells.append((*(keys[name] for name in (*schema.KEYS[1:], "cell_id")), blocks))
        for pool in pools.values():
            pool.add(record)
    cells.sort(key=lambda cell: cell[:-1])
    pieces = {name: [cell[-1].pop(name) for cell in cells] for name in makers}
    for name, pool in pools.items():
        pieces[name] = ["".join(_lines(name, pool.rows())).encode()]
    for name, found in pieces.items():
        whole = [_line(schema.TABLES[name]).encode(), *found]
        if not _holds(folder / name, whole):
            write_atomically(folder / name, *whole)


def _holds(path: Path, pieces: Iterable[bytes]) -> bool:
    """Whether a file is there and holds just this."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)


def _keyed(name: str) -> bool:
    """Whether the first columns of a table are the keys of a cell."""
    return schema.TABLES[name][: len(schema.KEYS)] == schema.KEYS


def _lines(name: str, rows: Iterable[Row]) -> Iterator[str]:
    """Yield lines of a table, without the keys that they begin with."""
    columns = schema.TABLES[name][len(schema.KEYS) if _keyed(name) else 0 :]
    for row in rows:
        yield _line([row.get(key) for key in columns])


def _line(values: Sequence[object]) -> str:
    """Return a line of a table; all numbers of it are written at once, of which it has millions."""
    form, others = _form(tuple(map(type, values)))
    shown = list(values)
    for place in others:
        shown[place] = _field(shown[place])
    line = form % tuple(shown)
    if "nan" in line or "inf" in line:  # perhaps in a word, which comes out the same
        line = ",".join(map(_field, values)) + "\n"
    return line


_NUMBERS: dict[type, str] = {float: "%.9g", int: "%d"}


@functools.lru_cache(maxsize=4096)
def _form(kinds: Sequence[type]) -> tuple[str, list[int]]:
    """Return the format of a line of values of these types, and which are no numbers."""
    forms = [_NUMBERS.get(kind, "%s") for kind in kinds]
    return ",".join(forms) + "\n", [i for i, kind in enumerate(kinds) if kind not in _NUMBERS]


def _field(value: object) -> str:
    """Write floats with nine significant digits, and what is not a number as nothing."""
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    if isinstance(value, str):
        return _quoted(value) if value else ""
    return "" if value is None else str(value)


@functools.lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    block = io.StringIO()
    csv.writer(block, lineterminator="").writerow([text])
    return block.getvalue()


def _results(record: Record) -> Iterator[Row]:
    """One row per selection; one without numbers for a cell that has none."""
    meta, arrays = record
    shared = {**meta["facts"], "status": meta["status"], "reason": meta["reason"]}
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


def _curves(record: Record) -> Iterator[str]:
    """One line per epoch that was evaluated."""
    if "curves" not in record.arrays:
        return
    form, pick = _epoch(tuple(record.meta["curves"]))
    for values in record.arrays["curves"].tolist():
        line = form % pick(values)
        yield _NO_NUMBER.sub("", line) if "n" in line else line  # "nan" and "inf" have one


_NO_NUMBER = re.compile("nan|-?inf")


@functools.lru_cache(maxsize=64)
def _epoch(names: tuple[str, ...]) -> tuple[str, Callable[[Sequence[float]], tuple[float, ...]]]:
    """Return the format of an epoch's line, and what picks its numbers from those kept."""
    forms = {name: "%.9g" if name in names else "" for name in CURVE_VALUES} | {"epoch": "%d"}
    pick = operator.itemgetter(*(names.index(name) for name in CURVE_VALUES if name in names))
    return ",".join(forms.values()) + "\n", pick


def _bins(record: Record) -> Iterator[str]:
    """One line per selection and confidence bin; an empty bin has no means.

    Most lines of a sweep are such, so they are formatted at once: selection, bin, low, high, count,
    confidence, accuracy.
    """
    meta, arrays = record
    for name, table in zip(meta.get("selections", ()), arrays.get("bins", ()), strict=True):
        begin = _field(name)
        for place, (count, confidence, correct) in zip(_BINS, table.tolist(), strict=True):
            means = f"{confidence / count:.9g},{correct / count:.9g}" if count else ","
            yield f"{begin},{place},{count:.0f},{means}\n"


_BINS = [
    f"{number},{number / schema.BINS_COUNT:.9g},{(number + 1) / schema.BINS_COUNT:.9g}"
    for number in range(schema.BINS_COUNT)
]


def _detection(record: Record) -> Iterator[Row]:
    """How well a score tells mislabelled training images from the others."""
    meta, arrays = record
    for name, (auroc, ap) in zip(meta.get("scores", ()), arrays.get("detection", ()), strict=True):
        yield {
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

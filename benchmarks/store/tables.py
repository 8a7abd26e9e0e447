"""The CSV files of a results folder, derived from its parts."""

import csv
import functools
import gzip
import io
import math
import zlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from msgspec.structs import asdict, astuple, replace
from numpy.typing import NDArray

from benchmarks import schema
from benchmarks.commands import command_line
from benchmarks.errors import RefusedError, bounded, count
from benchmarks.inputs import TEXT_BYTES, InputError, read_bytes, text_of
from benchmarks.outputs import write_atomically
from benchmarks.store.aggregates import LossHistograms, Row, TransitionMatrices
from benchmarks.store.cell_meta import CellKeys
from benchmarks.store.confusion import Confusions
from benchmarks.store.ensembles import Ensembles
from benchmarks.store.estimates import NEEDED, Estimates
from benchmarks.store.pairs import Pairs
from benchmarks.store.part_file import Record
from benchmarks.store.parts import Parts
from benchmarks.store.plan_file import NAME, PlanFile, read_plan
from benchmarks.store.ranked import PrecisionRecall, RiskCoverage

CURVE_VALUES = schema.CURVES[len(schema.KEYS) :]
"""The columns of ``curves.csv`` that are no keys, in order."""
LAST_EPOCHS = 10
"""The selection ``last10`` averages over so many epochs."""
ARRAYS = (
    *("curves", "final", "selected", "measured", "bins", "detection"),
    *("train_scores", "noisy", "clean", "estimate", "logits", "label"),
)
"""The arrays of a record that the tables need."""
PACKED = 200
"""No table of ours is packed to a smaller share by gzip; the densest archive has a thousandth."""
HARD_LABELS = "cross_entropy"
"""The method that others are compared with, whatever was asked."""


class _Aggregate(Protocol):
    """A table whose rows take several cells."""

    def add(self, record: Record) -> None:
        """Take in one cell."""

    def rows(self) -> Iterator[Row]:
        """Yield all rows in the order of their keys."""


def refuse_misplaced(folder: Path) -> None:
    """Refuse what stands where tables and parts belong, before anything is trained or dropped.

    Raises:
        RefusedError: a table of the folder is no file, or its parts are no folder.
    """
    for name in schema.TABLES:
        if (folder / name).exists() and not (folder / name).is_file():
            raise RefusedError(
                f"{folder / name} is no file, and a table belongs there; move it away"
            )
    for path in (folder / "parts", folder / "collected"):
        if path.exists() and not path.is_dir():
            raise RefusedError(f"{path} is no folder, and parts belong there; move it away")


def refuse_loss(
    folder: Path, parts: Parts, planned: Collection[str], gone: Collection[str] = ()
) -> None:
    """Refuse to write tables again that would then lack finished cells which they have.

    Args:
        folder: a results folder.
        parts: its parts.
        planned: ids of the cells that the tables will be of.
        gone: ids of cells that may go, as they are dropped or trained again.

    Raises:
        RefusedError: another finished cell is in ``results.csv``, and it is not planned or in no
            part that can be read.
    """
    path, finished = schema.table_path(folder, "results.csv"), finished_rows(folder) - set(gone)
    if only := finished - set(planned):
        raise RefusedError(
            f"{path} has {count(len(only), 'finished cell')} that {folder / NAME} does not name, "
            "and would lose them; bring back the plan that they were trained by, or use another "
            "--out"
        )
    if only := finished - parts.done():
        counts = ((len(parts.damaged), "damaged"), (len(parts.aside), "put aside as damaged"))
        known = " and ".join(f"{number} is {what}" for number, what in counts if number)
        raise RefusedError(
            f"{path} is all that is left of {count(len(only), 'finished cell')}, which no part of "
            f"{folder / 'parts'} holds{f' ({known})' if known else ''}, and would lose them; bring "
            f"the parts back, train the cells again by `{command_line('run', folder)}`, or copy "
            "the CSV files to another folder and remove them here"
        )


def content_of(path: Path) -> bytes:
    """Return the bytes of a table, unpacked.

    Raises:
        InputError: it cannot be read, or unpacks to more than a table does.
        OSError: it is no such archive.
    """
    data = read_bytes(path, path.stat().st_size)
    if path.suffix != ".gz":
        return data
    most = max(TEXT_BYTES, PACKED * len(data))
    with gzip.open(io.BytesIO(data)) as file:
        unpacked = file.read(most + 1)
    if len(unpacked) > most:
        raise InputError(path, f"a table is packed to a {PACKED}th at best, and this one to less")
    return unpacked


def finished_rows(folder: Path) -> set[str]:
    """Return the finished cells of ``results.csv``; none where it cannot be read as one."""
    path = schema.table_path(folder, "results.csv")
    if not path.is_file():
        return set()
    try:
        rows = csv.reader(io.StringIO(text_of(content_of(path), path), newline=""))
        header = next(rows, [])
        cell, status = header.index("cell_id"), header.index("status")
        return {row[cell] for row in rows if len(row) == len(header) and row[status] == "done"}
    except (InputError, OSError, EOFError, ValueError, csv.Error, zlib.error):
        return set()


def derive(
    folder: Path,
    parts: Parts,
    gone: Collection[str] = (),
    into: Path | None = None,
) -> None:
    """Write every CSV of a results folder from the parts of its planned cells.

    Args:
        folder: a results folder with its plan.
        parts: its parts.
        gone: ids of planned cells that are dropped.
        into: another folder to write them to, where this one must not change.

    Raises:
        RefusedError: the plan cannot be read or contradicts a part, recomputed numbers are damaged,
            or the tables are all that is left of a finished cell.
    """
    plan = read_plan(folder)
    names = {cell.cell_id: astuple(cell)[: len(schema.KEYS)] for cell in plan.cells}
    refuse_misplaced(into or folder)
    refuse_loss(folder, parts, names.keys(), gone)
    makers: dict[str, Callable[[Record], Iterable[Row]]] = {
        "results.csv": _results,
        "curves.csv": _curves,
        "bins.csv": _bins,
        "detection.csv": _detection,
        "costs.csv": _costs,
    }
    methods, references = _by_method(plan, gone)
    aggregates: dict[str, _Aggregate] = {
        "losses.csv": LossHistograms(),
        "transitions.csv": TransitionMatrices(),
        "pairs.csv": Pairs(references),
        "ensembles.csv": Ensembles(),
        "confusion.csv": Confusions(),
        "risk_coverage.csv": RiskCoverage(),
        "precision_recall.csv": PrecisionRecall(),
        "estimates.csv": Estimates(),
    }
    cells = []
    for trained in chain.from_iterable(parts.records(i, _read(parts, i)) for i in methods):
        record = _named(trained, names[trained.cell_id], folder)
        keys = astuple(record.meta.keys)
        begin = _line(keys)[:-1] + ","
        blocks = {name: _lines(name, make(record), begin) for name, make in makers.items()}
        cells.append((*keys[1:], keys[0], blocks))
        for aggregate in aggregates.values():
            aggregate.add(record)
    cells.sort(key=lambda cell: cell[:-1])
    pieces = {name: [cell[-1].pop(name) for cell in cells] for name in makers}
    for name, aggregate in aggregates.items():
        pieces[name] = [_lines(name, aggregate.rows())]
    for name, own in pieces.items():
        whole = [",".join(schema.TABLES[name]).encode() + b"\n", *own]
        path = (into or folder) / name
        if not _holds(path, whole):
            write_atomically(path, *whole)


def _read(parts: Parts, ids: Iterable[str]) -> Sequence[str]:
    """Return the arrays that the tables need of cells: of unknown labels some more."""
    metas = (parts.meta[i] for i in ids if i in parts.meta)
    return (*ARRAYS, *NEEDED) if any(m.facts.truth == "unknown" for m in metas) else ARRAYS


def _by_method(plan: PlanFile, gone: Collection[str]) -> tuple[list[list[str]], list[str]]:
    """Return the ids of the cells of each method, and the references, whose cells come first.

    References are the one of the question, and hard labels.
    """
    ids: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.cell_id not in gone:
            ids.setdefault(cell.method, []).append(cell.cell_id)
    hard = sorted(method for method in ids if _head(method) == HARD_LABELS)
    asked = [plan.question.reference] if plan.question else []
    references = [method for method in dict.fromkeys([*asked, *hard[:1]]) if method in ids]
    others = sorted(ids.keys() - set(references))
    return [ids[method] for method in (*references, *others)], references


def _named(record: Record, keys: tuple[Any, ...], folder: Path) -> Record:
    """Return a record under the names of the plan: a file may be called otherwise by now.

    Raises:
        RefusedError: more than the names of files differs, as in a plan that was edited.
    """
    own, named = record.meta.keys, CellKeys(*keys)
    if named == own:
        return record
    for axis, ours, theirs in zip(schema.KEYS, astuple(own), keys, strict=True):
        if _head(ours) != _head(theirs):
            told, found = (bounded(repr(value)) for value in (theirs, ours))
            raise RefusedError(
                f"{folder / NAME} says that the {axis} of the cell {own.cell_id} is {told}, and "
                f"its part says {found}; restore {NAME}, or use another --out"
            )
    return record._replace(meta=replace(record.meta, keys=named))


def _head(value: object) -> object:
    """Return the name in a spec, without its fields, which may name files; others as they are."""
    return value.partition("(")[0] if isinstance(value, str) else value


def _holds(path: Path, pieces: Iterable[bytes]) -> bool:
    """Return whether a file is there and holds just this."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)


def _lines(name: str, rows: Iterable[Row], keys: str = "") -> bytes:
    """Return the lines of a table; ``keys`` begins each of them if the table has such columns."""
    columns = schema.TABLES[name]
    if columns[: len(schema.KEYS)] == schema.KEYS:
        columns = columns[len(schema.KEYS) :]
    else:
        keys = ""
    return "".join([keys + _line(map(row.get, columns)) for row in rows]).encode()


def _line(values: Iterable[object]) -> str:
    return ",".join(map(_field, values)) + "\n"


def _field(value: object) -> str:
    """Return a float in nine significant digits, and nothing for what is not finite."""
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    if isinstance(value, str):
        return _quoted(value)
    return "" if value is None else str(value)


@functools.lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """Return a text as ``csv`` writes it, which puts a field that stands alone in quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([text, None])
    return line.getvalue()[:-1]


def _results(record: Record) -> Iterator[Row]:
    """Yield one row per selection; one without numbers for a cell that has none."""
    meta, arrays = record
    shared = {**asdict(meta.facts), "status": meta.status, "reason": meta.reason}
    if meta.status != "done":
        yield {**shared, "selection": "last"}
        return
    curves, final = arrays["curves"], arrays["final"]
    specs = dict.fromkeys(meta.selections, meta.facts.metric_spec) | meta.metric_specs
    rows = zip(specs.items(), arrays["selected"].tolist(), arrays["measured"].tolist(), strict=True)
    for (name, spec), row, values in rows:
        own = {"metric_spec": spec, "selection": name, "epoch": int(curves[row, 0])}
        yield {**shared, **own, **_known(meta.metrics, values, schema.METRICS)}
    if len(final) >= LAST_EPOCHS:
        mean = curves[final[-LAST_EPOCHS:]].mean(0).tolist()
        yield {**shared, "selection": "last10", **_known(meta.curves, mean, schema.EPOCH_METRICS)}


def _known(names: Sequence[str], values: Sequence[float], wanted: Container[str]) -> Row:
    """Return the values by name, without those for which this version has no column."""
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if name in wanted}


def _curves(record: Record) -> Iterator[Row]:
    """Yield one row per epoch that was evaluated."""
    if "curves" in record.arrays:
        for values in record.arrays["curves"].tolist():
            row = dict(zip(record.meta.curves, values, strict=True))
            yield row | {"epoch": int(row["epoch"])}


def _bins(record: Record) -> Iterator[Row]:
    """Yield one row per selection and confidence bin; an empty bin has no means."""
    meta, arrays = record
    for selection, table in zip(meta.selections, arrays.get("bins", ()), strict=True):
        for number, (images, confidence, correct) in enumerate(table.tolist()):
            yield {
                "selection": selection,
                "bin": number,
                "low": number / schema.BINS_COUNT,
                "high": (number + 1) / schema.BINS_COUNT,
                "count": int(images),
                "confidence": confidence / images if images else None,
                "accuracy": correct / images if images else None,
            }


def _detection(record: Record) -> Iterator[Row]:
    """Yield how well each score tells mislabelled training images from the others."""
    meta, arrays = record
    if "detection" not in arrays:
        return
    known = arrays["clean"] != schema.UNKNOWN_CLASS
    wrong = (arrays["noisy"] != arrays["clean"])[known]
    each = zip(meta.scores, arrays["detection"], arrays["train_scores"], strict=True)
    for name, (auroc, ap), score in each:
        yield {
            "score": name,
            "auroc": float(auroc),
            "ap": float(ap),
            "missed": missed(score[known], wrong),
            "mislabelled": meta.mislabelled,
            "n_train": meta.facts.n_train,
        }


def missed(score: NDArray[np.floating[Any]], wrong: NDArray[np.bool_]) -> float:
    """Return the share of wrong labels that are not among as many of the highest scores.

    Of equal scores at the end of these, so many count as any of them would on average.

    >>> missed(np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, False, True, False]))
    0.25

    Args:
        score: ``(N,)``, higher means more likely wrong.
        wrong: ``(N,)``, which labels are.

    Returns:
        0 to 1, by chance the share of right labels; nan where all or none are wrong, and where a
        score is not finite.
    """
    budget = int(wrong.sum())
    if budget in {0, len(wrong)} or not np.isfinite(score).all():
        return math.nan
    least = np.partition(score, -budget)[-budget]
    above, equal = score > least, score == least
    chance = (budget - above.sum()) / equal.sum()
    return float(1 - (wrong[above].sum() + chance * wrong[equal].sum()) / budget)


def _costs(record: Record) -> Iterator[Row]:
    """Yield the seconds, memory and versions of a cell."""
    meta = record.meta
    costs, stamp = map(asdict, (meta.costs, meta.stamp))
    yield {"cell_id": record.cell_id, "status": meta.status, **costs, **stamp}

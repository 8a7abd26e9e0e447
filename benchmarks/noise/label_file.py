"""A user's file of labels: its columns, the classes that they name, the order of its rows."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import suggestion
from benchmarks.inputs import InputError, Table, arrays_of, records_of, table_of, text_of
from benchmarks.noise.base import LabelSpace
from benchmarks.noise.field_files import holds_arrays, shown, without_comments

VALUES = ("given", "label")
"""The columns that hold labels."""
ORDERS = ("position", "index")
"""The columns that say of which image a row is: its place in the training set, or the publisher's
index of it."""
COLUMNS = (*VALUES, *ORDERS, "true")

NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?")

COUNTED = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{1,18})(?P<after>\.0+|[^0-9]*)")

Values = Sequence[str] | NDArray[Any]


class Columns(NamedTuple):
    """The columns of a file of labels that are known, and where their values stand."""

    path: Path
    values: Mapping[str, Values]
    lines: Sequence[int] = ()  # of the rows; none in a file of arrays
    header: bool = False

    def place(self, name: str) -> str:
        """Return the place of a column in the file; a list of labels has none."""
        if self.lines:
            return f"column {name}" if self.header else ""
        return f"array {name}" if len(self.values) > 1 else ""

    def fault(self, name: str, row: int, reason: str) -> InputError:
        """Return the error that a value is told by."""
        where = f"line {self.lines[row]}" if self.lines else f"row {row}"
        return InputError(self.path, reason, ", ".join(filter(None, (where, self.place(name)))))


def read_columns(path: Path, data: bytes) -> Columns:
    """Return the known columns of a file; one of labels alone is called ``given``.

    Raises:
        InputError: the file is damaged, or holds something else.
    """
    return _parsed(data, path)


def given_labels(columns: Columns, space: LabelSpace) -> NDArray[np.int64]:
    """Return the class of each image, ``(N,)`` in the order of the file.

    Raises:
        InputError: there is another number of labels than of images, or one that is no class.
    """
    for name, column in columns.values.items():
        shape = column.shape if isinstance(column, np.ndarray) else (len(column),)
        if shape != (space.size,):
            count = f"{shape[0]}" if len(shape) == 1 else f"the shape {shape}"
            reason = f"{space.size} labels are needed, one for each image; it has {count}"
            if columns.lines and not columns.header:  # which may have been meant as one
                reason += f", the first of them {shown(column[0])}"
                if len(column) == space.size + 1:
                    reason += "; a header that is known is given or label"
            raise InputError(columns.path, reason, columns.place(name))
    both = [classes(columns, name, space) for name in VALUES if name in columns.values]
    if (apart := np.flatnonzero(both[0] != both[-1])).size:
        reason = "the columns given and label differ, and only one of them can be the labels"
        raise columns.fault("label", int(apart[0]), reason)
    return both[0]


def classes(columns: Columns, name: str, space: LabelSpace) -> NDArray[np.int64]:
    """Return a column as classes ``(N,)``.

    Raises:
        InputError: a value is no class of the dataset, or might be two.
    """
    column = columns.values[name]
    fault = functools.partial(columns.fault, name)
    if isinstance(column, np.ndarray) and column.dtype.kind != "U":
        wrong = np.flatnonzero(~np.isin(column, np.arange(space.num_classes)))
        if wrong.size:
            value = column[wrong[0]].item()
            hint = _known(space) + _counted_from_one(column, space.num_classes)
            raise fault(int(wrong[0]), f"{shown(value)} is no class; {hint}")
        return column.astype(np.int64)
    texts = list(map(str.strip, column))
    table = _meanings(texts, space, fault, names_win=isinstance(column, np.ndarray))
    return np.fromiter((table[text] for text in texts), np.int64, len(texts))


def _meanings(
    texts: Sequence[str],
    space: LabelSpace,
    fault: Callable[[int, str], InputError],
    *,
    names_win: bool,
) -> dict[str, int]:
    """Return the class that each text stands for: the one of this name, or of this number.

    Where names are numbers, a text may be the name of one class and the number of another. Then
    what all the texts can be decides, and where they can be both, nothing does.
    """
    distinct = dict.fromkeys(texts)
    names = {text: space.classes.index(text) for text in distinct if space.classes.count(text) == 1}
    numbers = {text: number for text in distinct if (number := _number(text, space)) is not None}
    for text in distinct:
        if text not in names and text not in numbers:
            hint = suggestion(text, space.classes) or f"; {_known(space)}"
            if all(map(NUMBER.fullmatch, distinct)):
                hint += _counted_from_one(np.array(list(map(float, distinct))), space.num_classes)
            raise fault(texts.index(text), f"{shown(text)} is no class{hint}")
    two = [text for text in names if numbers.get(text, names[text]) != names[text]]
    if two and not names_win and (len(names) == len(distinct)) == (len(numbers) == len(distinct)):
        text = two[0]
        raise fault(
            texts.index(text),
            f"{text!r} is the name of class {names[text]} and the number of class {numbers[text]}, "
            "and the other labels do not say which is meant; a .npy file does: of whole numbers, "
            "or of texts that are names",
        )
    by_number = bool(two) and not names_win and len(numbers) == len(distinct)
    return names | numbers if by_number else numbers | names


def _counted_from_one(numbers: NDArray[Any], count: int) -> str:
    """Say that numbers of ``count`` things begin with 1, "" if they do not."""
    if numbers.min() < 1 or numbers.max() != count or (numbers != numbers.round()).any():
        return ""
    return "; these are counted from 1, it seems, so take 1 from each"


def _number(text: str, space: LabelSpace) -> int | None:
    """Return the class whose number this is, ``3`` or ``3.0``, if any."""
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    return int(value) if value.is_integer() and 0 <= value < space.num_classes else None


def _known(space: LabelSpace) -> str:
    names = [name for place, name in enumerate(space.classes) if name != str(place)]
    also = f", or names such as {shown(names[0])}" if names else ""
    return f"classes are whole numbers from 0 to {space.num_classes - 1}{also}"


def order(columns: Columns, space: LabelSpace) -> NDArray[np.intp]:
    """Return the row of each image, ``(N,)``: by ``position`` or ``index`` where they are columns.

    The publisher's index is known once the images are there, so until then an ``index`` is only
    asked to be a whole number.

    Raises:
        InputError: an image has no row, or two; or the two columns contradict each other.
    """
    rows = np.arange(space.size)
    if "position" in columns.values:
        rows = _sorted(columns, "position", rows)
    if "index" not in columns.values:
        return rows
    published = space.images.position.numpy() if space.images else None
    if published is None:
        _whole(columns, "index")
        return rows
    by_index = _sorted(columns, "index", published)
    if "position" in columns.values and (apart := np.flatnonzero(by_index != rows)).size:
        image = int(apart[0])
        raise columns.fault(
            "index",
            int(rows[image]),
            f"the image at position {image} has the index "
            f"{published[image]}, not {columns.values['index'][rows[image]]}",
        )
    return by_index


def _sorted(columns: Columns, name: str, wanted: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rows that hold the wanted numbers, in their order."""
    numbers = _whole(columns, name)
    rows = numbers.argsort(kind="stable")
    ranked = numbers[rows]
    place = np.searchsorted(ranked, wanted).clip(max=len(ranked) - 1)
    absent = np.flatnonzero(ranked[place] != wanted)
    if absent.size:
        twice = np.flatnonzero(np.diff(ranked) == 0)
        extra = rows[twice[0] + 1] if twice.size else np.flatnonzero(~np.isin(numbers, wanted))[0]
        what = "stands there twice" if twice.size else "is of no training image"
        hint = "" if twice.size else _counted_from_one(numbers, len(wanted))
        reason = f"{numbers[extra]} {what}, and {wanted[absent[0]]} is missing{hint}"
        raise columns.fault(name, int(extra), reason)
    chosen: NDArray[np.intp] = rows[place]
    return chosen


def _whole(columns: Columns, name: str) -> NDArray[np.int64]:
    """Return a column as whole numbers."""
    column = columns.values[name]
    if isinstance(column, np.ndarray) and column.dtype.kind != "U":
        real = column.astype(np.float64)  # half the range of float16 is no bound to compare with
        wrong = np.flatnonzero(~((real >= 0) & (real < 2**53) & (real == np.floor(real))))
        real[wrong] = 0
        numbers = real.astype(np.int64)
    else:
        fits = [re.fullmatch(r"[0-9]{1,15}(\.0*)?", text.strip()) for text in column]
        wrong = np.array([row for row, fit in enumerate(fits) if not fit], np.intp)
        numbers = np.array([int(fit[0].partition(".")[0]) if fit else 0 for fit in fits], np.int64)
    if wrong.size:
        value = column[wrong[0]]
        value = value.item() if isinstance(value, np.generic) else value
        raise columns.fault(name, int(wrong[0]), f"{shown(value)} is no whole number from 0 on")
    return numbers


@functools.lru_cache(maxsize=8)
def _parsed(data: bytes, path: Path) -> Columns:
    """Return the known columns; the cells of one file ask for them each."""
    if holds_arrays(data, path):
        return _from_arrays(arrays_of(data, path), path)
    text = without_comments(text_of(data, path))
    header = [name.strip() for name in next(records_of(text, path), (0, []))[1]]
    if set(VALUES) & set(header):
        return _from_table(table_of(text, path), path)
    return _from_list(text, header, path)


def _from_arrays(arrays: Mapping[str, NDArray[Any]], path: Path) -> Columns:
    if len(arrays) == 1 and not set(arrays) & {*ORDERS, "true"}:
        arrays = dict.fromkeys(["given"], *arrays.values())
    known = {name: arrays[name] for name in COLUMNS if name in arrays}
    if not set(ORDERS) & set(arrays):
        for name in arrays.keys() - known.keys():
            if arrays[name].dtype.kind in "iuU" and arrays[name].ndim == 1:
                _refuse_other_order(path, name, list(map(str, arrays[name].tolist())))
    if not set(VALUES) & set(known):
        have = ", ".join(arrays) or "none"
        raise InputError(path, f"one array, or one called given or label, is needed; it has {have}")
    for array in known.values():
        if array.dtype.kind not in "iufU":
            reason = f"labels are numbers or names, not of the type {array.dtype}"
            raise InputError(path, reason)
    return Columns(path, known)


def _from_table(table: Table, path: Path) -> Columns:
    if not set(ORDERS) & set(table.header):
        for place, name in enumerate(table.header):
            if name not in COLUMNS:
                _refuse_other_order(path, name, [row[place] for row in table.rows])
    known = {name: table.column(name) for name in COLUMNS if name in table.header}
    return Columns(path, known, table.lines, header=True)


def _refuse_other_order(path: Path, name: str, texts: Sequence[str]) -> None:
    """Refuse a column that is not known and counts the rows, but in another order than theirs.

    Such is the index that pandas and R write before a shuffled table, in a column without a name,
    or a column of the images' files.
    """
    numbers = _counted(texts)
    if not numbers or numbers == sorted(numbers):
        return
    first, last = min(numbers), max(numbers)
    if first in {0, 1} and sorted(numbers) == list(range(first, last + 1)):
        raise InputError(
            path,
            f"the column {name!r} counts from {first} to {last} in another order than the "
            "rows; call it position, with whole numbers from 0, if it says which image a row is "
            "of, else leave it out",
        )


def _counted(texts: Sequence[str]) -> list[int]:
    """Return the last number in each text where all else is the same, as in ``img_007.png``."""
    around, numbers = set(), []
    for text in texts:
        fit = COUNTED.fullmatch(text.strip().rpartition("/")[2])
        if not fit:
            return []
        around.add(fit.group("before", "after"))
        if len(around) > 1:
            return []
        numbers.append(int(fit["number"]))
    return numbers


def _from_list(text: str, first: Sequence[str], path: Path) -> Columns:
    """Return labels that stand one on a line, or all on one."""
    rows = [(line, row) for line, row in records_of(text, path) if not row[0].startswith("#")]
    if not rows:
        raise InputError(path, "has no labels")
    if len(rows) == 1:
        ((line, values),) = rows
        values = values if len(values) > 1 else values[0].split()
        return Columns(path, {"given": values}, [line] * len(values))
    for line, row in rows:
        if len(row) != 1 or set(VALUES) & set(re.split(r"[;\t]", row[0].replace('"', ""))):
            raise InputError(
                path,
                "a table needs a header with a column given or label, and commas between columns; "
                "its first line is " + shown(", ".join(first)),
                f"line {line}",
            )
    return Columns(path, {"given": [row[0] for _, row in rows]}, [line for line, _ in rows])

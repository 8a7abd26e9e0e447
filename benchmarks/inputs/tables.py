"""Tables in CSV, by the rules of the format: quoted commas, quotes and line ends are data."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs.error import InputError
from benchmarks.inputs.regular import read_text

FIELDS = 4_000_000
"""The most fields of a table, which take most of a gigabyte while they are read."""


@dataclass(frozen=True)
class Table:
    """The header and the rows of a CSV file, every row as long as the header."""

    path: Path | str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    lines: list[int]  # where each row begins, counted from 1

    def column(self, name: str) -> list[str]:
        """Return the values of a column.

        Raises:
            KeyError: the header does not name it.
        """
        place = self.header.index(name) if name in self.header else None
        if place is None:
            raise KeyError(name)
        return [row[place] for row in self.rows]

    def fault(self, row: int, reason: str) -> InputError:
        """Return the error that a row, counted from 0, is told by."""
        return InputError(self.path, reason, f"line {self.lines[row]}")


def read_table(path: Path | str) -> Table:
    """Read a CSV file with a header.

    Blanks around the names of columns and before a field are dropped, blank lines skipped.

    Raises:
        InputError: it cannot be read; it is no CSV; it has no header or no row; a column is named
            twice; a row has more or fewer fields than the header.
    """
    return table_of(read_text(path), path)


def table_of(text: str, where: Path | str) -> Table:
    """Return the table in a text, as :func:`read_table` does."""
    records = records_of(text, where)
    _, names = next(records, (0, []))
    header = tuple(name.strip() for name in names)
    if not header:
        raise InputError(where, "has no rows")
    for sign, noun in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and sign in header[0]:
            reason = f"the columns are parted by {noun}; save the table with commas (CSV UTF-8)"
            raise InputError(where, reason, "line 1")
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise InputError(where, f"names the column {twice[0]!r} twice", "line 1")
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    for line, row in records:
        if len(row) != len(header):
            raise InputError(
                where,
                f"a row of {len(row)} where the header has {len(header)} fields (a field that "
                "holds a comma is written in double quotes)",
                f"line {line}",
            )
        rows.append(tuple(row))
        lines.append(line)
    if not rows:
        raise InputError(where, "has no rows")
    return Table(where, header, rows, lines)


def records_of(text: str, where: Path | str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line of each record that is not blank, counted from 1, and its fields.

    Raises:
        InputError: the text is no CSV, or has more than ``FIELDS`` fields.
    """
    large = InputError(where, f"a table of at most {FIELDS:,} fields is read")
    if text.count("\n") > FIELDS:  # without reading it first
        raise large
    if (zero := text.find("\0")) >= 0:
        line = text.count("\n", 0, zero) + 1
        raise InputError(where, "text must hold no zero bytes", f"line {line}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    line, fields = 1, 0
    try:
        for record in reader:
            fields += len(record)
            if fields > FIELDS:
                raise large
            if any(field.strip() for field in record):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(where, f"is no CSV: {error}", f"line {line}") from error

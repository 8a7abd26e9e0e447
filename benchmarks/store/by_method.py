"""Tables of which a row takes all cells of a method in a setting, or of two methods."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from benchmarks import schema
from benchmarks.store.aggregates import Group, Row, group_of
from benchmarks.store.part_file import Record

Kept = TypeVar("Kept")


class ByMethod(ABC, Generic[Kept]):
    """Rows of methods in settings; records come method by method, so that few are held at once."""

    def __init__(self) -> None:
        self._method = ""
        self._cells: dict[Group, dict[int, Kept]] = {}  # of the method whose records are coming
        self._rows: list[Row] = []

    @abstractmethod
    def keep(self, record: Record) -> Kept:
        """Return what is kept of a finished cell until all cells of its method have come."""

    @abstractmethod
    def rows_of(self, group: Group, cells: dict[int, Kept]) -> Iterator[Row]:
        """Yield the rows of a method in a setting, without its keys.

        Args:
            group: the values of ``schema.POOLED_KEYS``.
            cells: its finished cells by seed.
        """

    def add(self, record: Record) -> None:
        """Take in one cell, if it has finished."""
        if record.meta.status != "done":
            return
        if record.meta.keys.method != self._method:
            self._end_method()
            self._method = record.meta.keys.method
        self._cells.setdefault(group_of(record), {})[record.meta.keys.seed] = self.keep(record)

    def _end_method(self) -> None:
        for group, cells in self._cells.items():
            keys = dict(zip(schema.POOLED_KEYS, group, strict=True))
            self._rows += [keys | row for row in self.rows_of(group, cells)]
        self._cells = {}

    def rows(self) -> Iterator[Row]:
        """Yield all rows in the order of their keys."""
        self._end_method()
        yield from sorted(self._rows, key=lambda row: [row[name] for name in schema.POOLED_KEYS])

"""Cells that differ in seed alone, so that what they share is asked of one."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.sweep import Cell


class Repeats(NamedTuple):
    """Cells that differ in seed alone, at least one."""

    cells: list[Cell]

    @property
    def first(self) -> Cell:
        """The one that speaks for all."""
        return self.cells[0]

    def __len__(self) -> int:
        return len(self.cells)


Cells = Iterable[Cell | Repeats]
"""Cells, one by one or in groups."""


def repeats(cells: Cells) -> list[Repeats]:
    """Group the cells of a suite, whose parts are the same objects for every seed.

    Equal parts that are different objects make groups of their own, which is no harm. Groups stay
    as they are, as a million cells take a second.
    """
    groups: dict[object, Repeats] = {}
    for cell in cells:
        if isinstance(cell, Repeats):
            groups[id(cell)] = cell
            continue
        parts = (cell.dataset, cell.noise, cell.method, cell.model, cell.recipe)
        key = (*map(id, parts), cell.precision, cell.asked, cell.profile)
        if key in groups:
            groups[key].cells.append(cell)
        else:
            groups[key] = Repeats([cell])
    return list(groups.values())

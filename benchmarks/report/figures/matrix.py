"""Methods by settings as coloured cells: the frame of the heat map and of the coverage."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.report.figures import canvas
from benchmarks.report.venues import Venue

ROWS = 40
_CELL_HEIGHT = 0.18
_SHORT = 0.7
"""Inches from which on a cell has its setting's name written level below it."""


@dataclass(frozen=True)
class Frame:
    """An empty matrix whose cell ``(row, column)`` is the unit square below and right of both."""

    figure: Figure
    axes: Axes
    size: float  # points of the text that fits a cell


def split(
    methods: Sequence[str], settings: Sequence[str], per_page: int
) -> tuple[list[tuple[tuple[str, ...], tuple[str, ...]]], str]:
    """Which methods and settings each page has, and what to say where not all fit."""
    budget = max(1, canvas.PAGES // -(-len(methods) // ROWS))
    shown = canvas.spread(settings, per_page * budget)
    pages = product(canvas.chunks(methods, ROWS), canvas.chunks(shown, per_page))
    return list(pages), canvas.of_many(len(shown), len(settings), "settings")


def fitting(venue: Venue, labels: Sequence[str], cell: float) -> int:
    """How many cells of so many inches stand beside the longest label."""
    return max(1, int((venue.width - _label_width(venue, labels) - 0.5) / cell))


def _label_width(venue: Venue, labels: Sequence[str]) -> float:
    return min(max(map(len, labels)) * venue.letter * 0.9, 2.0)


def frame(venue: Venue, labels: Sequence[str], settings: Sequence[str]) -> Frame:
    """Axes with a row for each label and a column for each setting."""
    room = venue.width - _label_width(venue, labels) - 0.5
    cell = min(room / len(settings), 1.1)
    level = cell >= _SHORT
    names = [canvas.wrapped(name, cell, venue) if level else name for name in settings]
    foot = 0.14 * max(name.count("\n") + 1 for name in names)
    if not level:
        foot = max(map(len, names)) * venue.letter * 0.9
    width = min(venue.width, venue.width - room + cell * len(settings) + 0.3)
    figure = canvas.new_figure(width, _CELL_HEIGHT * len(labels) + foot + 0.6)
    axes = figure.subplots()
    axes.set(xlim=(0, len(settings)), ylim=(len(labels), 0))
    axes.set_xticks(np.arange(len(settings)) + 0.5, names, rotation=0 if level else 90)
    axes.set_yticks(np.arange(len(labels)) + 0.5, [canvas.wrapped(n, 2.0, venue) for n in labels])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return Frame(figure, axes, min(venue.points - 2, 24 * cell))


def _boxes(where: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    places = zip(*(index.tolist() for index in np.nonzero(where)), strict=True)
    return [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)] for y, x in places]


def paint(axes: Axes, colours: NDArray[np.str_]) -> None:
    """Fill every cell with its colour, ``(rows, columns)``."""
    boxes = _boxes(np.ones(colours.shape, dtype=np.bool_))
    axes.add_collection(
        PolyCollection(boxes, facecolors=colours.ravel(), edgecolors="white", linewidths=0.6)
    )


def hatch(axes: Axes, where: NDArray[np.bool_], colour: str) -> None:
    """Draw thin lines over the cells that are marked."""
    boxes = _boxes(where)
    axes.add_collection(
        PolyCollection(boxes, facecolors="none", edgecolors=colour, linewidths=0, hatch="/////")
    )


def write(frame_: Frame, texts: NDArray[np.object_], colours: NDArray[np.object_]) -> None:
    """Put a word into each cell that has one."""
    for row, column in zip(*np.nonzero(texts != ""), strict=True):
        frame_.axes.text(
            column + 0.5,
            row + 0.53,
            texts[row, column],
            color=colours[row, column],
            fontsize=frame_.size,
            ha="center",
            va="center",
        )

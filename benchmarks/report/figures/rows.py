"""Methods as the rows of panels, one for each setting."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.figures import layout
from benchmarks.report.venues import Venue

_COLUMNS = (5, 4, 3)
"""The numbers of panels side by side, the most for which all titles have room."""
ROW = 0.122
"""The inches of a row whose label has one line."""
_AROUND, _LINE = 0.62, 0.13
"""The inches that a title of two lines and an axis take around a panel, and those of a line."""
_FOOT = 0.52
"""The inches of a legend and of the label of an axis."""
_LABEL, _GAP = 1.9, 0.1
"""The most inches of a label's line, and those between two titles."""

Part = tuple[tuple[str, ...], tuple[str, ...]]


class Sheet(NamedTuple):
    """A page of panels, of some methods and settings."""

    figure: Figure
    data: pd.DataFrame  # of these alone
    methods: tuple[str, ...]
    panels: list[tuple[Axes, pd.DataFrame]]  # with the data of the setting of each


def sheets(
    venue: Venue,
    data: pd.DataFrame,
    labels: Mapping[str, str],
    settings: Sequence[str],
    x_label: str,
) -> tuple[list[Sheet], str]:
    """Return a page for each part that fits, and what a caption says where not all settings do.

    Args:
        venue: where it is printed.
        data: by ``method`` and ``setting``.
        labels: the label of each method, in their order.
        settings: the titles of the panels.
        x_label: the label below the lowest panels.
    """
    columns = _columns(venue, labels, settings, x_label)
    around = _AROUND + _LINE * (_most_lines(_titles(venue, labels, settings, columns)) - 2)
    parts, more = _split(venue, labels, settings, (columns, around))
    drawn = []
    for methods, shown in parts:
        part = data[data["method"].isin(methods) & data["setting"].isin(shown)]
        own = {method: labels[method] for method in methods}
        figure, panels = _draw(venue, own, shown, (columns, around))
        for axes, _ in panels[-_across(len(shown), columns) :]:
            axes.set_xlabel(x_label)
        each = [(axes, part[part["setting"] == setting]) for axes, setting in panels]
        drawn.append(Sheet(figure, part, methods, each))
    return drawn, more


def _columns(venue: Venue, labels: Mapping[str, str], settings: Sequence[str], x_label: str) -> int:
    """Return how many panels stand side by side at most: so many that titles have room."""
    room = _room(venue, labels)
    for columns in _COLUMNS:
        titles = [layout.wrapped(s, room / columns - _GAP, venue) for s in settings]
        widest = max(len(line) for title in [*titles, x_label] for line in title.split("\n"))
        if widest * venue.letter <= room / columns - _GAP / 2:
            return columns
    return _COLUMNS[-1]


def _across(panels: int, columns: int) -> int:
    """Return how many panels stand side by side in rows of nearly equal length."""
    rows = -(-panels // columns)
    return -(-panels // rows)


def _room(venue: Venue, labels: Mapping[str, str]) -> float:
    """Return the inches that the longest label leaves for panels."""
    return venue.width - min(max(map(len, labels.values())) * venue.letter, _LABEL)


def _titles(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str], columns: int
) -> list[str]:
    width = _room(venue, labels) / columns - _GAP
    return [layout.name_lines(setting, width, venue) for setting in settings]


def _most_lines(names: Sequence[str]) -> int:
    return max(2, *(name.count("\n") + 1 for name in names))


def _split(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str], size: tuple[int, float]
) -> tuple[list[Part], str]:
    """Return the methods and settings of each page, and what a caption says where not all fit.

    Args:
        venue: where it is printed.
        labels: the label of each method, in their order.
        settings: the titles of the panels.
        size: the most panels side by side, and the inches around one.
    """
    (columns, around), room = size, venue.tallest - _FOOT
    row = _row(_names(venue, labels), venue)
    rows = int((room - around) / row)
    down = max(1, int(room / (around + row * min(rows, len(labels)))))
    pages, shown = layout.split(list(labels), settings, (rows, columns * down))
    return pages, layout.of_many(shown, len(settings), "settings")


def _draw(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str], size: tuple[int, float]
) -> tuple[Figure, list[tuple[Axes, str]]]:
    """Return a new figure, and a panel for each setting; the first method is the highest row.

    Its arguments are those of :func:`_split`.
    """
    across = _across(len(settings), size[0])
    down = -(-len(settings) // across)
    lines = _names(venue, labels)
    height = _row(lines, venue) * len(lines)
    figure = layout.new_figure(venue.width, down * (height + size[1]) + _FOOT)
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    panels = list(zip(grid.flat, settings, strict=False))
    titles = _titles(venue, labels, settings, across)
    for (axes, _), title in zip(panels, titles, strict=True):
        axes.set_title(title)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(layout.few_ticks(3))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_yticks(np.arange(len(lines)), lines)
    grid[0, 0].set_ylim(len(lines) - 0.4, -0.6)
    return figure, panels


def _names(venue: Venue, labels: Mapping[str, str]) -> list[str]:
    return [layout.name_lines(label, _LABEL, venue) for label in labels.values()]


def _row(names: Sequence[str], venue: Venue) -> float:
    """Return the inches of a row: names of one line each stand close."""
    several = any("\n" in name for name in names)
    return layout.row_height(names, ROW, venue) if several else ROW


def inches(axes: Axes, venue: Venue) -> float:
    """Return about how wide a panel of these will be."""
    place = axes.get_subplotspec()
    across = place.get_gridspec().ncols if place else 1
    return max((venue.width - _LABEL) / across - 0.2, 0.3)

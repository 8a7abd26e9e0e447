"""Methods as the rows of panels, one for each setting."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.figures import layout
from benchmarks.report.venues import Venue

COLUMNS = 5
"""Most panels side by side."""
ROW = 0.122
"""The inches of a row whose label has one line."""
_AROUND = 0.62
"""The inches that a title and an axis take around a panel."""
_FOOT = 0.4
"""The inches of a legend and of the label of an axis."""
_LABEL = 1.9
"""The most inches of a label's line."""

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
    parts, more = split(venue, labels, settings)
    drawn = []
    for methods, shown in parts:
        part = data[data["method"].isin(methods) & data["setting"].isin(shown)]
        figure, panels = draw(venue, {m: labels[m] for m in methods}, shown, x_label)
        each = [(axes, part[part["setting"] == setting]) for axes, setting in panels]
        drawn.append(Sheet(figure, part, methods, each))
    return drawn, more


def split(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str]
) -> tuple[list[Part], str]:
    """Return the methods and settings of each page, and what a caption says where not all fit."""
    room = venue.tallest - _FOOT
    row = _row(_names(venue, labels), venue)
    rows = int((room - _AROUND) / row)
    down = max(1, int(room / (_AROUND + row * min(rows, len(labels)))))
    pages, shown = layout.split(list(labels), settings, (rows, COLUMNS * down))
    return pages, layout.of_many(shown, len(settings), "settings")


def draw(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str], x_label: str
) -> tuple[Figure, list[tuple[Axes, str]]]:
    """Return a new figure, and a panel for each setting; the first method is the highest row.

    Args:
        venue: where it is printed.
        labels: the label of each method, in their order.
        settings: the titles of the panels.
        x_label: the label below the lowest panels.
    """
    down = -(-len(settings) // COLUMNS)
    across = -(-len(settings) // down)
    lines = _names(venue, labels)
    height = _row(lines, venue) * len(lines)
    figure = layout.new_figure(venue.width, down * (height + _AROUND) + _FOOT)
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    titled = (venue.width - min(max(map(len, labels.values())) * venue.letter, _LABEL)) / across
    panels = list(zip(grid.flat, settings, strict=False))
    for place, (axes, setting) in enumerate(panels):
        axes.set_xlabel(x_label if place + across >= len(panels) else "")
        axes.set_title(layout.name_lines(setting, titled - 0.1, venue))
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

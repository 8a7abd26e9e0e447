"""Methods by settings as a heat map: how large it is, how it is split into pages and drawn."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import Venue

ROWS = 40
"""Most methods on a page."""
ENTRY = 0.33
"""The inches from which on an entry is wide enough for a number."""
_ROW_HEIGHT = 0.18
_LEVEL = 0.7
"""The inches from which on an entry has its setting's name written level below it."""
_SMALLEST = 4
"""The points below which nothing is written into entries."""


def split(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str], least: float = ENTRY
) -> tuple[list[tuple[tuple[str, ...], tuple[str, ...]]], str]:
    """Return the methods and settings of each page, and what a caption says where not all fit.

    Where not all settings fit with numbers, an entry is ``least`` inches wide.
    """
    room = _room(venue, labels)
    entry = ENTRY if len(settings) <= room // ENTRY else least
    pages, shown = layout.split(list(labels), settings, (ROWS, max(1, int(room / entry))))
    return pages, layout.of_many(shown, len(settings), "settings")


def entries(
    data: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], fill: float = np.nan
) -> pd.DataFrame:
    """Return the data of every pair of method and setting, also of those that it lacks."""
    places = pd.MultiIndex.from_product([rows, columns], names=["method", "setting"])
    return data.set_index(places.names).reindex(places, fill_value=fill)


def _room(venue: Venue, labels: Mapping[str, str]) -> float:
    """Return the inches that the longest label leaves for entries."""
    return venue.width - min(max(map(len, labels.values())) * venue.letter * 0.9, 2.0) - 0.5


def draw(
    venue: Venue,
    labels: Mapping[str, str],
    entries: pd.DataFrame,
    hatch_colour: str,
    **options: object,
) -> Figure:
    """Draw a coloured entry for each method and setting.

    Args:
        venue: where it is printed.
        labels: the label of each method.
        entries: by method and setting, each pair of both, the number ``value``, the ``text``
            that is written where entries are large enough, and whether they are ``hatched``.
        hatch_colour: the colour of the thin lines over hatched entries.
        options: those of ``seaborn.heatmap``.
    """
    methods, settings = (entries.index.unique(level) for level in (0, 1))
    value, text, hatched = (
        pd.DataFrame(entries[name].to_numpy().reshape(len(methods), -1), methods, settings)
        for name in ("value", "text", "hatched")
    )
    room = _room(venue, {method: labels[method] for method in methods})
    entry = min(room / len(settings), 1.1)
    level = entry >= _LEVEL
    names = [
        layout.name_lines(name, entry, venue) if level else layout.shortened(name)
        for name in settings
    ]
    foot = 0.14 * max(name.count("\n") + 1 for name in names)
    if not level:
        foot = max(map(len, names)) * venue.letter * 0.9
    width = min(venue.width, venue.width - room + entry * len(settings) + 0.3)
    wrapped = [layout.name_lines(labels[method], 2.0, venue) for method in methods]
    height = layout.row_height(wrapped, _ROW_HEIGHT, venue)
    figure = layout.new_figure(width, height * len(methods) + foot + 0.6)
    axes, size = figure.subplots(), min(venue.points - 2, 24 * entry)
    sns.heatmap(
        value,
        annot=text if size > _SMALLEST else None,
        fmt="",
        annot_kws={"fontsize": size},
        linewidths=0.6,
        xticklabels=False,
        yticklabels=False,
        ax=axes,
        **options,
    )
    axes.set(xlabel="", ylabel="")
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=0 if level else 90)
    axes.set_yticks(np.arange(len(methods)) + 0.5, wrapped)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for y, x in np.argwhere(hatched.to_numpy()):
        box = Rectangle((x, y), 1, 1, fill=False, hatch="/////", linewidth=0)
        axes.add_patch(box).set_edgecolor(hatch_colour)
    return figure

"""Curves of many methods in one panel, and the legend that names the methods."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.figures.method_selection import MethodSelection
from benchmarks.report.looks import Look
from benchmarks.report.venues import Venue

GREY = "0.8"
"""The colour of methods that the legend does not name."""


def draw_lines(axes: Axes, rows: pd.DataFrame, methods: MethodSelection, *, marks: int = 1) -> None:
    """Draw a line for each method, with its band behind it where bands can be told apart.

    Args:
        axes: the panel.
        rows: ``method``, ``x`` and ``mean``, and the bounds ``low`` and ``high`` of the band.
        methods: which methods are in colour.
        marks: how many points have one marker between them; 0 for no markers.
    """
    by_method = {str(method): line for method, line in rows.groupby("method")}
    for method in methods.others:
        if method in by_method:
            line = by_method[method]
            axes.plot(line["x"], line["mean"], color=GREY, linewidth=0.6, zorder=1.5)
    for place, (method, look) in enumerate(methods.shown.items()):
        if method not in by_method:
            continue
        line = by_method[method]
        axes.plot(
            line["x"],
            line["mean"],
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker if marks else "",
            markevery=(place % marks, marks) if marks else None,
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
        band = line.dropna(subset=["low"])
        if methods.have_bands and len(band):
            axes.fill_between(
                band["x"], band["low"], band["high"], color=look.colour, alpha=0.15, linewidth=0
            )


def draw_legend(
    figure: Figure, methods: MethodSelection, venue: Venue, extra: Sequence[Artist] = ()
) -> None:
    """Name the methods once, below all panels, in the order of their looks."""
    handles: list[Artist] = [
        Line2D([], [], color=k.colour, marker=k.marker, ls=k.dash, label=k.label)
        for k in methods.shown.values()
    ]
    if count := len(methods.others):
        name = f"{count} other {'method' if count == 1 else 'methods'}"
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, label=name))
    handles += extra
    labels = [str(handle.get_label()) for handle in handles]
    rows = -(-len(labels) // _columns(labels, figure.get_figwidth(), venue))
    figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(labels) // rows))


def legend_height(looks: Mapping[str, Look], width: float, venue: Venue) -> float:
    """Return the inches that a legend will take, to be added to the height of the panels."""
    labels = [look.label for look in looks.values()]
    rows = -(-(len(labels) + 1) // _columns(labels, width, venue))
    return 0.1 + 0.0205 * venue.points * rows


def _columns(labels: Sequence[str], width: float, venue: Venue) -> int:
    """Return how many entries fit side by side: a handle and the longest label each."""
    widest = 0.78 * venue.letter * max(map(len, labels))
    return max(1, int(width / (0.06 * venue.points + widest)))

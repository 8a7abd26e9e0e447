"""The methods of a figure: which are in colour, their lines, their legend and their panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import Venue
from benchmarks.report.looks import Look, base

GREY = "0.8"
"""The colour of methods that the legend does not name."""

CROWDED = 10
"""Most methods that are all in colour, and whose bands do not cover each other."""

GRID = 8, 5
"""Most rows and columns on a page of methods by noises."""


@dataclass(frozen=True)
class MethodSelection:
    """The methods that a figure shows in colour, and those that are grey and have no name."""

    shown: dict[str, Look]
    others: tuple[str, ...]

    @property
    def have_bands(self) -> bool:
        """True if the methods are few enough for their bands to be distinguishable."""
        return not self.others and len(self.shown) <= CROWDED

    @property
    def note(self) -> str:
        """The sentence on grey methods for a caption, or nothing."""
        if not self.others:
            return ""
        return (
            " In colour: what the others are compared with, and of each family the method with the "
            "best mean accuracy; grey: the others, named in the tables and the CSV file."
        )


def select_methods(analysis: Analysis) -> MethodSelection:
    """Return all methods, or of more than ten the references and the best of each family."""
    looks = analysis.looks
    if len({base(method) for method in looks}) <= CROWDED:
        return MethodSelection(looks, ())
    family = {method: look.family for method, look in looks.items()}
    means = analysis.shared().groupby("method")["acc"].mean()
    order = stats.tied_series(means).sort_values(ascending=False, kind="stable").index
    best = {family[str(method)]: str(method) for method in reversed(order)}
    kept = {*best.values(), *analysis.references}
    shown = {method: look for method, look in looks.items() if method in kept}
    return MethodSelection(shown, tuple(method for method in looks if method not in kept))


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
            linewidth=line_width(look),
            zorder=3 if look.strong else 2,
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


def line_width(look: Look) -> float:
    """Return the points of a method's line."""
    return 1.9 if look.strong else 1.1


def draw_legend(
    figure: Figure, methods: MethodSelection, venue: Venue, extra: Sequence[Artist] = ()
) -> None:
    """Name the methods once, below all panels, in the order of their looks."""
    handles: list[Artist] = [
        Line2D(
            *([], []),
            color=k.colour,
            marker=k.marker,
            ls=k.dash,
            linewidth=line_width(k),
            label=legend_label(k),
        )
        for k in methods.shown.values()
    ]
    if count := len(methods.others):
        name = f"{count} other {'method' if count == 1 else 'methods'}"
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, label=name))
    handles += extra
    labels = [str(handle.get_label()) for handle in handles]
    rows = -(-len(labels) // _columns(labels, figure.get_figwidth(), venue))
    figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(labels) // rows))


def legend_label(look: Look) -> str:
    """Return the label of a method, shortened, so that the legend has it.

    matplotlib leaves out what begins with an underscore; it begins with a space here.
    """
    label = layout.shortened(look.label)
    return f" {label}" if label.startswith("_") else label


def legend_height(looks: Mapping[str, Look], width: float, venue: Venue) -> float:
    """Return the inches that a legend will take, to be added to the height of the panels."""
    labels = [legend_label(look) for look in looks.values()]
    rows = -(-(len(labels) + 1) // _columns(labels, width, venue))
    return 0.1 + 0.0205 * venue.points * rows


def _columns(labels: Sequence[str], width: float, venue: Venue) -> int:
    """Return how many entries fit side by side: a handle and the longest label each."""
    widest = 0.78 * venue.letter * max(map(len, labels))
    return max(1, int(width / (0.06 * venue.points + widest)))


@dataclass(frozen=True)
class MethodGrid:
    """One page of methods by noises, of one dataset, model and recipe."""

    arena: str
    looks: dict[str, Look]
    noises: tuple[str, ...]
    data: pd.DataFrame  # with columns ``method`` and ``panel``
    note: str  # what a caption says of methods and noises that are left out

    def figure(
        self, venue: Venue, row_height: float, x_label: str
    ) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
        """Return a new figure and its panels, each with its rows of the data.

        A panel without rows says that there is no run. A row of panels is ``row_height`` inches
        high, and ``x_label`` stands below the lowest one.
        """
        across, small = len(self.noises), replace(venue, points=venue.points - 1)
        width = venue.width if across > 2 else 1.4 * across + 0.75
        figure = layout.new_figure(width, row_height * len(self.looks) + 0.85)
        labels = {
            method: layout.name_lines(look.label, row_height - 0.13, small)
            for method, look in self.looks.items()
        }
        grid = figure.subplots(len(labels), across, squeeze=False, sharex=True, sharey=True)
        panels = []
        for axes, method, noise in layout.facets(grid, venue, labels, self.noises, x_label):
            axes.grid(visible=False)
            axes.yaxis.label.set_fontsize(small.points)
            rows = self.data[(self.data["method"] == method) & (self.data["panel"] == noise)]
            if rows.empty:
                layout.write_centred(axes, "no run")
            panels.append((axes, rows))
        return figure, panels


def method_grids(analysis: Analysis, data: pd.DataFrame) -> list[MethodGrid]:
    """Share out data with ``arena``, ``panel`` and ``method`` among pages of methods by noises.

    Every method that :func:`select_methods` shows has a row; of arenas and noises there are as
    many, evenly spaced, as the pages allow.
    """
    selection = select_methods(analysis)
    methods = [method for method in selection.shown if method in set(data["method"])]
    arenas = list(dict.fromkeys(data["arena"]))
    kept = layout.spread(arenas, max(1, layout.PAGES // -(-len(methods) // GRID[0])))
    grids, shown, total = [], 0, 0
    for arena in kept:
        here = data[data["arena"] == arena]
        noises = _panels(analysis.run, arena, set(here["panel"]))
        parts, count = layout.split(methods, noises, GRID, layout.PAGES // len(kept))
        shown, total = shown + count, total + len(noises)
        for rows, columns in parts:
            part = here[here["method"].isin(rows) & here["panel"].isin(columns)]
            looks = {method: selection.shown[method] for method in rows}
            grids.append(MethodGrid(arena, looks, columns, part, ""))
    note = layout.of_many(len(kept), len(arenas), "datasets and models")
    note += layout.of_many(shown, total, "noises")
    if selection.others:
        note += (
            f" Of {len(analysis.run.methods)} methods those are shown that others are compared "
            "with, and of each family the one with the best mean accuracy."
        )
    return [replace(grid, note=note) for grid in grids]


def _panels(run: Run, arena: str, drawn: set[str]) -> list[str]:
    known = run.results[run.results["arena"] == arena]
    names = dict(zip(known["setting"], known["panel"], strict=True))
    return [names[s] for s in run.settings if s in names and names[s] in drawn]

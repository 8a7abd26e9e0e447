"""The methods of a figure: which are in colour, their lines, their legend and their panels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout
from benchmarks.report.looks import Look, base
from benchmarks.report.phrases import share_with_half
from benchmarks.report.venues import SMALLEST, Venue

CROWDED = 10
"""Most methods that are all drawn, and whose bands do not cover each other."""

COLUMNS = 5
"""Most noises beside each other in methods by noises."""

_SHARED = 1.0
"""The inches of methods by noises that are no rows: titles, the label of the axis, the legend."""

_CUT = " An interval that leaves the possible values is shown by its ends, in brackets."


@dataclass(frozen=True)
class MethodSelection:
    """The methods that a figure shows, and those that only the tables name."""

    shown: dict[str, Look]
    others: tuple[str, ...]
    accuracy: str  # what the best of a family is best by

    @property
    def have_bands(self) -> bool:
        """True if the methods are few enough for their bands to be distinguishable."""
        return len(self.shown) <= CROWDED

    def within(self, methods: Iterable[object]) -> "MethodSelection":
        """Return the same, but showing only what is among some methods."""
        known = set(methods)
        return replace(self, shown={m: look for m, look in self.shown.items() if m in known})

    @property
    def note(self) -> str:
        """The sentence on methods that are left out for a caption, or nothing."""
        if not self.others:
            return ""
        total = len(self.shown) + len(self.others)
        return (
            f" Shown: {len(self.shown)} of {total} methods: what the others are compared with, and "
            f"the best of each family by mean {self.accuracy}; the tables have all."
        )


def select_methods(analysis: Analysis) -> MethodSelection:
    """Return all methods, or of more than ten the references and the best of each family."""
    looks, accuracy = analysis.looks, analysis.run.words.accuracy
    if len({base(method) for method in looks}) <= CROWDED:
        return MethodSelection(looks, (), accuracy)
    family = {method: look.family for method, look in looks.items()}
    means = analysis.shared().groupby("method")["acc"].mean()
    order = stats.tied_series(means).sort_values(ascending=False, kind="stable").index
    best = {family[str(method)]: str(method) for method in reversed(order)}
    kept = {*best.values(), *analysis.references}
    shown = {method: look for method, look in looks.items() if method in kept}
    others = tuple(method for method in looks if method not in kept)
    return MethodSelection(shown, others, accuracy)


def draw_lines(
    axes: Axes, rows: pd.DataFrame, methods: MethodSelection, *, marks: int = 1, steps: bool = False
) -> None:
    """Draw a line for each method, with its band behind it where bands can be told apart.

    Args:
        axes: the panel.
        rows: ``method``, ``x`` and ``centre``, and the bounds ``low`` and ``high`` of the band.
        methods: which methods are drawn.
        marks: how many points have one marker between them.
        steps: whether a value holds until the next.
    """
    by_method = {str(method): line for method, line in rows.groupby("method")}
    for place, (method, look) in enumerate(methods.shown.items()):
        if method not in by_method:
            continue
        line = by_method[method]
        axes.plot(
            line["x"],
            line["centre"],
            color=look.colour,
            linestyle=look.dash,
            linewidth=line_width(look),
            zorder=3 if look.strong else 2,
            drawstyle="steps-post" if steps else "default",
            marker=look.marker,
            markevery=(place % marks, marks),
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
        if methods.have_bands and line["low"].notna().any():
            axes.fill_between(
                *(line["x"], line["low"], line["high"]),
                step="post" if steps else None,
                color=look.colour,
                alpha=0.15,
                linewidth=0,
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
    across: int  # panels beside each other: noises, or methods where there is one noise

    def figure(
        self, venue: Venue, row_height: float, x_label: str
    ) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
        """Return a new figure and its panels, each with its rows of the data.

        A panel without rows says that there is no run. A row of panels is ``row_height`` inches
        high, and ``x_label`` stands below the lowest one.
        """
        small = replace(venue, points=venue.small)
        width = venue.width if self.across > 2 else min(1.4 * self.across + 0.75, venue.width)
        down = -(-len(self.looks) * len(self.noises) // self.across)
        figure = layout.new_figure(width, row_height * down + _SHARED)
        grid = figure.subplots(down, self.across, squeeze=False, sharex=True, sharey=True)
        places = product(self.looks, self.noises)
        if len(self.noises) == 1:
            inside = width / self.across - 0.3
            for axes, look in zip(grid.flat, self.looks.values(), strict=False):
                axes.set_title(layout.name_lines(look.label, inside, small), fontsize=small.points)
            for axes in grid[-1]:
                axes.set_xlabel(x_label)
            for axes in grid.flat[len(self.looks) :]:
                axes.set_axis_off()
        else:
            labels = {
                method: layout.name_lines(look.label, row_height - 0.13, small)
                for method, look in self.looks.items()
            }
            layout.facets(grid, venue, labels, self.noises, x_label)
        panels = []
        for axes, (method, noise) in zip(grid.flat, places, strict=False):
            axes.grid(visible=False)
            axes.yaxis.label.set_fontsize(small.points)
            rows = self.data[(self.data["method"] == method) & (self.data["panel"] == noise)]
            if rows.empty:
                layout.write_centred(axes, "no run")
            panels.append((axes, rows))
        return figure, panels


def cut_note(means: pd.Series, halves: pd.Series) -> str:
    """Return what a caption says where the interval of a share leaves the possible values."""
    return _CUT if ((means < halves) | (means + halves > 1)).any() else ""


def write_above(axes: Axes, name: str, share: tuple[float, float]) -> None:
    """Write a share with its half width above a panel, below its title if it has one.

    The name that the caption has, too, is left out where there is no room for it.
    """
    text = share_with_half(*share)
    axes.annotate(
        text if text.endswith("]") else f"{name} {text}",
        (0.5, 1.0),
        (0, 1.5),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=SMALLEST,
    )
    axes.set_title(axes.get_title(), fontsize=axes.title.get_fontsize(), pad=11)


def method_grids(
    analysis: Analysis, data: pd.DataFrame, venue: Venue, row_height: float
) -> list[MethodGrid]:
    """Share out data with ``arena``, ``setting``, ``panel`` and ``method`` among pages.

    Every method that :func:`select_methods` shows has a row, and every core setting a column; of
    one setting, the methods stand beside each other.
    """
    selection, core = select_methods(analysis), analysis.core_settings
    methods = [method for method in selection.shown if method in set(data["method"])]
    names = data.drop_duplicates("setting").set_index("setting")
    arenas = list(dict.fromkeys(data["arena"]))
    kept = layout.spread(arenas, layout.PAGES)
    rows = max(1, int((venue.tallest - _SHARED) / row_height))
    columns = min(COLUMNS, max(1, int((venue.width - 0.75) / 0.9)))
    grids = []
    for arena in kept:
        here = [s for s in core if s in names.index and names.loc[s, "arena"] == arena]
        noises = [str(names.loc[s, "panel"]) for s in here]
        fits = rows * columns if len(noises) == 1 else rows
        for across, down in product(layout.chunks(noises, columns), layout.chunks(methods, fits)):
            inside = data["method"].isin(down) & data["panel"].isin(across)
            looks = {method: selection.shown[method] for method in down}
            part = data[inside & (data["arena"] == arena)]
            beside = min(columns, len(down)) if len(noises) == 1 else len(across)
            grids.append(MethodGrid(arena, looks, across, part, "", beside))
    note = core_note(analysis, data["setting"]) + selection.note
    note += layout.of_many(len(kept), len(arenas), "datasets and models")
    return [replace(grid, note=note) for grid in grids]


def core_note(analysis: Analysis, settings: pd.Series) -> str:
    """Return the sentence on settings with data that no figure of core settings shows, if any."""
    total = settings.nunique()
    shown = len(set(settings) & set(analysis.core_settings))
    if shown == total:
        return ""
    return f" Shown: {shown} of {total} settings, the same in every figure of so many panels."

"""Paired differences from the reference with their intervals, and what is too small to matter."""

from collections.abc import Hashable, Mapping
from math import nan
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.claims import OVERALL
from benchmarks.report.figures import layout, survivors, tips
from benchmarks.report.figures.difference import the_reference
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.looks import Look
from benchmarks.report.phrases import signed
from benchmarks.report.venues import SMALLEST, Venue

Ends = tuple[float, float]

SHOWN = ("acc", "ece")
_ROW = 0.165
"""The height of one method's row in inches."""
_SHARED, _LINE = 0.85, 0.13
"""The inches that are no rows, and those of each line of an axis's label but one."""
_NUMBER = 0.4
"""The share of an axis that an arrow with its number adds to it."""
_REACH = 4
"""A mean so many times as far from 0 as three quarters of the others does not set the axis."""


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a row for each method, in a panel for accuracy and one for ECE."""
    reference = the_reference(analysis)
    pooled, each = points(analysis, reference)
    if pooled.empty:
        raise AbsentError("No seed finished with both a method and the reference.")
    several = len(analysis.run.settings) > 1  # of one setting, the mean is the setting
    dots = each if several else each.iloc[:0]
    drawn = {*pooled["method"], *dots["method"]}
    looks = {method: look for method, look in analysis.looks.items() if method in drawn}
    labels = {m: layout.name_lines(look.label, 2.0, venue) for m, look in looks.items()}
    row = layout.row_height(list(labels.values()), _ROW, venue)
    about = {m: _axis(analysis, reference, m, venue) for m in SHOWN}
    shared = _SHARED + _LINE * max(text.count("\n") for text in about.values())
    data = pd.concat([pooled, each], ignore_index=True)
    windows = {m: _window(pooled, dots, m, 100 * analysis.margins[m]) for m in SHOWN}
    pages = []
    narrow = 0.0 if venue.width > 4 else 0.6  # the legend and labels of axes take more lines
    for part in layout.chunks(list(looks), int((venue.tallest - shared - narrow) / row)):
        shown = {method: looks[method] for method in part}
        figure = layout.new_figure(venue.width, shared + narrow + row * len(part))
        grid = figure.subplots(1, len(SHOWN), sharey=True)
        words = _caption(analysis, reference, pooled, dots)
        for axes, metric in zip(grid, SHOWN, strict=True):
            inside = [t[(t["metric"] == metric) & t["method"].isin(part)] for t in (pooled, dots)]
            axes.set_xlim(windows[metric])
            _draw_panel(axes, inside[0], inside[1], shown, 100 * analysis.margins[metric])
            axes.set_xlabel(about[metric])
        own = pooled[pooled["method"].isin(part)]
        place = {method: number for number, method in enumerate(part)}
        survivors.write_counts(grid[-1], own, place, venue.small, side="left")
        words += survivors.COUNTS * bool(survivors.lost(own).any())
        grid[0].set_yticks(range(len(part)), [labels[method] for method in part])
        _draw_legend(figure, dots=len(dots) > 0)
        here = pd.concat([pooled, dots])
        words += _cut(here[here["method"].isin(part)], windows)
        pages.append(Page(figure, data[data["method"].isin(part)], words))
    return pages


def _axis(analysis: Analysis, reference: str, metric: str, venue: Venue) -> str:
    """Return the label of an axis: from what the differences are."""
    label = f"{analysis.run.words.metric(metric).label}, points above"
    width = venue.width / 2 - 0.9
    name = layout.name_lines(analysis.label(reference), width, venue)
    return f"{layout.wrapped(label, width, venue)}\n{name}"


def _draw_legend(figure: Figure, *, dots: bool) -> None:
    dot = Line2D([], [], color="0.3", marker=".", linestyle="", markersize=3, label="one setting")
    handles = [
        Line2D([], [], color="black", marker="o", markersize=4, label="mean, 95% interval"),
        *([dot] if dots else []),
        Patch(color="0.88", label="practically equivalent"),
    ]
    ncols = len(handles) if figure.get_figwidth() > 4 else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols)


def _caption(analysis: Analysis, reference: str, pooled: pd.DataFrame, dots: pd.DataFrame) -> str:
    name = analysis.label(reference)
    words = analysis.run.words
    bands = [f"{100 * analysis.margins[m]:g} points of {words.metric(m).label}" for m in SHOWN]
    text = f"Paired differences from {name} at the last epoch. Large: "
    text += (
        "mean over settings within each seed, then over seeds" if len(dots) else "mean over seeds"
    )
    if pooled["low"].notna().any():
        text += (
            ", with its 95% t interval over seeds; filled where a difference is detected (q over "
            f"all pairs of methods). Grey: up to {' and '.join(bands)}, which is practically none"
        )
    text += "."
    if pooled["low"].isna().any():
        text += " Without a line: fewer than three seeds, or all with the same difference."
    if not {*dots["method"]} <= {*pooled["method"]}:
        text += " Without a mean: no seed finished in all settings."
    if len(dots):
        text += " Dots: the mean in each setting."
    return f"{text} Better: {words.accuracy} to the right, ECE to the left; colours: families."


def _window(pooled: pd.DataFrame, dots: pd.DataFrame, metric: str, rope: float) -> Ends:
    """Return the ends of an axis that a few methods far from all others do not set."""
    pooled, dots = (table[table["metric"] == metric] for table in (pooled, dots))
    sizes = pooled["mean"].abs()
    reach = max(_REACH * float(sizes.quantile(0.75)), 4 * rope)
    inside = pooled[sizes <= reach]
    near = dots.loc[dots["method"].isin(inside["method"]), "mean"]
    ends = pd.concat([inside["mean"], inside["low"], inside["high"], near])
    ends = ends.clip(-reach, reach)
    low, high = min(ends.min(), -2 * rope), max(ends.max(), 2 * rope)
    pad = 0.06 * (high - low)
    left, right = (
        _NUMBER * (high - low) if beyond else pad
        for beyond in ((pooled["mean"] < low - pad).any(), (pooled["mean"] > high + pad).any())
    )
    return low - left, high + right


def _cut(shown: pd.DataFrame, windows: Mapping[str, Ends]) -> str:
    """Return what is to be said of means and dots beyond the axes."""
    low, high = (shown["metric"].map({m: w[end] for m, w in windows.items()}) for end in (0, 1))
    beyond = (shown["mean"] < low) | (shown["mean"] > high)
    text = ""
    if (beyond & (shown["setting"] == "all")).any():
        text += " The axes are cut; arrows with a number: means beyond."
    if (beyond & (shown["setting"] != "all")).any():
        text += " Some dots lie beyond the axes."
    return text


def points(analysis: Analysis, reference: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``mean``, ``low``, ``high`` over the settings, and ``mean`` in each, in points.

    Over all settings are those of the ranking, and only seeds count that finished in all of them:
    ``done`` of ``planned``, with both methods.
    """
    pooled = [analysis.overall(reference, m).assign(setting="all") for m in SHOWN]
    each = [analysis.compared(reference, m).assign(low=nan, high=nan) for m in SHOWN]
    keys, planned = ["method", "setting"], analysis.planned(reference)
    planned = planned.rename(index={OVERALL: "all"}, level=1)
    columns = ["metric", *keys, "mean", "low", "high", "done", "planned", "outcome"]
    tables = []
    for parts in (pooled, each):
        table = pd.concat(parts, ignore_index=True).join(planned, on=keys)
        table = table.rename(columns={"difference": "mean", "n": "done"}).reindex(columns=columns)
        table[["mean", "low", "high"]] *= 100
        tables.append(table)
    return tables[0].dropna(subset=["mean"]), tables[1]


def _draw_panel(
    axes: Axes, pooled: pd.DataFrame, dots: pd.DataFrame, rows: Mapping[str, Look], rope: float
) -> None:
    axes.axvspan(-rope, rope, color="0.88", linewidth=0, zorder=0.5)
    axes.axvline(0, color="0.4", linewidth=0.6, zorder=0.6)
    place = {method: number for number, method in enumerate(rows)}
    colours = [rows[method].colour for method in dots["method"]]
    axes.scatter(dots["mean"], dots["method"].map(place), s=4, c=colours, linewidths=0)
    axes.hlines(
        pooled["method"].map(place), pooled["low"], pooled["high"], color="black", linewidth=0.9
    )
    each = [
        f"{rows[dot.method].label}, {dot.setting}: {tips.plain(dot.mean)}" for dot in rows_of(dots)
    ]
    tips.say(axes, dots["mean"], dots["method"].map(place), each)
    tips.say_means(axes, pooled, rows, pooled["method"].map(place))
    low, high = axes.get_xlim()
    for row in pooled.to_dict("records"):
        look = rows[row["method"]]
        if not low <= row["mean"] <= high:
            _draw_arrow(axes, row, place[row["method"]], look.colour)
            continue
        told = row["outcome"] in {"better", "worse"}
        axes.plot(
            row["mean"],
            place[row["method"]],
            look.marker,
            markersize=4.5,
            markerfacecolor=look.colour if told else "white",
            markeredgecolor=look.colour,
            markeredgewidth=0.9,
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _draw_arrow(axes: Axes, row: Mapping[Hashable, Any], place: int, colour: str) -> None:
    """Point to a mean beyond an end of the axis, and write it."""
    right = row["mean"] > 0
    text = signed("acc", row["mean"] / 100)
    axes.annotate(
        text,
        (1.0 if right else 0.0, place),
        (-14 if right else 14, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        ha="right" if right else "left",
        fontsize=SMALLEST,
        arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.0, "shrinkB": 0},
    )

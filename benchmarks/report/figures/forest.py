"""Paired differences from the reference with their intervals, and what is too small to matter."""

from collections.abc import Mapping
from math import nan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout
from benchmarks.report.figures.difference import the_reference
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.looks import Look
from benchmarks.schema import METRICS

SHOWN = ("acc", "ece")
_ROW = 0.165
"""The height of one method's row in inches."""
_CAPTION = (
    "Paired differences from {reference} at the last epoch. Large: mean over settings within each "
    "seed, then over seeds, with its 95% t interval over seeds; filled where the interval lies "
    "outside the grey band of {rope:g} points either way, which counts as practically equivalent. "
    "Without a line: fewer than three seeds, or all with the same difference; without a mean: no "
    "seed finished in all settings. Dots: the mean in each setting. Accuracy gains to the right, "
    "calibration to the left."
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a row for each method, the best first, in a panel for accuracy and one for ECE."""
    reference = the_reference(analysis)
    pooled, each = points(analysis, reference)
    if pooled.empty:
        raise AbsentError("No seed finished with both a method and the reference.")
    looks = analysis.looks
    accuracy = pooled[pooled["metric"] == "acc"].set_index("method")["mean"]
    order = stats.tied_series(accuracy).sort_values(ascending=False, kind="stable").index
    several = len(analysis.run.settings) > 1  # of one setting, the mean is the setting
    dots = each if several else each.iloc[:0]
    rows = {str(method): looks[str(method)] for method in [*order, *dots["method"]]}
    labels = [layout.name_lines(look.label, 2.0, venue) for look in rows.values()]
    height = layout.row_height(labels, _ROW, venue)
    figure = layout.new_figure(venue.width, 0.85 + height * len(rows))
    for axes, metric in zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN, strict=True):
        means, single = (table[table["metric"] == metric] for table in (pooled, dots))
        _draw_panel(axes, means, single, rows, 100 * analysis.margins[metric])
        axes.set_xlabel(f"{METRICS[metric].label}, difference (points)")
    figure.axes[0].set_yticks(range(len(rows)), labels)
    dot = Line2D([], [], color="0.4", marker=".", linestyle="", markersize=3, label="one setting")
    handles = [
        Line2D([], [], color="black", marker="o", markersize=4, label="mean, 95% interval"),
        *([dot] if len(dots) else []),
        Patch(color="0.88", label="practically equivalent"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    caption = _CAPTION.format(reference=looks[reference].label, rope=100 * analysis.margins["acc"])
    data = pd.concat([pooled, each], ignore_index=True)
    return [Page(figure, data, caption)]


def points(analysis: Analysis, reference: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``mean``, ``low``, ``high`` over the settings, and ``mean`` in each, in points.

    Over all settings are those of the ranking, and only seeds count that finished in all of them.
    """
    pooled = [analysis.overall(reference, m).assign(setting="all") for m in SHOWN]
    each = [analysis.compared(reference, m).assign(low=nan, high=nan, n=1) for m in SHOWN]
    columns = ["metric", "method", "setting", "mean", "low", "high", "n"]
    tables = []
    for parts in (pooled, each):
        table = pd.concat(parts, ignore_index=True).rename(columns={"difference": "mean"})
        table = table.reindex(columns=columns)
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
    axes.scatter(dots["mean"], dots["method"].map(place), s=3, c=colours, alpha=0.55, linewidths=0)
    axes.hlines(
        pooled["method"].map(place), pooled["low"], pooled["high"], color="black", linewidth=0.9
    )
    for row in pooled.to_dict("records"):
        look = rows[row["method"]]
        beyond = row["low"] > rope or row["high"] < -rope
        axes.plot(
            row["mean"],
            place[row["method"]],
            look.marker,
            markersize=4.5,
            markerfacecolor=look.colour if beyond else "white",
            markeredgecolor=look.colour,
            markeredgewidth=0.9,
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")

"""Reliability diagrams: how often predictions of a given confidence are right."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import canvas, cast
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.looks import Look
from benchmarks.report.venues import Venue

OVER, UNDER = "#c8553d", "#3a7ca5"
"""Colours of a gap to the diagonal: right less often than believed, and more often."""

_STRIP = 0.16
"""Height of the tallest bar of the histogram, on the axis of accuracy."""

_PLENTY = 50
"""Images in a bin from which on it is drawn at full strength; fewer fade it."""

_CAPTION = (
    "Accuracy against confidence on clean test labels, last epoch, the bins of all seeds pooled. "
    "Points stand at the mean confidence of their bin with 95% Wilson intervals; red gaps are "
    "overconfident, blue ones underconfident, and bins with few images are "
    "faint. Grey bars: images per bin, on a log scale. The ECE is the mean over seeds."
)


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """Methods by noise settings."""
    data = pooled(analysis.run.bins)
    if data.empty:
        raise AbsentError("No finished cell has a reliability diagram.")
    return cast.gridded(analysis, data, venue, _figure, ("reliability", _CAPTION))


def pooled(bins: pd.DataFrame) -> pd.DataFrame:
    """Sum the bins over seeds: counts add, confidence and accuracy are weighted by count.

    ``ece`` is ``sum_b n_b / N |acc_b - conf_b|`` of each cell, then the mean over cells, so
    that it agrees with the tables; the pooled bins alone would cancel between seeds.
    """
    rows = bins[bins["count"] > 0]
    rows = rows.assign(
        confident=rows["count"] * rows["confidence"],
        right=rows["count"] * rows["accuracy"],
        off=rows["count"] * (rows["accuracy"] - rows["confidence"]).abs(),
    )
    group = ["arena", "panel", "method"]
    cells = rows.groupby([*group, "cell_id"])[["off", "count"]].sum()
    ece = (cells["off"] / cells["count"]).groupby(group).mean().rename("ece").reset_index()
    sums = rows.groupby([*group, "bin", "low", "high"])[["count", "confident", "right"]].sum()
    table = sums.reset_index()
    table["confidence"] = table["confident"] / table["count"]
    table["accuracy"] = table["right"] / table["count"]
    right, count = (table[name].to_numpy(np.float64) for name in ("right", "count"))
    table["wilson_low"], table["wilson_high"] = stats.wilson(right, count)
    return table.drop(columns=["confident", "right"]).merge(ece, on=group)


def _figure(
    data: pd.DataFrame, looks: Mapping[str, Look], columns: tuple[str, ...], venue: Venue
) -> Figure:
    across = len(columns)
    width = venue.width if across > 2 else 1.4 * across + 0.75
    side = width / across
    figure = canvas.new_figure(width, min(side, 1.15) * len(looks) + 0.75)
    grid = figure.subplots(len(looks), across, squeeze=False, sharex=True, sharey=True)
    scale = float(data["low"].min()), float(data["count"].max())
    for (row, (method, look)), (column, name) in product(
        enumerate(looks.items()), enumerate(columns)
    ):
        axes = grid[row, column]
        _panel(
            axes,
            data[(data["method"] == method) & (data["panel"] == name)],
            scale,
            venue.points - 2,
        )
        if row == 0:
            axes.set_title(canvas.wrapped(name, side - 0.3, venue))
        if column == 0:
            axes.set_ylabel(canvas.wrapped(look.label, 0.95, venue))
        if row == len(looks) - 1:
            axes.set_xlabel("Confidence")
    figure.supylabel("Accuracy", fontsize=venue.points)
    handles = [
        Line2D([], [], color=OVER, linewidth=4, alpha=0.7, label="overconfident"),
        Line2D([], [], color=UNDER, linewidth=4, alpha=0.7, label="underconfident"),
        Line2D([], [], color="0.78", linewidth=4, label="images per bin (log)"),
    ]
    ncols = 3 if width > 4 else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, scale: tuple[float, float], size: float) -> None:
    start, fullest = scale
    axes.plot([start, 1], [start, 1], color="0.5", linewidth=0.6, linestyle=(0, (3, 2)))
    axes.set(xlim=(start, 1.0), ylim=(0, 1.02))
    axes.grid(visible=False)
    axes.set_xticks([0.5, 0.75, 1] if start >= 0.45 else [0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if rows.empty:
        axes.text(0.5, 0.5, "no run", transform=axes.transAxes, ha="center", color="0.45")
        return
    _histogram(axes, rows, fullest)
    x, y = rows["confidence"].to_numpy(), rows["accuracy"].to_numpy()
    trust = np.clip(rows["count"].to_numpy() / _PLENTY, 0.15, 1)
    over = [OVER if c > a else UNDER for c, a in zip(x, y, strict=True)]
    gaps = [[(a, a), (a, b)] for a, b in zip(x, y, strict=True)]
    colours = to_rgba_array(over, 0.7 * trust)
    axes.add_collection(LineCollection(gaps, colors=colours, linewidths=2.5))
    whiskers = zip(x, rows["wilson_low"], rows["wilson_high"], strict=True)
    bars = [[(a, low), (a, high)] for a, low, high in whiskers]
    black = to_rgba_array(["0.1"] * len(x), trust)
    axes.add_collection(LineCollection(bars, colors=black, linewidths=0.6))
    axes.scatter(x, y, s=3.5, c=black, linewidths=0, clip_on=False)
    box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5}
    ece = f"ECE {100 * float(rows['ece'].iloc[0]):.1f}%"
    axes.text(0.97, 0.2, ece, transform=axes.transAxes, ha="right", fontsize=size, bbox=box)


def _histogram(axes: Axes, rows: pd.DataFrame, fullest: float) -> None:
    heights = _STRIP * np.log1p(rows["count"]) / np.log1p(fullest)
    boxes = [
        [(low + 0.003, 0), (high - 0.003, 0), (high - 0.003, h), (low + 0.003, h)]
        for low, high, h in zip(rows["low"], rows["high"], heights, strict=True)
    ]
    axes.add_collection(PolyCollection(boxes, facecolors="0.82", linewidths=0, zorder=0.8))

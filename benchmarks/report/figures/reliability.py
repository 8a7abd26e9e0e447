"""Reliability diagrams: how often predictions of a given confidence are right."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.figures.methods import MethodGrid, method_grids

OVER, UNDER = "#c8553d", "#3a7ca5"
"""The colours of a gap to the diagonal: right less often than believed, and more often."""

_STRIP = 0.16
"""The height of the tallest bar of the histogram, on the axis of accuracy."""

_PLENTY = 50
"""The number of images from which on a bin is drawn at full strength; fewer fade it."""

_CAPTION = (
    "Accuracy against confidence on clean test labels, last epoch, the bins of all seeds pooled. "
    "Points stand at the mean confidence of their bin with 95% Wilson intervals; red gaps are "
    "overconfident, blue ones underconfident, and bins with few images are "
    "faint. Grey bars: images per bin, on a log scale. The ECE is the mean over seeds."
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods by noises."""
    data = pooled(analysis.run.bins)
    if data.empty:
        raise AbsentError("No finished cell has a reliability diagram.")
    grids = method_grids(analysis, data)
    return [Page(_figure(g, venue), g.data, _CAPTION + g.note, g.arena) for g in grids]


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


def _figure(grid: MethodGrid, venue: Venue) -> Figure:
    figure, panels = grid.figure(venue, 1.1, "Confidence")
    start, fullest = float(grid.data["low"].min()), float(grid.data["count"].max())
    for axes, rows in panels:
        axes.plot([start, 1], [start, 1], color="0.5", linewidth=0.6, linestyle=(0, (3, 2)))
        axes.set(xlim=(start, 1.0), ylim=(0, 1.02))
        axes.set_xticks([0.5, 0.75, 1] if start >= 0.45 else [0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if len(rows):
            _draw_histogram(axes, rows, fullest)
            _draw_gaps(axes, rows, venue.points - 2)
    figure.supylabel("Accuracy", fontsize=venue.points)
    handles = [
        Line2D([], [], color=OVER, linewidth=4, alpha=0.7, label="overconfident"),
        Line2D([], [], color=UNDER, linewidth=4, alpha=0.7, label="underconfident"),
        Line2D([], [], color="0.78", linewidth=4, label="images per bin (log)"),
    ]
    ncols = 3 if figure.get_figwidth() > 4 else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
    return figure


def _draw_gaps(axes: Axes, rows: pd.DataFrame, size: float) -> None:
    """Draw each bin's point with its interval and its gap to the diagonal."""
    x, y = rows["confidence"].to_numpy(), rows["accuracy"].to_numpy()
    trust = np.clip(rows["count"].to_numpy() / _PLENTY, 0.15, 1)
    signs = [OVER if c > a else UNDER for c, a in zip(x, y, strict=True)]
    gaps = [to_rgba(sign, 0.7 * t) for sign, t in zip(signs, trust, strict=True)]
    black = [to_rgba("0.1", t) for t in trust]
    axes.vlines(x, x, y, colors=gaps, linewidth=2.5)
    axes.vlines(x, rows["wilson_low"], rows["wilson_high"], colors=black, linewidth=0.6)
    axes.scatter(x, y, s=3.5, c=black, linewidths=0, clip_on=False)
    box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5}
    ece = f"ECE {100 * float(rows['ece'].iloc[0]):.1f}%"
    axes.text(0.97, 0.2, ece, transform=axes.transAxes, ha="right", fontsize=size, bbox=box)


def _draw_histogram(axes: Axes, rows: pd.DataFrame, fullest: float) -> None:
    heights = _STRIP * np.log1p(rows["count"]) / np.log1p(fullest)
    widths = rows["high"] - rows["low"] - 0.006
    axes.bar(
        rows["low"] + 0.003, heights, widths, align="edge", color="0.82", linewidth=0, zorder=0.8
    )

"""Accuracy against calibration error and against training time, with what nothing beats in both."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.figures.methods import MethodSelection, draw_legend, legend_height
from benchmarks.report.looks import Look

_CAPTION = (
    "Accuracy against {against}, mean over {settings}, at the last epoch. Whiskers: 95% t "
    "intervals over seeds. Grey line: the front, the methods that no other beats in both."
)
_SECONDS = " Seconds are those of one run, a median over seeds, on {device}; a log scale."
_FEWEST_POINTS = 1.0
"""The least height of the axis of accuracy."""
_FEWEST_DECADES = 0.3
"""The least width of the axis of time, in powers of ten."""


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a panel for the calibration error, and one for the time where it is known."""
    data = points(analysis)
    if data.empty:
        raise AbsentError("No method finished a seed in every setting that all have tried.")
    looks = {m: k for m, k in analysis.looks.items() if m in data.index}
    timed = bool(data["seconds"].notna().any())
    height = 2.3 + legend_height(looks, venue.width, venue)
    figure = layout.new_figure(venue.width, height)
    grid = figure.subplots(1, 2 if timed else 1, squeeze=False, sharey=True)[0]
    _draw_panel(grid[0], data, looks, "ece")
    grid[0].set(xlabel=layout.y_label("ece"), ylabel=layout.y_label("acc"))
    grid[0].set_xlim(left=0)
    _widen(grid[0])
    if timed:
        _draw_panel(grid[1], data, looks, "seconds")
        grid[1].set_xlabel("Training time (s)")
        _make_logarithmic(grid[1], data["seconds"])
    draw_legend(figure, MethodSelection(looks, ()), venue)
    return [Page(figure, data.reset_index(), _caption(analysis, timed=timed))]


def points(analysis: Analysis) -> pd.DataFrame:
    """Return ``acc``, ``ece`` in percent with half widths, ``seconds`` and fronts by method.

    Over the settings that every method has tried, as the ranking is; a seed counts where it
    finished in all. ``passes`` are images sent through a network, two networks counting double.
    """
    means = analysis.ranking[["acc", "acc_half", "ece", "ece_half"]]
    data = 100 * means.reindex(list(analysis.run.methods))
    costs = analysis.shared().merge(analysis.run.costs.drop(columns="status"), on="cell_id")
    for name, column in (("seconds", "train_seconds"), ("passes", "forward_passes")):
        each = costs.groupby(["method", "setting"])[column].median()
        data[name] = each.groupby("method").mean().reindex(data.index)
    data = data.dropna(subset=["acc", "ece"])
    for name in ("ece", "seconds"):
        data[f"front_{name}"] = front(data[name], data["acc"])
    return data


def front(cost: pd.Series, gain: pd.Series) -> NDArray[np.bool_]:
    """Return which points no other beats: one with at most its cost and at least its gain.

    >>> front(pd.Series([1.0, 2.0, 2.0, 3.0, np.nan]), pd.Series([5.0, 7.0, 6.0, 7.0, 8.0]))
    array([ True,  True, False, False, False])
    """
    c, g = cost.to_numpy(np.float64), gain.to_numpy(np.float64)
    better = (c <= c[:, None]) & (g >= g[:, None])
    strictly = (c < c[:, None]) | (g > g[:, None])
    on_front: NDArray[np.bool_] = np.isfinite(c) & ~(better & strictly).any(axis=1)
    return on_front


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look], cost: str) -> None:
    best = data[data[f"front_{cost}"]].sort_values([cost, "acc"])
    axes.step(best[cost], best["acc"], where="post", color="0.6", linewidth=0.9, zorder=1)
    known = data.dropna(subset=[cost])
    x, y = known[cost], known["acc"]
    colours = [looks[str(method)].colour for method in known.index]
    axes.vlines(x, *_interval(known, "acc"), colors=colours, linewidth=0.5, zorder=2)
    if cost == "ece":
        axes.hlines(y, *_interval(known, "ece"), colors=colours, linewidth=0.5, zorder=2)
    for method, row in known.iterrows():
        on = bool(row[f"front_{cost}"])
        axes.plot(
            row[cost],
            row["acc"],
            looks[str(method)].marker,
            color=looks[str(method)].colour,
            markersize=5 if on else 4.5,
            markeredgecolor="black" if on else "white",
            markeredgewidth=0.6 if on else 0.3,
            zorder=3,
        )


def _interval(data: pd.DataFrame, metric: str) -> tuple[pd.Series, pd.Series]:
    """Return the ends of the interval of a metric, within what is possible; nan where it is."""
    value, half = data[metric], data[f"{metric}_half"]
    return (value - half).clip(lower=0), (value + half).clip(upper=100)


def _widen(axes: Axes) -> None:
    """Give the axis of accuracy room for numbers that differ, where the methods hardly do."""
    low, high = axes.get_ylim()
    more = max(_FEWEST_POINTS - (high - low), 0.0) / 2
    axes.set_ylim(low - more, high + more)


def _make_logarithmic(axes: Axes, seconds: pd.Series) -> None:
    """Give the panel a log axis with two or three plain numbers on it, whatever it spans."""
    low, high = seconds.min(), seconds.max()
    if np.log10(high / low) < _FEWEST_DECADES:
        middle = np.sqrt(low * high)
        low, high = middle / 2, middle * 2
    axes.set_xlim(low / 1.3, high * 1.3)
    axes.set_xscale("log")  # after the bounds: costs that are all equal have none of their own
    steps = (1, 2, 5) if high / low < 200 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _caption(analysis: Analysis, *, timed: bool) -> str:
    shared = len(analysis.shared_settings)
    settings = "one setting" if shared == 1 else f"{shared} settings"
    against = "ECE and against training time" if timed else "ECE"
    text = _CAPTION.format(against=against, settings=settings)
    if not timed:
        return text + " Times are not known."
    devices = sorted({device for device in analysis.run.costs["device"] if device})
    where = devices[0] if len(devices) == 1 else "several devices, so they do not compare"
    return text + _SECONDS.format(device=where)

"""Accuracy against calibration error and against training time, with what nothing beats in both."""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import canvas
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.looks import Look
from benchmarks.report.stats import Floats
from benchmarks.report.venues import Venue

_CAPTION = (
    "Accuracy against {against}, mean over {settings}, at the last epoch. Whiskers: 95% t "
    "intervals over seeds. Grey line: the front, the methods that no other beats in both."
)
_SECONDS = " Seconds are those of one run, a median over seeds, on {device}; a log scale."
_FEWEST_DECADES = 0.3


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """One page: a panel for the calibration error, and one for the time where it is known."""
    data = points(analysis)
    if data.empty:
        raise AbsentError("No method finished a seed in every setting that all have tried.")
    looks = {m: k for m, k in analysis.looks.items() if m in data.index}
    timed = data["seconds"].notna().any()
    height = 2.3 + canvas.legend_height(looks, venue.width, venue)
    figure = canvas.new_figure(venue.width, height)
    grid = figure.subplots(1, 2 if timed else 1, squeeze=False, sharey=True)[0]
    _panel(grid[0], data, looks, "ece")
    grid[0].set_xlabel(canvas.y_label("ece"))
    grid[0].set_ylabel(canvas.y_label("acc"))
    if timed:
        _panel(grid[1], data, looks, "seconds")
        grid[1].set_xlabel("Training time (s)")
        _logarithmic(grid[1], data["seconds"])
    canvas.heading(figure, analysis.run.note)
    canvas.legend(figure, looks, venue)
    return [Drawing("pareto", figure, data.reset_index(), _caption(analysis, timed=bool(timed)))]


def points(analysis: Analysis) -> pd.DataFrame:
    """By method: ``acc`` and ``ece`` in percent with half widths, ``seconds``, and the fronts.

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
        known = data.dropna(subset=[name])
        best = front(known[name].to_numpy(np.float64), known["acc"].to_numpy(np.float64))
        data[f"front_{name}"] = pd.Series(best, index=known.index).reindex(data.index) == True  # noqa: E712
    return data


def front(cost: Floats, gain: Floats) -> list[bool]:
    """Whether no other point has at most this cost and at least this gain, and one strictly.

    >>> front(np.array([1.0, 2.0, 2.0, 3.0]), np.array([5.0, 7.0, 6.0, 7.0]))
    [True, True, False, False]
    """
    better = (cost <= cost[:, None]) & (gain >= gain[:, None])
    strictly = (cost < cost[:, None]) | (gain > gain[:, None])
    beaten = np.atleast_1d((better & strictly).any(axis=1))
    return [not b for b in beaten]


def _panel(axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look], cost: str) -> None:
    best = data[data[f"front_{cost}"]].sort_values([cost, "acc"])
    axes.step(best[cost], best["acc"], where="post", color="0.6", linewidth=0.9, zorder=1)
    rows = data.to_dict("index")
    for method, look in looks.items():
        row = rows[method]
        if not np.isfinite(row[cost]):
            continue
        _whisker(axes, row, "acc", (cost, "acc"), look.colour)
        if cost == "ece":
            _whisker(axes, row, "ece", (cost, "acc"), look.colour)
        on = bool(row[f"front_{cost}"])
        axes.plot(
            row[cost],
            row["acc"],
            look.marker,
            color=look.colour,
            markersize=5 if on else 4.5,
            markeredgecolor="black" if on else "white",
            markeredgewidth=0.6 if on else 0.3,
            zorder=3,
        )
    if cost == "ece":
        axes.set_xlim(left=0)


def _whisker(
    axes: Axes, row: Mapping[Hashable, float], metric: str, place: tuple[str, str], colour: str
) -> None:
    """The interval of one metric through the point, within what is possible."""
    half = row[f"{metric}_half"]
    if not np.isfinite(half):
        return
    ends = [max(row[metric] - half, 0.0), min(row[metric] + half, 100.0)]
    x, y = (ends if name == metric else [row[name]] * 2 for name in place)
    axes.plot(x, y, color=colour, linewidth=0.5, zorder=2)


def _logarithmic(axes: Axes, seconds: pd.Series) -> None:
    """A log axis with two or three plain numbers on it, whatever it spans."""
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

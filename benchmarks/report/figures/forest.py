"""Paired differences from the reference with their intervals, and what is too small to matter."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.report.analysis import ROPES, Analysis
from benchmarks.report.figures import canvas
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.figures.delta import the_reference
from benchmarks.report.looks import Look
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS

SHOWN = ("acc", "ece")
_ROW = 0.165
_CAPTION = (
    "Paired differences from {reference} at the last epoch. Large: mean over settings within each "
    "seed, then over seeds, with its 95% t interval over seeds; filled where the interval lies "
    "outside the grey band of {rope:g} points either way, which is held not to matter. Dots: the "
    "mean in each setting. Accuracy gains to the right, calibration to the left."
)


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """One page: a row for each method, the best first; a panel for accuracy and one for ECE."""
    run = analysis.run
    reference = the_reference(analysis)
    pooled, each = points(analysis, reference)
    if pooled.empty:
        raise AbsentError("No seed finished with both a method and the reference.")
    looks = analysis.looks
    order = pooled[pooled["metric"] == "acc"].sort_values("mean", ascending=False)
    rows = {str(method): looks[str(method)] for method in order["method"]}
    figure = canvas.new_figure(venue.width, 0.85 + _ROW * len(rows))
    grid = figure.subplots(1, len(SHOWN), sharey=True)
    several = len(run.settings) > 1  # of one, the mean is the setting
    dots = each if several else each.iloc[:0]
    for axes, metric in zip(grid, SHOWN, strict=True):
        _panel(axes, pooled[pooled["metric"] == metric], dots[dots["metric"] == metric], rows)
        axes.set_xlabel(f"{METRICS[metric].label}, difference (points)")
    labels = [canvas.wrapped(look.label, 2.0, venue) for look in rows.values()]
    grid[0].set_yticks(range(len(rows)), labels)
    canvas.heading(figure, run.note)
    _legend(grid[0], several=several)
    label, rope = looks[reference].label, 100 * ROPES["acc"]
    caption = _CAPTION.format(reference=label, rope=rope)
    data = pd.concat([pooled.assign(setting="all"), each], ignore_index=True)
    return [Drawing("forest", figure, data, caption)]


def points(analysis: Analysis, reference: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """In points: ``mean``, ``low``, ``high`` over all settings, and ``mean`` in each.

    Over all settings only seeds count that finished, with the reference, wherever any did.
    """
    pooled, each = [], []
    for metric in SHOWN:
        pooled.append(_in_points(analysis.overall_tests(reference, metric), metric))
        means = analysis.mean_differences(reference, metric)
        each.append(_in_points(means.assign(n=1, low=np.nan, high=np.nan), metric))
    first, second = pd.concat(pooled, ignore_index=True), pd.concat(each, ignore_index=True)
    return first.dropna(subset=["mean"]), second


def _in_points(tests: pd.DataFrame, metric: str) -> pd.DataFrame:
    means = {name: 100 * tests[name] for name in ("low", "high")}
    table = tests.assign(metric=metric, mean=100 * tests["difference"], **means)
    return table.reindex(columns=["metric", "method", "setting", "mean", "low", "high", "n"])


def _panel(axes: Axes, pooled: pd.DataFrame, each: pd.DataFrame, rows: Mapping[str, Look]) -> None:
    metric = str(pooled["metric"].iloc[0])
    rope = 100 * ROPES[metric]
    axes.axvspan(-rope, rope, color="0.88", linewidth=0, zorder=0.5)
    axes.axvline(0, color="0.4", linewidth=0.6, zorder=0.6)
    overall = pooled.set_index("method")
    by_method = dict(list(each.groupby("method")["mean"]))
    for place, (method, look) in enumerate(rows.items()):
        values = by_method.get(method, pd.Series(dtype=float))
        axes.plot(values, [place] * len(values), ".", color=look.colour, markersize=2.2, alpha=0.55)
        if method not in overall.index:
            continue
        row = overall.loc[method]
        if np.isfinite(row["low"]):
            axes.plot([row["low"], row["high"]], [place, place], color="black", linewidth=0.9)
        told = row["low"] > rope or row["high"] < -rope
        axes.plot(
            row["mean"],
            place,
            look.marker,
            markersize=4.5,
            markerfacecolor=look.colour if told else "white",
            markeredgecolor=look.colour,
            markeredgewidth=0.9,
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _legend(axes: Axes, *, several: bool) -> None:
    dot = Line2D([], [], color="0.4", marker=".", linestyle="", markersize=3, label="one setting")
    handles = [
        Line2D([], [], color="black", marker="o", markersize=4, label="mean, 95% interval"),
        *([dot] if several else []),
        Patch(color="0.88", label="held not to matter"),
    ]
    figure = axes.get_figure(root=True)
    if figure is not None:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))

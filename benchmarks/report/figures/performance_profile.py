"""Performance profiles: how often a method comes within a given distance of the best."""

import numpy as np
import pandas as pd

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import draw_legend, draw_lines, legend_height, select_methods
from benchmarks.report.venues import Venue

LEAST = 3
"""The fewest settings: of fewer, a curve is a few steps of single runs."""
_STEPS = 201
_MARKERS = 8
"""The number of markers along a curve."""
_CAPTION = (
    "Share of runs (settings and seeds) whose {words.accuracy} at the last epoch is within a "
    "distance of the best run of the same setting and seed; on the left, how often a method is the "
    "best. Higher is better. A run that failed is never within any distance.{}"
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw one panel with a curve for each method."""
    if len(analysis.run.methods) == 1:
        raise AbsentError("One method alone is always the best.")
    if len(analysis.shared_settings) < LEAST:
        raise AbsentError(f"Shares of runs take at least {LEAST} settings that all have tried.")
    data = points(analysis)
    if data.empty:
        raise AbsentError("No method finished in the settings that all have tried.")
    methods = select_methods(analysis).within(data["method"])
    height = 2.4 + legend_height(methods.shown, venue.width, venue)
    figure = layout.new_figure(venue.width, height)
    axes = figure.subplots()
    curves = data.rename(columns={"gap": "x", "share": "centre"})
    draw_lines(axes, curves, methods, marks=_STEPS // _MARKERS, steps=True)
    tips.say_points(axes, curves, methods.shown, "Within points")
    axes.set(xlim=(0, data["gap"].max()), ylim=(0, 101))
    axes.set(
        xlabel=f"Distance from the best {analysis.run.words.accuracy} (points)",
        ylabel="Runs within it (%)",
    )
    for line in axes.lines:
        line.set_clip_on(False)  # whole markers where a curve meets the frame
    draw_legend(figure, methods, venue)
    more = ""
    if methods.have_bands and data["low"].notna().any():
        more += " Bands: 95% t intervals over seeds."
    ends = data[data["method"].isin(methods.shown)].groupby("method")["share"].max()
    if (least := ends.min()) < 100:
        more += f" The axis ends where every method has at least {least:.0f}% of its runs."
    return [Page(figure, data, _CAPTION.format(more, words=analysis.run.words) + methods.note)]


def points(analysis: Analysis) -> pd.DataFrame:
    """Return ``share``, ``low``, ``high`` in percent by ``method`` and ``gap`` in points."""
    columns = ["method", "gap", "share", "low", "high"]
    taus = np.linspace(0, _widest(analysis.run), _STEPS)
    tables = [
        pd.DataFrame(100 * np.stack([taus, *profile]).T, columns=columns[1:]).assign(method=method)[
            columns
        ]
        for method, profile in analysis.profiles(taus).items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _widest(run: Run) -> float:
    """Return the distance within which nine tenths of all runs lie, as a round share."""
    best = run.last.groupby(["setting", "seed"])["acc"].transform("max")
    gap = 100 * float((best - run.last["acc"]).quantile(0.9))
    step = 5 if gap > 10 else 1
    return float(np.ceil(max(gap, 1.0) / step) * step / 100)

"""Performance profiles: how often a method comes within a given distance of the best."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import canvas, cast
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.looks import Look
from benchmarks.report.venues import Venue

_STEPS = 81
_MARKS = 8  # markers along a curve
_CAPTION = (
    "Share of runs (settings and seeds) whose accuracy at the last epoch is within a distance of "
    "the best run of the same setting and seed; on the left, how often a method is the best. "
    "Higher is better. A run that failed is never within any distance.{}"
)


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """One panel with a curve for each method."""
    run = analysis.run
    if len(run.methods) == 1:
        raise AbsentError("One method alone is always the best.")
    data = points(analysis)
    if data.empty:
        raise AbsentError("No method finished in the settings that all have tried.")
    players = cast.of(analysis)
    figure = canvas.new_figure(
        venue.width, 2.4 + canvas.legend_height(players.shown, venue.width, venue)
    )
    axes = figure.subplots()
    for method in players.others:
        rows = data[data["method"] == method]
        axes.plot(rows["gap"], rows["share"], color=cast.GREY, linewidth=0.6, zorder=1.5)
    for place, (method, look) in enumerate(players.shown.items()):
        _curve(axes, data[data["method"] == method], look, place, band=players.banded)
    axes.set(xlim=(0, data["gap"].max()), ylim=(0, 101))
    axes.set_xlabel("Distance from the best accuracy (points)")
    axes.set_ylabel("Runs within it (%)")
    canvas.heading(figure, run.note)
    canvas.legend(figure, players.shown, venue, cast.others(players))
    band = " Bands: 95% bootstrap intervals over seeds, approximate." if players.banded else ""
    return [Drawing("profile", figure, data, _CAPTION.format(band) + players.note)]


def points(analysis: Analysis) -> pd.DataFrame:
    """``share``, ``low``, ``high`` in percent of each ``method`` at each ``gap`` in points."""
    widest = _widest(analysis.run)
    taus = np.linspace(0, widest, _STEPS)
    tables = [
        pd.DataFrame({"gap": 100 * p.tau, "share": p.share, "low": p.low, "high": p.high}).assign(
            method=method
        )
        for method, p in analysis.profiles(taus).items()
    ]
    if not tables:
        return pd.DataFrame(columns=["method", "gap", "share", "low", "high"])
    data = pd.concat(tables, ignore_index=True)
    data[["share", "low", "high"]] *= 100
    return data[["method", "gap", "share", "low", "high"]]


def _widest(run: Run) -> float:
    """The distance within which nine tenths of all runs lie, as a round number of points."""
    best = run.last.groupby(["setting", "seed"])["acc"].transform("max")
    gap = 100 * float((best - run.last["acc"]).quantile(0.9))
    step = 5 if gap > 10 else 1
    return float(np.ceil(max(gap, 1.0) / step) * step / 100)


def _curve(axes: Axes, rows: pd.DataFrame, look: Look, place: int, *, band: bool) -> None:
    every = _STEPS // _MARKS
    axes.plot(
        rows["gap"],
        rows["share"],
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        markevery=(place % every, every),
        markeredgecolor="white",
        markeredgewidth=0.3,
        clip_on=False,
    )
    if band:
        axes.fill_between(
            rows["gap"], rows["low"], rows["high"], color=look.colour, alpha=0.12, linewidth=0
        )

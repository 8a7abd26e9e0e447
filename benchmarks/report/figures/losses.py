"""Losses of rightly labelled and of mislabelled training images: can they be told apart?"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogFormatterMathtext, NullLocator

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import canvas, cast
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.looks import Look
from benchmarks.report.phrases import capitalised
from benchmarks.report.stats import Floats
from benchmarks.report.venues import Venue
from benchmarks.schema import LOSS_BINS, LOSS_RANGE

_TICKS = (0, 5, 25, 80)
_EDGES = np.geomspace(*LOSS_RANGE, LOSS_BINS + 1)
RIGHT, WRONG = "#3a7ca5", "#c8553d"
_CAPTION = (
    "Loss of the given label (nats, log scale) of training images at the end, all seeds together: "
    "filled, images whose label is right; outlined, those whose label is wrong, each as a share of "
    "its kind on a square-root axis; the bins at either end hold what lies beyond. The AUROC is "
    "how well the loss tells them apart, mean over seeds (0.5 is chance). Dashed: the mixture of "
    "two normal distributions of the log loss that fits all images best, without knowing whose "
    "label is right, each component as shares of itself; the dotted cut is where both are equally "
    "likely, and none is drawn where one is likelier all the way."
)
GROUP = ["arena", "panel", "setting", "method"]


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """Methods by noise settings."""
    run = analysis.run
    if run.losses.empty:
        raise AbsentError(missing(run, "losses.csv", "no training label is wrong"))
    fitted: list[pd.DataFrame] = []

    def draw(
        data: pd.DataFrame, looks: Mapping[str, Look], columns: tuple[str, ...], venue: Venue
    ) -> Figure:
        fitted.append(_fitted(data))
        return _figure(fitted[-1], looks, columns, venue)

    drawings = cast.gridded(analysis, points(run), venue, draw, ("losses", _CAPTION))
    return [replace(page, data=data) for page, data in zip(drawings, fitted, strict=True)]


def missing(run: Run, name: str, otherwise: str) -> str:
    """Why a pooled table is empty: an old folder, or nothing to put in it."""
    if name in run.absent:
        return f"The folder has no {name}; `report` writes it where the parts are still there."
    return f"{capitalised(otherwise)}."


def points(run: Run) -> pd.DataFrame:
    """``right`` and ``wrong`` as percentages of their kind in each bin, and the ``auroc``."""
    data = run.losses[[*GROUP, "seeds", "bin", "low", "high", "right", "wrong"]].copy()
    data["images"] = data["right"] + data["wrong"]
    totals = data.groupby(GROUP)[["right", "wrong"]].transform("sum")
    data[["right", "wrong"]] = 100 * data[["right", "wrong"]] / totals.clip(lower=1)
    scores = run.detection[run.detection["score"] == "loss"]
    auroc = scores.groupby(["setting", "method"])["auroc"].mean().reset_index()
    return data.merge(auroc, on=["setting", "method"], how="left")


def _fitted(data: pd.DataFrame) -> pd.DataFrame:
    """The points of a page with the mixture behind each panel.

    ``weight``, ``median`` and ``spread`` of the component of lower and of higher loss (nats; the
    standard deviation is of the natural logarithm), and the ``cut`` between them.
    """
    groups = list(data.groupby(GROUP, sort=False))
    counts = np.zeros((len(groups), LOSS_BINS))
    for count, (_, rows) in zip(counts, groups, strict=True):
        count[rows["bin"]] = rows["images"]
    fits = stats.two_normals(counts, np.log(_EDGES))
    table = pd.DataFrame([key for key, _ in groups], columns=GROUP)
    for place, name in enumerate(("low", "high")):
        table[f"weight_{name}"] = fits.weight[:, place]
        table[f"median_{name}"] = np.exp(fits.mean[:, place])
        table[f"spread_{name}"] = fits.sd[:, place]
    table["cut"] = np.exp(fits.cut)
    return data.merge(table, on=GROUP, how="left")


def _figure(
    data: pd.DataFrame, looks: Mapping[str, Look], columns: tuple[str, ...], venue: Venue
) -> Figure:
    across = len(columns)
    width = venue.width if across > 2 else 1.4 * across + 0.75
    figure = canvas.new_figure(width, 0.85 * len(looks) + 0.9)
    grid = figure.subplots(len(looks), across, squeeze=False, sharex=True, sharey=True)
    side, small = width / across, replace(venue, points=venue.points - 1.5)
    top = float(data[["right", "wrong"]].max().max())
    for (row, (method, look)), (column, name) in product(
        enumerate(looks.items()), enumerate(columns)
    ):
        axes = grid[row, column]
        _panel(axes, data[(data["method"] == method) & (data["panel"] == name)], venue)
        if row == 0:
            axes.set_title(canvas.wrapped(name, side - 0.3, venue))
        if column == 0:
            axes.set_ylabel(canvas.wrapped(look.label, 0.72, small), fontsize=small.points)
        if row == len(looks) - 1:
            axes.set_xlabel("Loss (nats)")
    grid[0, 0].set_ylim(0, 1.6 * top)
    grid[0, 0].set_yticks([tick for tick in _TICKS if tick <= 1.6 * top])
    figure.supylabel("Share of images (%)", fontsize=venue.points)
    handles = [
        Patch(color=RIGHT, alpha=0.6, label="label is right"),
        Line2D([], [], color=WRONG, linewidth=1.2, label="label is wrong"),
        Line2D([], [], color="0.25", linewidth=0.8, linestyle=(0, (3, 1.5)), label="mixture"),
        Line2D([], [], color="0.25", linewidth=0.7, linestyle=(0, (1, 1.5)), label="its cut"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if width > 4.5 else 2)
    return figure


def _root(shares: Floats) -> Floats:
    return np.sqrt(np.maximum(shares, 0))


def _panel(axes: Axes, rows: pd.DataFrame, venue: Venue) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*LOSS_RANGE)
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(FixedLocator([1e-4, 1e-2, 1, 100]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(LogFormatterMathtext())
    axes.set_yscale("function", functions=(_root, np.square))
    if rows.empty:
        axes.text(0.5, 0.5, "no run", transform=axes.transAxes, ha="center", color="0.45")
        return
    right, wrong = np.zeros(LOSS_BINS), np.zeros(LOSS_BINS)
    right[rows["bin"]], wrong[rows["bin"]] = rows["right"], rows["wrong"]
    axes.stairs(right, _EDGES, fill=True, color=RIGHT, alpha=0.6)
    axes.stairs(wrong, _EDGES, color=WRONG, linewidth=1.0)
    shown = rows.iloc[0]
    _mixture(axes, shown)
    told = [f"AUROC {shown['auroc']:.2f}"] if np.isfinite(shown["auroc"]) else []
    told += [f"cut {shown['cut']:.2g}"] if np.isfinite(shown["cut"]) else []
    axes.text(
        0.03,
        0.96,
        "\n".join(told),
        transform=axes.transAxes,
        va="top",
        fontsize=venue.points - 2,
        linespacing=1.1,
    )


def _mixture(axes: Axes, fit: pd.Series) -> None:
    """The components as shares of themselves in each bin, and the cut between them."""
    sides = ("low", "high")
    mean = np.log([[fit[f"median_{side}"] for side in sides]])
    sd = np.array([[fit[f"spread_{side}"] for side in sides]])
    found = stats.Mixtures(np.ones((1, 2)), mean, sd, np.zeros(1))
    centres = np.sqrt(_EDGES[1:] * _EDGES[:-1])
    for share, colour in zip(stats.shares(found, np.log(_EDGES))[0], (RIGHT, WRONG), strict=True):
        axes.plot(centres, 100 * share, color=colour, linewidth=0.8, linestyle=(0, (3, 1.5)))
    if np.isfinite(fit["cut"]):
        axes.axvline(fit["cut"], ymax=0.65, color="0.25", linewidth=0.7, linestyle=(0, (1, 1.5)))

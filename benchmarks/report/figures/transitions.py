"""Estimated transition matrices beside what happened to the training labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import canvas
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.figures.losses import missing
from benchmarks.report.phrases import MINUS
from benchmarks.report.stats import Floats
from benchmarks.report.venues import Venue

ROWS = 4
TITLES = ("realised", "estimated", f"estimated {MINUS} realised")
_ANNOTATED = 5
"""Classes up to which the numbers are written into the cells."""
_CAPTION = (
    "Transition matrices, true class down, given class across: the shares among the training "
    "labels, the mean of the seeds' estimates, and the difference. L1: the absolute difference "
    "summed over a row, mean over classes (0 to 2).{}"
)

Matrices = tuple[Floats, Floats, Floats]


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """A row of three matrices for each method that estimates the noise, and setting."""
    run = analysis.run
    if run.transitions.empty:
        reason = missing(run, "transitions.csv", "no method of this run estimates the noise")
        raise AbsentError(reason)
    looks = analysis.looks
    places = {setting: place for place, setting in enumerate(run.settings)}
    grouped = run.transitions.groupby(["setting", "method"], sort=False)
    groups = [(str(setting), str(method), rows) for (setting, method), rows in grouped]
    groups.sort(key=lambda g: (run.methods.index(g[1]), places[g[0]]))
    shown = canvas.spread(groups, ROWS * canvas.PAGES)
    more = canvas.of_many(len(shown), len(groups), "methods and settings")
    drawn: list[Drawing] = []
    for part in canvas.chunks(shown, ROWS):
        labels = [f"{looks[method].label}, {setting}" for setting, method, _ in part]
        rows = [_matrices(table) for *_, table in part]
        figure = _figure(labels, rows, venue)
        canvas.heading(figure, run.note)
        name = canvas.page_name("transitions", len(drawn) + 1)
        numbers = [
            _long(matrices).assign(setting=setting, method=method)
            for (setting, method, _), matrices in zip(part, rows, strict=True)
        ]
        drawn.append(Drawing(name, figure, pd.concat(numbers), _CAPTION.format(more)))
    return drawn


def _matrices(table: pd.DataFrame) -> Matrices:
    """``(C, C)`` each: realised, estimated, and their difference."""
    ordered = table.sort_values("label")
    realised, estimated = (
        np.array([[float(v) for v in str(row).split()] for row in ordered[name]])
        for name in ("realised", "estimated")
    )
    return realised, estimated, estimated - realised


def _long(matrices: Matrices) -> pd.DataFrame:
    realised, estimated, _ = matrices
    true, given = np.indices(realised.shape)
    columns = {"true": true.ravel(), "given": given.ravel()}
    numbers = {"realised": realised.ravel(), "estimated": estimated.ravel()}
    return pd.DataFrame({**columns, **numbers})


def _figure(labels: Sequence[str], rows: Sequence[Matrices], venue: Venue) -> Figure:
    side = min((venue.width - 1.1) / 3, 1.5)
    figure = canvas.new_figure(side * 3 + 1.1, (side + 0.1) * len(rows) + 0.75)
    grid = figure.subplots(len(rows), 3, squeeze=False)
    limit = max(0.05, *(float(np.abs(error).max()) for *_, error in rows))
    images = []
    for axes_row, label, matrices in zip(grid, labels, rows, strict=True):
        axes_row[0].set_ylabel(canvas.wrapped(label, side, venue))
        for column, (axes, values) in enumerate(zip(axes_row, matrices, strict=True)):
            limits = (-limit, limit) if column == 2 else (0.0, 1.0)
            images.append(_panel(axes, values, "RdBu_r" if column == 2 else "Blues", limits, venue))
        error = float(np.abs(matrices[2]).sum(1).mean())
        axes_row[2].set_xlabel(f"L1 {error:.3f}", fontsize=venue.points - 1)
    for axes, title in zip(grid[0], TITLES, strict=True):
        axes.set_title(canvas.wrapped(title, side, venue))
    for image, axes in ((images[0], grid[:, :2]), (images[2], grid[:, 2:])):
        bar = figure.colorbar(image, ax=axes, location="bottom", aspect=30, shrink=0.6, pad=0.02)
        bar.outline.set_visible(False)
        bar.locator = canvas.few_ticks(3)
        bar.update_ticks()
    return figure


def _panel(
    axes: Axes, values: Floats, colours: str, limits: tuple[float, float], venue: Venue
) -> AxesImage:
    low, high = limits
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="0.7", linewidth=0.4)
    if len(values) <= _ANNOTATED:
        for (i, j), value in np.ndenumerate(values):
            dark = abs(value) > 0.6 * high
            axes.text(
                j,
                i,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=venue.points - 2.5,
                color="white" if dark else "black",
            )
    return image

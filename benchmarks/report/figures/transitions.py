"""Estimated transition matrices beside what happened to the training labels."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.figures.loss_histogram import missing
from benchmarks.report.phrases import MINUS
from benchmarks.report.stats import Floats

ROWS = 4
_ERROR = f"estimated {MINUS} realised"
TITLES = ("realised", "estimated", _ERROR)
_WRITTEN = 5
"""Most classes for which the numbers are written into the matrices."""
_CAPTION = (
    "Transition matrices, true class down, given class across: the shares among the training "
    "labels, the mean of the seeds' estimates, and the difference. L1: the absolute difference "
    "summed over a row, mean over classes (0 to 2).{}"
)

Matrices = tuple[Floats, Floats, Floats]


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a row of three matrices for each method that estimates the noise, and setting."""
    run = analysis.run
    if run.transitions.empty:
        reason = missing(run, "transitions.csv", "no method of this run estimates the noise")
        raise AbsentError(reason)
    looks = analysis.looks
    tables = dict(list(run.transitions.groupby(["method", "setting"])))
    wrong = set(run.cells.loc[run.cells["noisy"], "setting"])
    order = product(run.methods, [setting for setting in run.settings if setting in wrong])
    groups = [(str(m), str(s), _matrices(tables[m, s])) for m, s in order if (m, s) in tables]
    if not groups:
        raise AbsentError("Every label is right where a method estimates the noise.")
    shown = layout.spread(groups, ROWS * layout.PAGES)
    more = layout.of_many(len(shown), len(groups), "methods and settings")
    drawn = []
    for part in layout.chunks(shown, ROWS):
        rows = {f"{looks[method].label}, {setting}": matrices for method, setting, matrices in part}
        numbers = [_long(matrices).assign(setting=s, method=m) for m, s, matrices in part]
        drawn.append(Page(_figure(rows, venue), pd.concat(numbers), _CAPTION.format(more)))
    return drawn


def _matrices(table: pd.DataFrame) -> Matrices:
    """Return the realised and the estimated matrix and their difference, ``(C, C)`` each."""
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


def _figure(rows: Mapping[str, Matrices], venue: Venue) -> Figure:
    side = min((venue.width - 1.1) / 3, 1.5)
    figure = layout.new_figure(side * 3 + 1.1, (side + 0.1) * len(rows) + 0.75)
    limit = max(0.05, *(float(np.abs(error).max()) for *_, error in rows.values()))
    labels = {name: layout.name_lines(name, side, venue) for name in rows}
    grid = figure.subplots(len(rows), len(TITLES), squeeze=False)
    images, panels = {}, layout.facets(grid, venue, labels, TITLES, x_label="")
    for axes, name, title in panels:
        values = rows[name][TITLES.index(title)]
        low, colours = (-limit, "RdBu_r") if title == _ERROR else (0.0, "Blues")
        high = limit if title == _ERROR else 1.0
        images[title] = axes.imshow(values, colours, vmin=low, vmax=high, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set(visible=True, color="0.7", linewidth=0.4)
        if title == _ERROR:
            error = float(np.abs(values).sum(1).mean())
            axes.set_xlabel(f"L1 {error:.3f}", fontsize=venue.points - 1)
        if len(values) <= _WRITTEN:
            _write_numbers(axes, values, high, venue.points - 2.5)
    for title, beside in ((TITLES[0], TITLES[:2]), (_ERROR, TITLES[2:])):
        stolen = [axes for axes, _, name in panels if name in beside]
        bar = figure.colorbar(
            images[title], ax=stolen, location="bottom", aspect=30, shrink=0.6, pad=0.02
        )
        bar.outline.set_visible(False)
        bar.locator = layout.few_ticks(3)
        bar.update_ticks()
    return figure


def _write_numbers(axes: Axes, values: Floats, high: float, size: float) -> None:
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.6 * high else "black"
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=size, color=colour)

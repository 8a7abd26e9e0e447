"""What happened to the training labels, and how far estimated transition matrices are from it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import heat_map, layout, matrices
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.loss_histogram import missing
from benchmarks.report.figures.matrices import Names
from benchmarks.report.figures.methods import core_note
from benchmarks.report.lists import matrix_of
from benchmarks.report.phrases import MINUS
from benchmarks.report.stats import Floats
from benchmarks.report.venues import SMALLEST, Venue

COLUMNS = 4
"""Most matrices beside each other."""
_SIDE = 1.5
"""The inches of the largest matrix with what is written around it."""
_SHARED = 1.1
_WRITTEN = 5
"""Most classes for which the numbers are written into the matrices."""
_ERROR = f"estimated {MINUS} realised"
_CAPTION = (
    "Grey: the share of each true class (down) that was given each label (across), among the "
    "training labels. Coloured: how far the estimates are from that, mean over seeds. L1: the "
    "absolute difference summed over a row, mean over classes (0 to 2)."
)

Tables = Mapping[tuple[str, str], tuple[Floats, Floats]]
"""The realised and the estimated matrix, ``(C, C)`` each, by method and setting."""


class _Panel(NamedTuple):
    title: str
    row: str
    matrix: Floats
    estimated: bool
    names: Names


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw what was realised in each core setting, and below it every method's error."""
    run = analysis.run
    if run.transitions.empty:
        reason = missing(run, "transitions.csv", "no method of this run estimates the noise")
        raise AbsentError(reason)
    data = run.transitions[run.transitions["noisy"]]
    if data.empty:
        raise AbsentError("Every label is right where a method estimates the noise.")
    tables = {(str(m), str(s)): _matrices(t) for (m, s), t in data.groupby(["method", "setting"])}
    settings = [s for s in analysis.core_settings if s in set(data["setting"])]
    methods = [method for method in analysis.looks if method in set(data["method"])]
    errors = [estimated - realised for realised, estimated in tables.values()]
    limit = max(0.05, *(float(np.abs(error).max()) for error in errors))
    across = min(COLUMNS, int(venue.width / 1.2))
    down = int((venue.tallest - _SHARED) / _SIDE)
    alone = len(settings) == 1  # then methods stand beside each other
    caption = _CAPTION + matrices.numbered(run, data)
    caption += core_note(analysis, data["setting"])
    drawn = []
    for columns, rows in product(
        layout.chunks(settings, across),
        layout.chunks(methods, across * down - 1 if alone else down - 1),
    ):
        shown = {(m, s): tables[m, s] for m, s in product(rows, columns) if (m, s) in tables}
        panels = _panels(analysis, shown, alone=alone)
        beside = min(across, len(panels)) if alone else len(columns)
        figure = _figure(panels, beside, limit, venue)
        numbers = [_long(table).assign(setting=s, method=m) for (m, s), table in shown.items()]
        drawn.append(Page(figure, pd.concat(numbers), caption))
    return drawn


def _matrices(table: pd.DataFrame) -> tuple[Floats, Floats]:
    return matrix_of(table, "realised"), matrix_of(table, "estimated")


def _long(matrices: tuple[Floats, Floats]) -> pd.DataFrame:
    realised, estimated = matrices
    true, given = np.indices(realised.shape)
    columns = {"true": true.ravel(), "given": given.ravel()}
    numbers = {"realised": realised.ravel(), "estimated": estimated.ravel()}
    return pd.DataFrame({**columns, **numbers})


def _panels(analysis: Analysis, tables: Tables, *, alone: bool) -> list[_Panel | None]:
    """Return the panels row by row, ``None`` where a method has no estimate.

    Args:
        analysis: the run.
        tables: what a page shows.
        alone: whether there is one setting, whose methods stand beside each other.
    """
    realised = {setting: table for (_, setting), (table, _) in tables.items()}
    rows = analysis.run.transitions.drop_duplicates("setting")
    datasets = dict(zip(rows["setting"], rows["dataset"], strict=True))
    names = {
        setting: matrices.names_beside(analysis.run, datasets[setting], len(table))
        for setting, table in realised.items()
    }
    methods = dict.fromkeys(method for method, _ in tables)
    panels: list[_Panel | None] = [
        _Panel("realised", "", table, False, names[s])
        if alone
        else _Panel(s, "realised", table, False, names[s])
        for s, table in realised.items()
    ]
    for method, setting in product(methods, realised):
        if (method, setting) not in tables:
            panels.append(None)
            continue
        before, after = tables[method, setting]
        words = f"L1 {np.abs(after - before).sum(1).mean():.3f}"
        label = analysis.looks[method].label
        title, row = (f"{label}\n{words}", "") if alone else (words, label)
        panels.append(_Panel(title, row, after - before, True, names[setting]))
    return panels


def _figure(panels: Sequence[_Panel | None], across: int, limit: float, venue: Venue) -> Figure:
    down = -(-len(panels) // across)
    known = [panel.names for panel in panels if panel]
    longest = max(names.inches for names in known)
    upright = longest * any(names.turned for names in known)
    side = min((venue.width - 0.5 - longest) / across, _SIDE)
    width = side * across + 0.5 + longest
    figure = layout.new_figure(width, side * down + _SHARED + upright)
    grid = figure.subplots(down, across, squeeze=False)
    images = {}
    for number, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        if panel is None:
            layout.write_centred(axes, "no run")
            axes.set_axis_off()
            continue
        images[panel.estimated] = _draw_matrix(axes, panel, limit, venue)
        before = panels[number - 1] if number % across else None
        if before is None or before.names != panel.names:
            matrices.name_beside(axes, panel.names)
        if number % across == 0:
            name = layout.name_lines(panel.row, side - 0.3, venue)
            axes.set_ylabel(f"{name}\ntrue class" if name else "true class")
        if number + across >= len(panels):
            matrices.name_below(axes, panel.names)
            axes.set_xlabel("given class")
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    half = -(-across // 2)
    for estimated, part, label in (
        (False, grid[:, :half], "share given"),
        (True, grid[:, half:], _ERROR),
    ):
        stolen = list(part.flat if part.size else grid.flat)
        bar = figure.colorbar(
            images[estimated], ax=stolen, location="bottom", aspect=25, shrink=0.7, pad=0.02
        )
        bar.set_label(label)
        bar.outline.set_visible(False)
        bar.locator = layout.few_ticks(3)
        bar.update_ticks()
    return figure


def _draw_matrix(axes: Axes, panel: _Panel, limit: float, venue: Venue) -> AxesImage:
    values = panel.matrix
    scale: dict[str, Any] = {"cmap": "Greys", "vmin": 0.0, "vmax": 1.0}
    if panel.estimated:
        scale = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    image = matrices.draw(axes, values, scale)
    matrices.tell(axes, values, panel.names)
    small = replace(venue, points=venue.small)
    lines = [layout.name_lines(line, _SIDE - 0.3, small) for line in panel.title.split("\n")]
    axes.set_title("\n".join(lines), fontsize=venue.small)
    if len(values) <= _WRITTEN:
        for (i, j), value in np.ndenumerate(values):
            axes.text(
                *(j, i, f"{value:.2f}"),
                ha="center",
                va="center",
                color=heat_map.ink_on(image, value),
                fontsize=SMALLEST,
            )
    return image

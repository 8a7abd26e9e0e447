"""What was planned, what finished and what failed, method by setting."""

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import canvas, matrix
from benchmarks.report.figures.canvas import Drawing
from benchmarks.report.looks import order_methods
from benchmarks.report.venues import Venue

_CELL, _THIN = 0.33, 0.115
_ALL, _SOME, _NONE, _FAULT = "#a8cbe6", "#e4eef7", "#f7f7f7", "#e8a08f"
_NAMES = {_ALL: "all finished", _SOME: "some missing", _NONE: "none yet", _FAULT: "any failed"}
_CAPTION = (
    "Runs that finished of those planned. Hatched: some diverged or failed; the list of reasons "
    "is in the report."
)


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """Methods by settings, each cell the number of seeds done of planned."""
    run = analysis.run
    data = points(run)
    methods = order_methods(data["method"])
    known = set(data["setting"])
    settings = [s for s in run.settings if s in known]
    settings += sorted(known - set(settings))  # planned, nothing tried yet
    labels = [analysis.label(m) for m in methods]
    cell = _CELL if len(settings) <= matrix.fitting(venue, labels, _CELL) else _THIN
    parts, more = matrix.split(methods, settings, matrix.fitting(venue, labels, cell))
    drawn = []
    for page, (rows, columns) in enumerate(parts, start=1):
        part = data[data["method"].isin(rows) & data["setting"].isin(columns)]
        frame = matrix.frame(venue, [analysis.label(m) for m in rows], columns)
        _fill(frame, part, rows, columns)
        canvas.heading(frame.figure, run.note)
        name = canvas.page_name("coverage", page)
        drawn.append(Drawing(name, frame.figure, part, _CAPTION + more))
    return drawn


def points(run: Run) -> pd.DataFrame:
    """``planned``, ``done``, ``diverged`` and ``failed`` seeds of each ``method`` and ``setting``.

    Cells that ended outside the plan, or without one, count as planned.
    """
    keys = ["method", "setting"]
    known = run.cells[[*keys, "cell_id", "status"]]
    waiting = run.plan[~run.plan["cell_id"].isin(known["cell_id"])]
    cells = pd.concat([known, waiting[[*keys, "cell_id"]].assign(status="missing")])
    counts = cells.pivot_table(index=keys, columns="status", aggfunc="size", fill_value=0)
    counts = counts.reindex(columns=["done", "diverged", "failed", "missing"], fill_value=0)
    counts.insert(0, "planned", counts.sum(axis=1))
    return counts.reset_index().rename_axis(columns=None)


def _fill(
    frame: matrix.Frame, part: pd.DataFrame, rows: tuple[str, ...], columns: tuple[str, ...]
) -> None:
    table = part.set_index(["method", "setting"])
    places = pd.MultiIndex.from_product([rows, columns])
    grid = table.reindex(places, fill_value=0).to_numpy(np.int64)
    planned, done, diverged, failed, _ = grid.reshape(len(rows), len(columns), 5).transpose(2, 0, 1)
    fault = diverged + failed > 0
    colours = np.where(done == planned, _ALL, np.where(done > 0, _SOME, _NONE))
    colours = np.where(fault, _FAULT, np.where(planned == 0, "white", colours))
    matrix.paint(frame.axes, colours)
    matrix.hatch(frame.axes, fault, "0.35")
    if frame.size > 4:
        words = [f"{a}/{b}" if b else "" for a, b in zip(done.flat, planned.flat, strict=True)]
        texts = np.array(words, dtype=object).reshape(done.shape)
        matrix.write(frame, texts, np.full(done.shape, "black", dtype=object))
    handles = [
        Patch(facecolor=c, edgecolor="0.6", linewidth=0.4, label=name)
        for c, name in _NAMES.items()
        if (colours == c).any()
    ]
    frame.figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))

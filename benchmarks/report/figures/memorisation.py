"""Learning the truth, then the mistakes: accuracy and memorised labels over the epochs."""

from collections.abc import Sequence
from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import canvas, cast
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.figures.cast import Cast
from benchmarks.report.venues import Venue

SHOWN = ("acc", "mem_frac", "clean_recovery")
NAMES = {"acc": "Test accuracy (%)", "mem_frac": "Memorised (%)", "clean_recovery": "Recovered (%)"}
COLUMNS = 4
_CAPTION = (
    "Over the epochs: accuracy on clean test labels, the share of mislabelled training images "
    "predicted as their wrong label (memorised), and the share predicted right (recovered). Mean "
    "over seeds{}."
)


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """One figure per dataset, model and recipe; more than four settings leave the clean one out."""
    run = analysis.run
    data = points(run)
    players = cast.of(analysis)
    arenas = list(dict.fromkeys(data["arena"]))
    drawn: list[Drawing] = []
    for arena in canvas.spread(arenas, canvas.PAGES):
        here = data[data["arena"] == arena]
        known = list(dict.fromkeys(here["panel"]))
        if len(known) > COLUMNS:
            known = [name for name in known if name != "clean"]
        share = canvas.PAGES // min(len(arenas), canvas.PAGES)
        columns = canvas.spread(known, COLUMNS * share)
        more = canvas.of_many(len(columns), len(known), "noises")
        more += canvas.of_many(min(len(arenas), canvas.PAGES), len(arenas), "datasets and models")
        for part in canvas.chunks(columns, COLUMNS):
            rows = here[here["panel"].isin(part)]
            figure = _figure(rows, players, part, venue)
            canvas.heading(figure, arena, run.note)
            canvas.legend(figure, players.shown, venue, cast.others(players))
            bands = ", 95% t bands" if players.banded else ""
            name = canvas.page_name("memorisation", len(drawn) + 1)
            drawn.append(Drawing(name, figure, rows, _CAPTION.format(bands) + players.note + more))
    if not drawn:
        raise AbsentError("No finished cell has a curve.")
    return drawn


def points(run: Run) -> pd.DataFrame:
    """``mean``, ``low``, ``high`` in percent by arena, panel, metric, method and epoch ``x``."""
    by = ["arena", "panel", "method", "epoch"]
    tables = [
        canvas.with_bounds(stats.t_intervals(run.curves, by, metric), metric).assign(metric=metric)
        for metric in SHOWN
    ]
    table = pd.concat(tables, ignore_index=True).rename(columns={"epoch": "x"})
    names = run.results.drop_duplicates("setting")[["arena", "panel", "setting"]]
    place = {setting: number for number, setting in enumerate(run.settings)}
    table = table.merge(names, on=["arena", "panel"])
    return table.sort_values("setting", key=lambda s: s.map(place), kind="stable")


def _figure(rows: pd.DataFrame, players: Cast, columns: Sequence[str], venue: Venue) -> Figure:
    width = venue.width
    height = 1.25 * len(SHOWN) + 0.3 + canvas.legend_height(players.shown, width, venue)
    figure = canvas.new_figure(width, height)
    grid = figure.subplots(len(SHOWN), len(columns), squeeze=False, sharex=True, sharey="row")
    for (row, metric), (column, name) in product(enumerate(SHOWN), enumerate(columns)):
        axes = grid[row, column]
        _panel(axes, rows[(rows["metric"] == metric) & (rows["panel"] == name)], players)
        if row == 0:
            axes.set_title(canvas.wrapped(name, width / len(columns) - 0.3, venue))
        if column == 0:
            axes.set_ylabel(NAMES[metric])
        if row == len(SHOWN) - 1:
            axes.set_xlabel("Epoch")
    for row, metric in enumerate(SHOWN):
        drawn = rows[rows["metric"] == metric]
        _limit(grid[row, 0], drawn, banded=players.banded)
    grid[0, 0].xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, players: Cast) -> None:
    if rows.empty:
        axes.text(
            0.5, 0.5, "no label is wrong", transform=axes.transAxes, ha="center", color="0.45"
        )
        return
    cast.lines(axes, rows, players, markers=len(set(rows["x"])) == 1)


def _limit(axes: Axes, rows: pd.DataFrame, *, banded: bool) -> None:
    if rows.empty:
        return
    shown = rows[["mean", "low", "high"] if banded else ["mean"]]
    low, high = shown.min().min(), shown.max().max()
    pad = 0.04 * (high - low) or 1.0
    axes.set_ylim(max(low - pad, 0), min(high + pad, 102))
    axes.yaxis.set_major_locator(MaxNLocator(4))  # not by size: the layout would not settle

"""Learning the truth, then the mistakes: accuracy and memorised labels over the epochs."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.figures.methods import (
    MethodSelection,
    draw_legend,
    draw_lines,
    legend_height,
    select_methods,
)

SHOWN = {
    "acc": "Test accuracy (%)",
    "mem_frac": "Memorised (%)",
    "clean_recovery": "Recovered (%)",
}
COLUMNS = 4
_CAPTION = (
    "Over the epochs: accuracy on clean test labels, the share of mislabelled training images "
    "predicted as their wrong label (memorised), and the share predicted right (recovered). Mean "
    "over seeds{}."
)
_BLANK = " Epochs that were not evaluated have no point."


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a page per dataset, model and recipe; of over four settings, none is the clean one."""
    run = analysis.run
    data, methods = points(run), select_methods(analysis)
    arenas = list(dict.fromkeys(data["arena"]))
    if not arenas:
        raise AbsentError("No finished cell has a curve.")
    kept = layout.spread(arenas, layout.PAGES)
    bands = ", 95% t bands" if methods.have_bands else ""
    drawn = []
    for arena in kept:
        here = data[data["arena"] == arena]
        noises = list(dict.fromkeys(here["panel"]))
        if len(noises) > COLUMNS:
            noises = [name for name in noises if name != "clean"]
        size = len(SHOWN), COLUMNS
        parts, shown = layout.split(list(SHOWN), noises, size, layout.PAGES // len(kept))
        caption = _CAPTION.format(bands) + methods.note
        caption += _BLANK * bool(run.curves["acc"].isna().any())
        caption += layout.of_many(shown, len(noises), "noises")
        caption += layout.of_many(len(kept), len(arenas), "datasets and models")
        for _, columns in parts:
            rows = here[here["panel"].isin(columns)]
            drawn.append(Page(_figure(rows, methods, columns, venue), rows, caption, arena))
    return drawn


def points(run: Run) -> pd.DataFrame:
    """Return ``mean``, ``low``, ``high`` in percent by place, metric, method and epoch ``x``."""
    by = ["arena", "panel", "method", "epoch"]
    tables = [
        layout.with_bounds(stats.t_intervals(run.curves, by, metric), metric).assign(metric=metric)
        for metric in SHOWN
    ]
    table = pd.concat(tables, ignore_index=True).rename(columns={"epoch": "x"})
    names = run.results.drop_duplicates("setting")[["arena", "panel", "setting"]]
    place = {setting: number for number, setting in enumerate(run.settings)}
    table = table.merge(names, on=["arena", "panel"])
    return table.sort_values("setting", key=lambda s: s.map(place), kind="stable")


def _figure(
    data: pd.DataFrame, methods: MethodSelection, columns: Sequence[str], venue: Venue
) -> Figure:
    height = 1.25 * len(SHOWN) + 0.3 + legend_height(methods.shown, venue.width, venue)
    figure = layout.new_figure(venue.width, height)
    grid = figure.subplots(len(SHOWN), len(columns), squeeze=False, sharex=True, sharey="row")
    for axes, metric, noise in layout.facets(grid, venue, SHOWN, columns, "Epoch"):
        row = data[data["metric"] == metric]
        rows = row[row["panel"] == noise]
        if rows.empty:
            layout.write_centred(axes, "no label is wrong")
        else:
            draw_lines(axes, rows, methods, marks=int(len(set(rows["x"])) == 1))
        if len(row):
            _limit(axes, row[["mean", "low", "high"] if methods.have_bands else ["mean"]])
    figure.axes[0].xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    draw_legend(figure, methods, venue)
    return figure


def _limit(axes: Axes, shown: pd.DataFrame) -> None:
    low, high = shown.min().min(), shown.max().max()
    pad = 0.04 * (high - low) or 1.0
    axes.set_ylim(max(low - pad, 0), min(high + pad, 102))
    axes.yaxis.set_major_locator(layout.few_ticks(4))

"""Learning the truth, then the mistakes: accuracy and memorised labels over the epochs."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import (
    MethodSelection,
    core_note,
    draw_legend,
    draw_lines,
    legend_height,
    select_methods,
)
from benchmarks.report.phrases import listing
from benchmarks.report.venues import Venue

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
    """Draw the core settings, a page per dataset, model and recipe; the clean ones if few."""
    run = analysis.run
    data, methods = points(run), select_methods(analysis)
    data = data[data["method"].isin(methods.shown)]
    arenas = list(dict.fromkeys(data["arena"]))
    if not arenas:
        raise AbsentError("No finished cell has a curve.")
    kept = layout.spread(arenas, layout.PAGES)
    drawn = []
    for arena in kept:
        here = data[(data["arena"] == arena) & data["setting"].isin(analysis.core_settings)]
        noises = list(dict.fromkeys(here["panel"]))
        if len(noises) > COLUMNS:
            noises = [name for name in noises if name != "clean"]
        for columns in layout.chunks(noises, min(COLUMNS, int((venue.width - 0.5) / 1.1))):
            rows = here[here["panel"].isin(columns)]
            banded = methods.have_bands and rows["low"].notna().any()
            caption = _CAPTION.format(", with 95% t bands" if banded else "")
            caption += layout.SKEWED * bool(banded and rows["skewed"].any())
            caption += _BLANK * bool(run.curves["acc"].isna().any())
            figure, cut = _figure(rows, methods, columns, venue)
            caption += f" Not from 0: {listing(cut)}." * bool(cut)
            caption += core_note(analysis, data["setting"]) + methods.note
            caption += layout.of_many(len(kept), len(arenas), "datasets and models")
            drawn.append(Page(figure, rows, caption, arena))
    return drawn


def points(run: Run) -> pd.DataFrame:
    """Return what :func:`layout.summarised` gives, by place, metric, method and epoch ``x``."""
    by = ["arena", "panel", "setting", "method", "epoch"]
    tables = [layout.summarised(run.curves, by, m).assign(metric=m) for m in SHOWN]
    table = pd.concat(tables, ignore_index=True).rename(columns={"epoch": "x"})
    place = {setting: number for number, setting in enumerate(run.settings)}
    return table.sort_values("setting", key=lambda s: s.map(place), kind="stable")


def _figure(
    data: pd.DataFrame, methods: MethodSelection, columns: Sequence[str], venue: Venue
) -> tuple[Figure, list[str]]:
    """Return the figure, and the names of the axes that do not begin at 0."""
    height = 1.25 * len(SHOWN) + 0.3 + legend_height(methods.shown, venue.width, venue)
    figure = layout.new_figure(venue.width, height)
    grid = figure.subplots(len(SHOWN), len(columns), squeeze=False, sharex=True, sharey="row")
    for axes, metric, noise in layout.facets(grid, venue, SHOWN, columns, "Epoch"):
        row = data[data["metric"] == metric]
        rows = row[row["panel"] == noise]
        if rows.empty:
            layout.write_centred(axes, "no label is wrong")
        else:
            draw_lines(axes, rows, methods, marks=-(-rows["x"].nunique() // 4))
            tips.say_points(axes, rows, methods.shown, "Epoch")
        if len(row):
            _limit(axes, row[["centre", "low", "high"] if methods.have_bands else ["centre"]])
    figure.axes[0].xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    draw_legend(figure, methods, venue)
    names = [name.removesuffix(" (%)").lower() for name in SHOWN.values()]
    begins = [axes.get_ylim()[0] for axes in grid[:, 0]]
    return figure, [name for name, low in zip(names, begins, strict=True) if low > 0]


def _limit(axes: Axes, shown: pd.DataFrame) -> None:
    low, high = shown.min().min(), shown.max().max()
    pad = 0.04 * (high - low) or 1.0
    axes.set_ylim(max(low - pad, 0), min(high + pad, 102))
    axes.yaxis.set_major_locator(layout.few_ticks(4))

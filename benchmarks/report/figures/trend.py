"""The history of a suite: each tracked metric over its runs, and where it changed."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.errors import RefusedError
from benchmarks.report import history
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import (
    MethodSelection,
    draw_legend,
    draw_lines,
    legend_height,
    select_methods,
)
from benchmarks.report.venues import Venue
from benchmarks.report.vocabulary import Vocabulary

_HEIGHT = 1.1
_FEWEST = 2
_MARKS = 8
_CAPTION = (
    "Each run of the suite by its number, from {first} to {last}: means over settings of the means "
    "over seeds. A ring is the first run after a change of the median that lasts for at least "
    f"{history.SHORTEST} runs; by chance one series in a thousand has one."
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a panel for each metric, with a line for each method; no page without a history."""
    rows = analysis.run.history
    if rows.empty:
        return []
    if rows["run"].nunique() < _FEWEST:
        raise AbsentError("The history has one run, and a trend needs two.")
    data = points(rows)
    first, last = (f"{rows['time'].iloc[end]:%Y-%m-%d}" for end in (0, -1))
    methods = select_methods(analysis)
    caption = _CAPTION.format(first=first, last=last) + methods.note
    return [Page(_figure(data, methods, analysis.run.words, venue), data, caption)]


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``centre`` by metric, method and ``number`` of the run, and where a series changed."""
    try:
        found = {(c.method, c.metric, c.first["run"]) for c in history.changes(rows)}
    except RefusedError:  # the report says so
        found = set()
    scale = rows["metric"].map(lambda name: 100 if history.TRACKED[name].percent else 1)
    keys = rows[["method", "metric", "run"]].itertuples(index=False, name=None)
    columns = ["metric", "method", "number", "time", "commit"]
    changed = [key in found for key in keys]
    return rows[columns].assign(centre=rows["value"] * scale, changed=changed)


def _figure(
    data: pd.DataFrame, methods: MethodSelection, words: Vocabulary, venue: Venue
) -> Figure:
    metrics = list(dict.fromkeys(data["metric"]))
    height = _HEIGHT * len(metrics) + 0.4 + legend_height(methods.shown, venue.width, venue)
    figure = layout.new_figure(venue.width, height)
    grid = figure.subplots(len(metrics), 1, squeeze=False, sharex=True)
    for axes, metric in zip(grid[:, 0], metrics, strict=True):
        rows = data[data["metric"] == metric]
        lines = rows.rename(columns={"number": "x"}).assign(low=float("nan"), high=float("nan"))
        draw_lines(axes, lines, methods, marks=max(1, data["number"].max() // _MARKS))
        tips.say_points(axes, lines, methods.shown, "Run")
        for method, look in methods.shown.items():
            own = rows[(rows["method"] == method) & rows["changed"]]
            axes.scatter(
                own["number"], own["centre"], s=22, color="white", edgecolor=look.colour, zorder=4
            )
        shown = words.metric(metric, history.TRACKED)
        label = shown.label + " (%)" * shown.percent
        axes.set_ylabel(layout.name_lines(label, _HEIGHT, venue))
        axes.yaxis.set_major_locator(layout.few_ticks(4))
    axes.set(xlabel="Run", xlim=(0.5, data["number"].max() + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ring = Line2D([], [], marker="o", linestyle="", label="A change that lasts")
    ring.set(markerfacecolor="white", markeredgecolor="0.3")
    draw_legend(figure, methods, venue, [ring] if data["changed"].any() else [])
    return figure

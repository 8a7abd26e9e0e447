"""Curves over ranked images: errors of the most confident, and precision of doubtful labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.loss_histogram import missing
from benchmarks.report.figures.methods import (
    MethodSelection,
    core_note,
    draw_legend,
    draw_lines,
    legend_height,
    select_methods,
)
from benchmarks.report.lists import each_seed
from benchmarks.report.tables import SCORES
from benchmarks.report.venues import Venue
from benchmarks.report.vocabulary import Vocabulary

COLUMNS = 4
"""Most panels side by side."""
_PANEL, _AROUND = 1.25, 0.75
"""The inches of a row of panels, and of what stands around them all."""
_CHANCE = "#000000"
_ROWS = ("loss", "loss_mean", "own")
"""The scores of which there is a row, where a method has them."""


@dataclass(frozen=True)
class Curve:
    """One kind of curve: its table, its axes, and its words."""

    table: str
    x: str
    value: str
    labels: tuple[str, str]
    caption: str
    absent: str


RISK = Curve(
    "risk_coverage",
    "coverage",
    "errors",
    ("Coverage (%)", "{0.error_axis}"),
    "The {words.error} of the most confident share (coverage) of the test images, as where all "
    "others are left to a person: last epoch, mean over seeds{}. The lower, the better; at the "
    "right end is {words.whole_error} of all images. Images of equal confidence have their "
    "{words.mean_error}.",
    "no finished cell was tested",
)
PRECISION = Curve(
    "precision_recall",
    "recall",
    "precisions",
    ("Recall (%)", "Precision (%)"),
    "The share of wrong labels (precision) among the training labels of the highest scores, as "
    "many as hold a given share of all wrong ones (recall): mean over seeds{}. The higher, the "
    "better; dashed is the share of wrong labels among all, which is chance. Scores: {rows}.",
    "no training label is wrong",
)


def pages(analysis: Analysis, venue: Venue, curve: Curve) -> list[Page]:
    """Draw core settings side by side, a page for each dataset, model and recipe."""
    run, methods = analysis.run, select_methods(analysis)
    table: pd.DataFrame = getattr(run, curve.table)
    if table.empty:
        raise AbsentError(missing(run, f"{curve.table}.csv", curve.absent))
    inside = table["method"].isin(methods.shown) & table["setting"].isin(analysis.core_settings)
    if curve is PRECISION:
        inside &= table["score"].isin(_ROWS)
    data = points(table[inside], curve)
    if data.empty:
        raise AbsentError(f"{curve.absent.capitalize()} in a core setting.")
    place = {setting: number for number, setting in enumerate(analysis.core_settings)}
    data = data.sort_values("setting", key=lambda names: names.map(place), kind="stable")
    banded = methods.have_bands and data["low"].notna().any()
    words = curve.caption.format(
        ", with 95% t bands" if banded else "",
        words=run.words,
        rows="; ".join(SCORES[score] for score in _scores(data)),
    )
    words += layout.SKEWED * bool(banded and data["skewed"].any())
    words += core_note(analysis, table["setting"]) + methods.note
    arenas = list(dict.fromkeys(data["arena"]))
    kept = layout.spread(arenas, layout.PAGES)
    words += layout.of_many(len(kept), len(arenas), "datasets and models")
    chance = _chances(analysis) if curve is PRECISION else {}
    drawn = []
    for arena in kept:
        here = data[data["arena"] == arena]
        names = list(dict.fromkeys(here["panel"]))
        most = max(1, min(COLUMNS, int((venue.width - 0.5) / 1.1)))
        if curve is PRECISION:  # a row is a score
            parts = layout.chunks(names, most)
        else:
            parts = layout.chunks(names, most * int((venue.tallest - _AROUND) / _PANEL))
        for part in parts:
            rows = here[here["panel"].isin(part)]
            figure = _figure(rows, methods, (curve, chance, run.words), venue)
            drawn.append(Page(figure, rows, words, arena))
    return drawn


def points(table: pd.DataFrame, curve: Curve) -> pd.DataFrame:
    """Return what is drawn at each ``x``, in percent, by place, method and score."""
    scored = ["score"] if "score" in table else []
    by = ["arena", "panel", "setting", "method", *scored, curve.x]
    shares = layout.summarised_shares(each_seed(table, curve.value), by, curve.value)
    shares = shares.rename(columns={curve.x: "x"})
    return shares.assign(x=100 * shares["x"])


def _scores(data: pd.DataFrame) -> list[str]:
    return [name for name in _ROWS if "score" in data and name in set(data["score"])]


def _chances(analysis: Analysis) -> Mapping[str, float]:
    """Return the share of wrong labels in each setting, in percent, mean over its cells."""
    rows = analysis.run.detection
    shares = 100 * rows["mislabelled"] / rows["n_train"]
    means = shares.groupby(rows["setting"]).mean()
    return {str(setting): float(share) for setting, share in means.items()}


def _figure(
    data: pd.DataFrame,
    methods: MethodSelection,
    about: tuple[Curve, Mapping[str, float], Vocabulary],
    venue: Venue,
) -> Figure:
    curve, chance, words = about
    drawn = methods.within(data["method"])
    noises, scores = list(dict.fromkeys(data["panel"])), _scores(data) or [""]
    most = max(1, min(COLUMNS, int((venue.width - 0.5) / 1.1)))
    down = len(scores) if scores[0] else -(-len(noises) // most)
    across = -(-len(noises) // (1 if scores[0] else down))
    height = _PANEL * down + _AROUND - 0.4 + legend_height(drawn.shown, venue.width, venue)
    figure = layout.new_figure(venue.width, height)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    panels = [(score, noise) for score in scores for noise in noises]
    for number, (axes, (score, noise)) in enumerate(zip(grid.flat, panels, strict=False)):
        rows = data[data["panel"] == noise]
        rows = rows[rows["score"] == score] if score else rows
        _draw_panel(axes, rows, drawn, chance, curve.labels[0])
        if number < across or not score:
            axes.set_title(layout.name_lines(noise, venue.width / across - 0.3, venue))
        if number % across == 0:
            name = SCORES[score].removesuffix(" over epochs") + "\n" if score else ""
            axes.set_ylabel(name + curve.labels[1].format(words))
        if number + across >= len(panels):
            axes.set_xlabel(curve.labels[0])
            axes.tick_params(axis="x", labelbottom=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    _limit(grid, data, chance)
    line = Line2D([], [], color=_CHANCE, linestyle=(0, (2, 2)), linewidth=0.8, label="chance")
    draw_legend(figure, drawn, venue, [line] if chance else [])
    return figure


def _draw_panel(
    axes: Axes,
    rows: pd.DataFrame,
    methods: MethodSelection,
    chance: Mapping[str, float],
    x_label: str,
) -> None:
    if rows.empty:
        layout.write_centred(axes, "no run")
        return
    draw_lines(axes, rows, methods, marks=-(-rows["x"].nunique() // 4))
    tips.say_points(axes, rows, methods.shown, x_label)
    share = chance.get(str(rows["setting"].iloc[0]))
    if share is not None:
        axes.axhline(share, color=_CHANCE, linestyle=(0, (2, 2)), linewidth=0.8, zorder=1)


def _limit(grid: NDArray[Any], data: pd.DataFrame, chance: Mapping[str, float]) -> None:
    """Begin at 0, and end where a curve does."""
    axes = grid[0, 0]
    highest = float(data[["centre", "high"]].max().max())
    top = 101 if chance else min(1.05 * highest, 101) or 1  # where nothing is above 0
    axes.set(xlim=(0, 100), ylim=(0, top))
    axes.set_xticks([0, 50, 100])
    axes.yaxis.set_major_locator(FixedLocator([0, 50, 100]) if chance else layout.few_ticks(4))

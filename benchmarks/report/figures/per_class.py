"""The accuracy of each class, beside what the training labels called its images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.figures import layout, matrices, tips
from benchmarks.report.figures.confusion import given_of, of_core
from benchmarks.report.figures.layout import Page
from benchmarks.report.figures.matrices import Names
from benchmarks.report.figures.methods import (
    MethodSelection,
    core_note,
    draw_legend,
    legend_height,
    select_methods,
)
from benchmarks.report.lists import each_seed
from benchmarks.report.venues import SMALLEST, Venue

_ROW, _METHOD, _APART = 0.07, 0.024, 0.04
"""The inches of a class, and of each method in it, of few and of so many that marks would touch."""
_AROUND, _FOOT = 0.3, 0.45
"""The inches of a panel's title, and of the labels below the lowest one."""
_MATRIX = 0.36
"""The share of the width that the matrix takes."""
_KEYS = ["arena", "setting", "dataset", "method", "label"]
_CAPTION = (
    "Left: the share of the training images of each true class (down) that were given each label "
    "(across), all seeds together; the colours are those of the square root. Right, in the same "
    "rows: the {accuracy} on the test images of the class at the last epoch, mean over seeds{half}."
)
_ALONE = (
    "The {accuracy} on the test images of each given class at the last epoch, mean over seeds"
    "{half}: how many of the images with this label are predicted so. A class is low where it is "
    "hard, and where its test labels are wrong."
)
"""Of labels that nobody knows to be right."""
_WORST = (
    " Shown{where}: the {shown} of {all} classes of the lowest {accuracy}, mean over methods{}."
)
_ALL = "; the matrix has all, in the order of the dataset"


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a row of panels for each core setting; the clean ones only if alone."""
    run, rows, methods = analysis.run, of_core(analysis), select_methods(analysis)
    data = points(rows[rows["method"].isin(methods.shown)])
    measured = data["low"].notna().any()
    words, known = run.words, not run.unknown
    half = " with its 95% t interval" if measured else ""
    caption = (_CAPTION if known else _ALONE).format(accuracy=words.accuracy, half=half)
    caption += layout.SKEWED * bool(measured and data["skewed"].any())
    caption += matrices.numbered(run, rows)
    caption += core_note(analysis, run.confusion["setting"]) + methods.note
    drawn = []
    for arena, here in data.groupby("arena", sort=False):
        count = _classes(rows, here)
        worst = _WORST.format(
            _ALL * known,
            where=" on the right" * known,
            shown=matrices.NAMED,
            all=count,
            accuracy=words.accuracy,
        )
        beside = matrices.names_beside(run, str(here["dataset"].iloc[0]), count)
        room = _room(beside, methods, venue)
        band = _band(min(count, matrices.NAMED), methods, room)
        settings = list(dict.fromkeys(here["setting"]))
        for some in layout.chunks(settings, max(1, int(room / (band + _AROUND)))):
            part = here[here["setting"].isin(some)]
            figure = _figure(analysis, rows, part, venue)
            names = matrices.class_names(run, str(part["dataset"].iloc[0]), count)
            named = part.assign(name=[names[int(label)] for label in part["label"]])
            drawn.append(
                Page(figure, named, caption + worst * (count > matrices.NAMED), str(arena))
            )
    kept = layout.spread(drawn, layout.PAGES)
    more = layout.of_many(len(kept), len(drawn), "pages")
    return [replace(page, caption=page.caption + more) for page in kept]


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what is drawn of the accuracy of each class, in percent, by ``_KEYS``."""
    each = each_seed(rows, "correct")
    tested = each_seed(rows, "tested")["tested"].to_numpy()
    each = each.assign(acc=each["correct"].to_numpy() / np.where(tested > 0, tested, np.nan))
    order = {setting: number for number, setting in enumerate(dict.fromkeys(rows["setting"]))}
    table = layout.summarised_shares(each, _KEYS, "acc")
    return table.sort_values("setting", key=lambda names: names.map(order), kind="stable")


def _classes(rows: pd.DataFrame, data: pd.DataFrame) -> int:
    """Return how many classes the dataset of some points has."""
    return int(rows.loc[rows["setting"].isin(data["setting"]), "label"].max()) + 1


def _room(beside: Names, methods: MethodSelection, venue: Venue) -> float:
    """Return the inches of a page that are left for rows of panels."""
    below = _FOOT + beside.inches * beside.turned
    return venue.tallest - below - legend_height(methods.shown, venue.width, venue)


def _band(classes: int, methods: MethodSelection, room: float) -> float:
    """Return the inches of so many classes: with very many methods, no more than fit."""
    each = _METHOD if methods.have_bands else _APART
    return min(classes * (_ROW + each * len(methods.shown)), room - _AROUND)


def _figure(analysis: Analysis, rows: pd.DataFrame, data: pd.DataFrame, venue: Venue) -> Figure:
    methods = select_methods(analysis)
    drawn = methods.within(data["method"])
    settings = list(dict.fromkeys(data["setting"]))
    count, dataset = _classes(rows, data), str(data["dataset"].iloc[0])
    every = matrices.class_names(analysis.run, dataset, count)
    beside = matrices.names_beside(analysis.run, dataset, count)
    classes = list(range(count))
    if count > matrices.NAMED:
        lowest = data.groupby("label")["centre"].mean().sort_values(kind="stable").index
        classes = sorted(map(int, lowest[: matrices.NAMED]))
    room = _room(beside, methods, venue)
    height = (_band(len(classes), methods, room) + _AROUND) * len(settings) + venue.tallest - room
    figure = layout.new_figure(venue.width, height)
    known = not analysis.run.unknown  # else there is no matrix of given and true labels
    widths = [_MATRIX, 1 - _MATRIX] if known else [1]
    grid = figure.subplots(
        len(settings), len(widths), squeeze=False, sharex="col", width_ratios=widths
    )
    scale: dict[str, Any] = {"cmap": "Greys", "norm": PowerNorm(0.5, 0, 100)}
    least = float(data[["centre", "low"]].min().min())
    for row, setting in zip(grid, settings, strict=True):
        left, right = row[0], row[-1]
        part = data[data["setting"] == setting]
        _draw_dots(right, part, drawn.shown, {label: every[label] for label in classes})
        right.set_title(layout.name_lines(setting, widths[-1] * venue.width - 0.3, venue))
        left.set_ylabel(analysis.run.words.true_class)
        if known:
            matrices.draw(left, given_of(rows[rows["setting"] == setting]), scale)
            left.set_aspect("auto")
            left.set_title("given labels")
        if beside.names and known:
            matrices.name_beside(left, beside)
            right.set_yticks(range(len(classes)), [])
        else:
            right.set_yticks(range(len(classes)), [matrices.shortened(every[c]) for c in classes])
            right.tick_params(axis="y", labelsize=SMALLEST)
    if known:
        matrices.name_below(left, beside)
        left.set_xlabel("given class")
    right.set_xlabel(f"{analysis.run.words.headline} of the class (%)")
    right.set_xlim(max(least - 3, -1.5), 101.5)
    right.xaxis.set_major_locator(layout.few_ticks(5))
    draw_legend(figure, drawn, venue)
    return figure


def _draw_dots(
    axes: Axes, data: pd.DataFrame, looks: dict[str, Any], classes: dict[int, str]
) -> None:
    """Draw the accuracy of each class, methods below each other in its row."""
    row = {label: number for number, label in enumerate(classes)}
    for place, (method, look) in enumerate(looks.items()):
        own = data[(data["method"] == method) & data["label"].isin(row)]
        if own.empty:  # what has no line would have a box in a corner of the figure
            continue
        y = own["label"].map(row) + 0.8 * ((place + 0.5) / len(looks) - 0.5)
        axes.hlines(y, own["low"], own["high"], color=look.colour, linewidth=0.6, alpha=0.6)
        axes.plot(
            *(own["centre"], y),
            color=look.colour,
            marker=look.marker,
            linestyle="",
            markersize=3.2 if look.strong else 2.6,
            markeredgewidth=0,
            clip_on=False,
        )
        texts = [
            f"{look.label}, {classes[one.label]}: {tips.interval(one.centre, one.low, one.high)}"
            for one in rows_of(own)
        ]
        tips.say(axes, own["centre"], y, texts)
    for edge in range(1, len(classes)):
        axes.axhline(edge - 0.5, color="0.85", linewidth=0.5, zorder=0.5)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)

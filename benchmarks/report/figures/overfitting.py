"""The last epoch against the best: what training on wrong labels for longer costs."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.figures import layout, rows, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import core_note
from benchmarks.report.looks import Look
from benchmarks.report.tables import ORACLE
from benchmarks.report.venues import Venue
from benchmarks.report.vocabulary import Vocabulary

_NAMES = {"last": "last epoch", "val": "best by validation", "oracle": f"best {ORACLE}"}
SELECTIONS = tuple(_NAMES)
_LEAST = 2.0
"""The loss in points from the best epoch to the last from which on it is written."""
_REACH = 1.0
"""The least points that an axis covers."""
_NUMBER = 0.32
"""The inches that such a number takes, or one below the axis."""
_CAPTION = (
    "{words.headline} {words.measured}, mean over seeds: after the last epoch (filled), at the "
    "epoch of best {words.accuracy} on {words.noisy} validation labels (line), and at the best "
    f"epoch by test labels (open; {ORACLE}: not attainable in practice). The number is the loss "
    "from the best epoch to the last in points, where it is 2 or more. Axes do not start at zero "
    "and differ between panels."
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods, the best first, by settings."""
    data = points(analysis)
    if data.empty:
        raise AbsentError("No finished cell has kept its best epoch.")
    if (data["last"] == data["oracle"]).all():
        raise AbsentError("Every cell was best at its last epoch.")
    known = set(data["method"])
    looks = {method: look for method, look in analysis.looks.items() if method in known}
    words = analysis.run.words
    settings = [name for name in analysis.core_settings if name in set(data["setting"])]
    labels = {method: look.label for method, look in looks.items()}
    sheets, more = rows.sheets(venue, data, labels, settings, words.y_label("acc"))
    drawn = []
    for sheet in sheets:
        own = {method: looks[method] for method in sheet.methods}
        for axes, here in sheet.panels:
            _draw_panel(axes, here, own, venue)
        sheet.figure.legend(handles=_handles(words), loc="outside lower center", ncols=3)
        caption = _CAPTION.format(words=words) + more + core_note(analysis, data["setting"])
        caption += survivors.COUNTS * bool(survivors.lost(sheet.data).any())
        drawn.append(Page(sheet.figure, sheet.data, caption))
    return drawn


def points(analysis: Analysis) -> pd.DataFrame:
    """Return accuracies by ``method`` and ``setting`` in percent, a column for each selection.

    Over the ``done`` of ``planned`` seeds that have both the last epoch and the best one. The noisy
    validation labels of a recipe that holds none out choose nothing, so ``val`` is nan there.
    """
    run, keys = analysis.run, ["method", "setting"]
    tables = [run.at(name).set_index([*keys, "seed"])["acc"] for name in SELECTIONS]
    table = pd.concat(tables, axis=1, keys=SELECTIONS).dropna(subset=["last", "oracle"])
    groups = (100 * table).groupby(keys)
    return groups.mean().assign(done=groups.size()).join(analysis.planned()).reset_index()


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look], venue: Venue) -> None:
    place = {method: number for number, method in enumerate(looks)}
    at, number = data["method"].map(place), _NUMBER
    colours = [looks[method].colour for method in data["method"]]
    axes.hlines(at, data["last"], data["oracle"], colors=colours, linewidth=1.2, zorder=1)
    axes.scatter(data["oracle"], at, s=13, c="white", edgecolors=colours, linewidths=0.8)
    axes.scatter(data["last"], at, s=13, c=colours, edgecolors=colours, linewidths=0.8)
    axes.scatter(data["val"], at, s=30, marker="|", c="0.15", linewidths=1.0)
    for name in SELECTIONS:
        texts = [
            f"{looks[method].label}, {_NAMES[name]}: {tips.plain(value)}"
            for method, value in zip(data["method"], data[name], strict=True)
        ]
        tips.say(axes, data[name], at, texts)
    for row, each in zip(at, rows_of(data), strict=True):
        if each.oracle - each.last >= _LEAST:
            axes.annotate(
                f"{each.oracle - each.last:.1f}",
                (each.oracle, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=venue.small,
                color="0.3",
            )
    if survivors.lost(data).any():
        survivors.write_counts(axes, data, place, venue.small)
        number *= 2  # beside one another
    low, high = data[list(SELECTIONS)].min().min(), data[list(SELECTIONS)].max().max()
    more = max(_REACH - (high - low), 0.0) / 2
    low, high = low - more, high + more
    inch = (high - low) / rows.inches(axes, venue)
    axes.set_xlim(low - 0.06 * inch, high + number * inch)
    ticks = layout.few_ticks(2).tick_values(low, min(high, 100))
    inside = [tick for tick in ticks if low <= tick <= 100]
    wide = _NUMBER * inch / (inside[-1] - inside[0] or 1.0)
    axes.set_xticks(layout.far_apart(inside, wide))


def _handles(words: Vocabulary) -> list[Line2D]:
    """Return what the legend names."""
    style: dict[str, Any] = {"color": "0.3", "linestyle": "", "markersize": 3.6}
    return [
        Line2D([], [], marker="o", label="last epoch", **style),
        Line2D(
            [], [], marker="|", label=f"best by {words.noisy} labels", **style | {"color": "0.15"}
        ),
        Line2D([], [], marker="o", markerfacecolor="white", label=f"best {ORACLE}", **style),
    ]

"""The ECE before and after temperature scaling, by the labels that the temperature is fitted on."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from benchmarks.report import scaling
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import rows, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import core_note, select_methods
from benchmarks.report.venues import Venue

_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_CAPTION = (
    "ECE on clean test labels at the last epoch, as trained and after scaling by a temperature "
    "fitted on validation images: on their given, noisy labels, on these through the transition "
    "matrix of the noise{given}, and on their clean labels, which is clean knowledge. Mean over "
    "seeds; grey: the floor of each as trained, the ECE that chance would leave a perfectly "
    "calibrated model of its confidences. The line joins what was trained to what clean labels "
    "make of it; the axis is logarithmic."
)
_OUT = " Methods within chance in a setting are left out of it."
_DROPPED = " Left out: {count} of {all} fits that ended at a bound, where they mean nothing."


class Mark(NamedTuple):
    """How one of the states is drawn and named."""

    marker: str
    colour: str
    filled: bool
    label: str


MARKS = {
    "trained": Mark("o", "#1a1a1a", filled=True, label="as trained"),
    "noisy": Mark("X", "#c0392b", filled=True, label=scaling.FITS["noisy"]),
    "fwd": Mark("^", "#8c6d1f", filled=False, label=scaling.FITS["fwd"]),
    "clean": Mark("D", "#2f6db3", filled=True, label=scaling.FITS["clean"]),
}
"""As trained, and the three fits by their names in ``results.csv``."""


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods, the best first, by settings."""
    if not scaling.is_known(analysis):
        raise AbsentError("No finished cell has a temperature: the recipe holds no images out.")
    data, selection = points(analysis), select_methods(analysis)
    known = set(data["method"])
    labels = {method: look.label for method, look in selection.shown.items() if method in known}
    if not labels:
        raise AbsentError("Every method is within chance, or was never fitted within bounds.")
    settings = [name for name in analysis.core_settings if name in set(data["setting"])]
    sheets, more = rows.sheets(venue, data, labels, settings, analysis.run.words.y_label("ece"))
    given = analysis.run.last["ts_fwd_given"].eq(1).any()
    caption = _CAPTION.format(
        given=" (given the true one where it estimates none)" if given else ""
    )
    if any(analysis.collapsed(setting) for setting in settings):
        caption += _OUT
    dropped = analysis.run.last["ts_at_bound"].dropna()
    if dropped.any():
        caption += _DROPPED.format(count=int(dropped.sum()), all=len(scaling.FITS) * len(dropped))
    caption += core_note(analysis, data["setting"])
    drawn = []
    for sheet in sheets:
        trained = sheet.data[sheet.data["state"] == "trained"]
        labelled = {method: labels[method] for method in sheet.methods}
        for axes, here in sheet.panels:
            _draw_panel(axes, here, labelled, venue.small)
            _make_logarithmic(axes, pd.concat([sheet.data["ece"], sheet.data["floor"]]))
        sheet.figure.legend(handles=_handles(), loc="outside lower center", ncols=3)
        few = survivors.COUNTS * bool(survivors.lost(trained).any())
        drawn.append(Page(sheet.figure, sheet.data, caption + few + more + selection.note))
    return drawn


def points(analysis: Analysis) -> pd.DataFrame:
    """Return the ``ece`` in percent by ``method``, ``setting`` and ``state``.

    ``state`` is one of ``MARKS``; ``floor`` is that of the method in the setting as it was
    trained, ``done`` of ``planned`` seeds are what a mean is over.
    """
    last = analysis.run.last
    known = [m not in analysis.collapsed(s) for m, s in last[["method", "setting"]].to_numpy()]
    last = last[known]
    tables = []
    for state in MARKS:
        column = "ece" if state == "trained" else f"ts_{state}_ece"
        own = last.assign(value=100 * last[column]).dropna(subset=["value"])
        means = own.groupby(["method", "setting"])["value"].agg(["mean", "size"]).reset_index()
        tables.append(means.assign(state=state))
    table = pd.concat(tables, ignore_index=True).rename(columns={"mean": "ece", "size": "done"})
    scaled = table.loc[table["state"] != "trained", ["method", "setting"]].drop_duplicates()
    table = table.merge(scaled).join(analysis.planned(), on=["method", "setting"])
    keys = zip(table["method"], table["setting"], strict=True)
    floor = [100 * analysis.floors.get(key, math.nan) for key in keys]
    return table.assign(floor=floor)


def _draw_panel(axes: Axes, data: pd.DataFrame, methods: Mapping[str, str], size: float) -> None:
    row = {method: number for number, method in enumerate(methods)}
    wide = data.pivot_table("ece", "method", "state").reindex(columns=list(MARKS))
    at = wide.index.map(row)
    axes.hlines(at, wide["trained"], wide["clean"], color="0.6", linewidth=0.8, zorder=1)
    floors = data.drop_duplicates("method")
    places = floors["method"].map(row)
    axes.vlines(floors["floor"], places - 0.34, places + 0.34, color="0.6", linewidth=1.6)
    for state, mark in MARKS.items():
        axes.plot(wide[state], at, linestyle="", zorder=3, **_style(mark))
        texts = [
            f"{methods[str(method)]}, {mark.label}: {tips.plain(value)}"
            for method, value in wide[state].items()
        ]
        tips.say(axes, wide[state], at, texts)
    survivors.write_counts(axes, data[data["state"] == "trained"], row, size)


def _make_logarithmic(axes: Axes, values: pd.Series) -> None:
    shown = values[values > 0]
    axes.set_xscale("log")
    axes.set_xlim(shown.min() / 1.25, shown.max() * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(_spaced(*axes.get_xlim())))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _spaced(low: float, high: float) -> list[float]:
    """Return the ticks within the bounds, of many every other or third one."""
    inside = [tick for tick in _TICKS if low <= tick <= high]
    return inside[:: -(-len(inside) // 4)]


def _style(mark: Mark) -> dict[str, Any]:
    return {
        "marker": mark.marker,
        "color": mark.colour,
        "markersize": 3.6,
        "markerfacecolor": mark.colour if mark.filled else "white",
        "markeredgewidth": 0.7,
    }


def _handles() -> list[Line2D]:
    """Return what the legend names."""
    floor: dict[str, Any] = {"color": "0.6", "marker": "|", "markeredgewidth": 1.6}
    return [
        *(Line2D([], [], ls="", label=mark.label, **_style(mark)) for mark in MARKS.values()),
        Line2D([], [], ls="", label="floor of each", markersize=5, **floor),
    ]

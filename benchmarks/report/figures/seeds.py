"""Every seed of every method: what stands behind a mean."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.figures import rows, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.looks import Look
from benchmarks.report.venues import Venue

_MOST = 101
"""Where an axis of percentages ends at the latest, so that marks at 100 are whole."""
_SPREAD = 0.4
"""How far seeds lie apart in a row, so that equal ones are seen."""
_INK = "0.15"
_DIAMOND: dict[str, Any] = {"marker": "D", "markersize": 2.6, "markerfacecolor": "white"}
_CAPTION = (
    "{words.headline} {words.measured} at the last epoch: a dot for each seed, the same seed at "
    "the same height of every row, and the mean with its 95% t interval over seeds. Axes do not "
    "start at zero and differ between panels."
)
_MEDIAN = (
    " Where the interval leaves what is possible, the median stands in its place, as a diamond."
)
_BEYOND = " An arrow gives the mean of seeds beyond the axis, all within chance."


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods, the best first, by settings."""
    data = points(analysis)
    if data.empty:
        raise AbsentError("No seed finished.")
    known = set(data["method"])
    looks = {method: look for method, look in analysis.looks.items() if method in known}
    labels = {method: look.label for method, look in looks.items()}
    words = analysis.run.words
    settings = [name for name in analysis.run.settings if name in set(data["setting"])]
    sheets, more = rows.sheets(venue, data, labels, settings, words.y_label("acc"))
    drawn = []
    for sheet in sheets:
        part, own = sheet.data, {method: looks[method] for method in sheet.methods}
        for axes, here in sheet.panels:
            _draw_panel(axes, here, own, venue.small)
        sheet.figure.legend(handles=_handles(part), loc="outside lower center", ncols=3)
        caption = _CAPTION.format(words=words) + _MEDIAN * bool(
            (part["low"].isna() & (part["done"] > 1)).any()
        )
        caption += survivors.COUNTS * bool(survivors.lost(part).any())
        caption += _BEYOND * bool(part["beyond"].any())
        drawn.append(Page(sheet.figure, part, caption + more))
    return drawn


def points(analysis: Analysis) -> pd.DataFrame:
    """Return the accuracy of each ``seed`` in percent, and what summarises a method's in a setting.

    ``done`` of ``planned`` seeds finished; their ``mean`` with ``low`` and ``high``, which are nan
    where the interval leaves what is possible or is unknown, and their ``median``. ``beyond`` are
    seeds within chance, each below every seed of the methods that are not.
    """
    keys = ["method", "setting"]
    data = analysis.run.last[[*keys, "seed", "acc"]].sort_values([*keys, "seed"])
    data = data.merge(analysis.setting_means("acc"), on=keys)
    median = data.groupby(keys)["acc"].median().rename("median")
    data = data.join(analysis.planned(), on=keys).join(median, on=keys)
    inside = (data["mean"] >= data["half"]) & (data["mean"] + data["half"] <= 1)
    half = data["half"].where(inside)
    data = data.assign(low=data["mean"] - half, high=data["mean"] + half)
    out = data["acc"].isna()
    for setting in set(data["setting"]):
        out |= data["method"].isin(analysis.collapsed(setting)) & (data["setting"] == setting)
    least = data["acc"].where(~out).groupby(data["setting"]).transform("min")
    highest = data.groupby(keys)["acc"].transform("max")
    shown = ["acc", "mean", "low", "high", "median"]
    data[shown] *= 100
    data = data.rename(columns={"n": "done"}).assign(beyond=out & (highest < least))
    return data[[*keys, "seed", *shown, "done", "planned", "beyond"]]


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look], size: float) -> None:
    row = {method: number for number, method in enumerate(looks)}
    place = data["seed"].rank(method="dense")
    offset = _SPREAD * (place - (1 + place.max()) / 2) / max(place.max() - 1, 1)
    dots = data[~data["beyond"]]
    colours = [looks[method].colour for method in dots["method"]]
    heights = dots["method"].map(row) + offset[dots.index]
    axes.scatter(dots["acc"], heights, s=6, c=colours, alpha=0.75, linewidths=0, zorder=2)
    seeds = [f"{looks[d.method].label}, seed {d.seed}: {tips.plain(d.acc)}" for d in rows_of(dots)]
    tips.say(axes, dots["acc"], heights, seeds)
    each = data.drop_duplicates("method")
    at = each["method"].map(row)
    whole = each["low"].notna() & ~each["beyond"]
    axes.hlines(at[whole], each["low"][whole], each["high"][whole], color=_INK, linewidth=0.7)
    axes.scatter(each["mean"][whole], at[whole], s=25, marker="|", c=_INK, linewidths=1.0)
    tips.say_means(axes, each[whole], looks, at[whole])
    alone = each["low"].isna() & ~each["beyond"] & (each["done"] > 1)
    axes.plot(each["median"][alone], at[alone], color=_INK, linestyle="", **_DIAMOND)
    if axes.get_xlim()[1] > _MOST:
        axes.set_xlim(right=_MOST)
    survivors.write_counts(axes, each, row, size)
    for below in rows_of(each[each["beyond"]]):
        text = f"\N{BLACK LEFT-POINTING SMALL TRIANGLE} {below.mean:.1f}"
        survivors.write_in_row(axes, (0.03, row[below.method]), text, size, "left")


def _handles(data: pd.DataFrame) -> list[Line2D]:
    """Return what the legend names."""
    dot: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 2.6}
    handles = [
        Line2D([], [], color="0.45", label="one seed", **dot),
        Line2D([], [], color=_INK, marker="|", linewidth=0.7, label="mean, 95% interval"),
    ]
    if (data["low"].isna() & (data["done"] > 1) & ~data["beyond"]).any():
        handles.append(Line2D([], [], color=_INK, linestyle="", label="median", **_DIAMOND))
    return handles

"""Accuracy against calibration error and against cost, with the front where it is resolved."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from benchmarks.report.analysis import COSTS, Analysis, rows_of
from benchmarks.report.claims import OVERALL
from benchmarks.report.figures import labels, layout, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import select_methods
from benchmarks.report.looks import COLOURS, Look
from benchmarks.report.phrases import mean_over
from benchmarks.report.venues import Venue

_CAPTION = (
    "{words.headline} against {against}, {settings}, at the last epoch. Whiskers: 95% t "
    "intervals over seeds.{front}"
)
_FRONT = (
    " Black edges{line}: the front, the methods that are each shown to beat every other one in "
    "{words.accuracy} or in the other axis."
)
_LINE = ", and the grey line through them"
_COST = (
    " Cost: passes of images through networks to train, one backwards counted as two forwards, as "
    "a multiple of what hard labels take; a log scale."
)
_SECONDS = (
    " Seconds: of one cell that trains alone, the median and the least and most of all repetitions."
)
AXES = {"cost": "Cost (hard labels: 1)", "seconds": "Seconds, alone"}
"""The axes beside the calibration error, by the column of what is drawn."""
TIMED = ("seconds", "low", "high")
_ALIKE = " All cost the same."
_CHANCE = " Left out: {methods}, within chance."
_SMALL = (
    " Large, with whiskers and named where there is room: {named} of {all} methods, those on a "
    "front, what the others are compared with, and the best of each family by mean "
    "{words.accuracy}."
)
_HEIGHT, _ACROSS = 2.35, 5
"""The inches of a panel, and the families beside each other in the legend."""
_SAME = 1.01
"""Costs up to so many times another are the same; where all are, no panel shows them."""
_FEWEST_POINTS = 1.0
"""The least height of the axis of accuracy."""
_NAMES = 0.1
"""The share of the axis of accuracy that is added to it for names."""
_FEWEST_DECADES = 0.3
"""The least width of the axis of cost, in powers of ten."""


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a panel for the calibration error, and one for the cost where it is known."""
    data = points(analysis)
    if data.empty:
        raise AbsentError("No method finished a seed in every setting that all have tried.")
    looks = {m: k for m, k in analysis.looks.items() if m in data.index}
    costs = [name for name in AXES if _differs(data[name])]
    families = _families(looks)
    foot = 0.3 + 0.17 * -(-len(families) // _ACROSS)
    height = min(_HEIGHT * (1 + len(costs)) + foot, venue.tallest)
    figure = layout.new_figure(venue.width, height)
    grid = figure.subplots(1 + len(costs), 1, squeeze=False, sharey=True)[:, 0]
    fronts = data.filter(like="front_").any(axis=1)
    named = {*select_methods(analysis).shown, *map(str, data.index[fronts])}
    _draw_panel(grid[0], data, looks, ("ece", named))
    grid[0].set_xlabel(analysis.run.words.y_label("ece"))
    grid[0].set_xlim(0, max(grid[0].get_xlim()[1], 1.03 * data["ece"].max()))  # whole marks
    _widen(grid[0])
    for axes, name in zip(grid[1:], costs, strict=True):
        _draw_panel(axes, data, looks, (name, named))
        axes.set_xlabel(AXES[name])
        _make_logarithmic(axes, data[name])
    for axes in grid:
        axes.set_ylabel(analysis.run.words.y_label("acc"))
    figure.legend(handles=families, loc="outside lower center", ncols=_ACROSS)
    for axes, name in zip(grid, ("ece", *costs), strict=True):
        known = data.dropna(subset=[name]).sort_values("acc", ascending=False, kind="stable")
        first = known.index.isin(analysis.references)
        known = pd.concat([known[first], known[~first]])
        names = {
            place: looks[method].label
            for place, method in enumerate(map(str, known.index))
            if method in named
        }
        labels.write(axes, known[[name, "acc"]].to_numpy(np.float64), names, venue.small)
    small = _SMALL.format(words=analysis.run.words, named=len(named), all=len(data))
    return [
        Page(
            figure, data.reset_index(), _caption(analysis, data) + small * (len(named) < len(data))
        )
    ]


def _differs(costs: pd.Series) -> bool:
    """Return whether costs are known, and are not all the same."""
    return bool(costs.max() > _SAME * costs.min())


def _families(looks: Mapping[str, Look]) -> list[Line2D]:
    """Return what the legend names: the families of methods."""
    known = {look.family for look in looks.values()}
    style: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 4.5}
    return [
        Line2D([], [], color=colour, label=family, **style)
        for family, colour in COLOURS.items()
        if family in known
    ]


def points(analysis: Analysis) -> pd.DataFrame:
    """Return ``acc``, ``ece`` in percent with half widths, the cost and fronts by method.

    Over the settings that every method has tried, as the ranking is; a seed counts where it
    finished in all: ``done`` of ``planned``. Methods within chance, which would set the scale of
    the others, are left out.
    """
    means = analysis.ranking[["acc", "acc_half", "ece", "ece_half"]]
    methods = [m for m in analysis.run.methods if m not in _left_out(analysis)]
    data = 100 * means.reindex(methods)
    data["done"] = analysis.ranking["seeds"].reindex(methods)
    overall = pd.MultiIndex.from_product([methods, [OVERALL]])
    data["planned"] = analysis.planned().reindex(overall).to_numpy()
    data[list(COSTS)] = analysis.costs.reindex(data.index)
    data[list(TIMED)] = analysis.timings[list(TIMED)].reindex(data.index)
    data = data.dropna(subset=["acc", "ece"])
    gains, gaps = (_beaten(analysis, metric, data.index) for metric in ("acc", "ece"))
    cost = data["cost"].to_numpy(np.float64)
    out = data.index.isin(list(analysis.excluded()))
    data["front_ece"] = front(gains | gaps) & ~out
    slow = data["low"].to_numpy(np.float64)[None] > data["high"].to_numpy(np.float64)[:, None]
    data["front_seconds"] = front(gains | slow) & data["seconds"].notna() & ~out
    data["front_cost"] = front(gains | (_SAME * cost[:, None] < cost)) & np.isfinite(cost) & ~out
    return data


def _left_out(analysis: Analysis) -> frozenset[str]:
    """Return the methods within chance, unless all are."""
    collapsed = analysis.collapsed()
    return frozenset() if collapsed.issuperset(analysis.run.methods) else collapsed


def _beaten(analysis: Analysis, metric: str, methods: pd.Index) -> NDArray[np.bool_]:
    """Return whether each method is shown to be better in a metric than each other one."""
    beaten = np.zeros((len(methods), len(methods)), np.bool_)
    for place, method in enumerate(methods):
        tests = analysis.overall(str(method), metric)
        worse = tests.loc[tests["outcome"] == "worse", "method"]
        beaten[place] = methods.isin(worse.tolist())
    return beaten


def front(beaten: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which methods beat every other one.

    >>> front(np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0]], bool))
    array([ True, False,  True])

    Args:
        beaten: whether each method (rows) beats each other one in at least one of two.
    """
    return np.asarray((beaten | np.eye(len(beaten), dtype=np.bool_)).all(1))


def _draw_panel(
    axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look], shown: tuple[str, Collection[str]]
) -> None:
    """Draw a panel of the cost that ``shown`` names, and intervals of the methods it names."""
    cost, named = shown
    best = data[data[f"front_{cost}"]].sort_values([cost, "acc"])
    if len(best) > 1:
        x, y = (best[name].repeat(2) for name in (cost, "acc"))  # the corners of its steps
        axes.plot(x[1:], y[:-1], color="0.6", linewidth=0.9, zorder=1)
    points = data.dropna(subset=[cost])
    known = points[points.index.isin(list(named))]
    x, y = known[cost], known["acc"]
    colours = [looks[str(method)].colour for method in known.index]
    axes.vlines(x, *_interval(known, "acc"), colors=colours, linewidth=0.5, zorder=2)
    if cost == "ece":
        axes.hlines(y, *_interval(known, "ece"), colors=colours, linewidth=0.5, zorder=2)
    if cost == "seconds":
        axes.hlines(y, known["low"], known["high"], colors=colours, linewidth=0.5, zorder=2)
    tips.say(axes, points[cost], points["acc"], _told(points, looks))
    for (method, row), lost in zip(points.iterrows(), survivors.lost(points), strict=True):
        on, small = bool(row[f"front_{cost}"]), method not in named
        colour = looks[str(method)].colour
        axes.plot(
            row[cost],
            row["acc"],
            looks[str(method)].marker,
            color=colour,
            markersize=5 if on else 3 if small else 4.5,
            markerfacecolor="white" if lost else colour,
            markeredgecolor="black" if on else colour if lost else "white",
            markeredgewidth=0.6 if on else 0.8 if lost else 0.3,
            alpha=0.6 if small else 1,
            zorder=2.5 if small else 3,
        )


def _told(points: pd.DataFrame, looks: Mapping[str, Look]) -> list[str]:
    """Return what the mark of each method says: its name and all that is known of it here."""
    return [
        f"{looks[one.method].label}: {tips.plain(one.acc)}, ECE {tips.plain(one.ece)}"
        + f", cost {tips.plain(one.cost)}" * bool(np.isfinite(one.cost))
        + f", {tips.plain(one.seconds)} s" * bool(np.isfinite(one.seconds))
        for one in rows_of(points.reset_index())
    ]


def _interval(data: pd.DataFrame, metric: str) -> tuple[pd.Series, pd.Series]:
    """Return the ends of the interval of a metric, within what is possible; nan where it is."""
    value, half = data[metric], data[f"{metric}_half"]
    return (value - half).clip(lower=0), (value + half).clip(upper=100)


def _widen(axes: Axes) -> None:
    """Give the axis of accuracy room for numbers that differ, and for names above the best."""
    low, high = axes.get_ylim()
    more = max(_FEWEST_POINTS - (high - low), 0.0) / 2
    low, high = low - more, high + more
    axes.set_ylim(low, high + _NAMES * (high - low))
    ticks = layout.few_ticks(6).tick_values(*axes.get_ylim())
    axes.set_yticks([tick for tick in ticks if low <= tick <= min(axes.get_ylim()[1], 100)])


def _make_logarithmic(axes: Axes, costs: pd.Series) -> None:
    """Give the panel a log axis with two or three plain numbers on it, whatever it spans."""
    low, high = costs.min(), costs.max()
    if np.log10(high / low) < _FEWEST_DECADES:
        middle = np.sqrt(low * high)
        low, high = middle / 2, middle * 2
    axes.set_xlim(low / 1.3, high * 1.3)
    axes.set_xscale("log")  # after the bounds: costs that are all equal have none of their own
    steps = (1, 2, 5) if high / low < 200 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _caption(analysis: Analysis, data: pd.DataFrame) -> str:
    alike = bool(data["cost"].notna().any()) and not _differs(data["cost"])
    costly, timed = (_differs(data[name]) for name in AXES)
    drawn = ["ece", *(name for name in AXES if _differs(data[name]))]
    longest = int(data[[f"front_{name}" for name in drawn]].sum().max())
    front = _FRONT.format(words=analysis.run.words, line=_LINE if longest > 1 else "")
    text = _CAPTION.format(
        words=analysis.run.words,
        against="ECE and against cost" if costly else "ECE",
        settings=mean_over(len(analysis.shared_settings)),
        front=front if longest else " No front is resolved.",
    )
    text += _COST if costly else _ALIKE if alike else " Costs are not known."
    left_out = _left_out(analysis)
    out = [analysis.looks[m].label for m in analysis.run.methods if m in left_out]
    text += survivors.OPEN * bool(survivors.lost(data).any())
    return text + _SECONDS * timed + _CHANCE.format(methods=", ".join(out)) * bool(out)

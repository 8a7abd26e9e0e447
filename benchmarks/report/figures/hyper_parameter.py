"""Metrics against a numeric hyper-parameter of one method, a line for each noise."""

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.figures import layout, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.looks import resolve
from benchmarks.report.venues import Venue
from benchmarks.report.vocabulary import Vocabulary

SHOWN = {
    "acc": "{0.headline} (%)",
    "ece": "ECE (%)",
    "ts_clean_ece": "ECE after scaling (%)",
}
LEAST = 3
"""The fewest values of a hyper-parameter that make a line."""
_COLOURS = ("Blues", "Oranges", "Greens", "Purples", "Greys")
_MARKERS = ("o", "s", "^", "D", "v")
_SHADES = (0.5, 1.0)
"""The shades between which the rates of a kind of noise lie, the highest at the dark end."""
_WIDE = 30
"""The axis is logarithmic where the largest value is so many times the smallest."""
_CAPTION = (
    "{method} by its {name}, all else equal: on {words.test_labels} at the last epoch, mean over "
    "seeds with 95% t intervals, a line for each noise with its realised rate. Axes do not start "
    "at zero."
)
_SCALED = (
    " Scaling is by a temperature fitted on clean validation labels, which is clean knowledge; "
    "fits that ended at a bound are left out."
)
_OPEN = " Open markers: some seeds failed, or their fit ended at a bound."
_LEFT_OUT = " Not drawn: {name} = {value}, within chance in {lost} of {total} settings."


class Swept(NamedTuple):
    """The hyper-parameter of a method that a suite varies, and its numbers by spec."""

    method: str
    name: str
    numbers: dict[str, float]


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw a page for each method and hyper-parameter of three values."""
    found = list(swept(analysis.run.last))
    if not found:
        raise AbsentError(f"No method ran with {LEAST} values of one numeric hyper-parameter.")
    shown = found[: layout.PAGES]
    drawn = []
    for sweep in shown:
        data = points(analysis, sweep)
        if data.empty:
            raise AbsentError(f"Every value of {sweep.name} is within chance or lost its runs.")
        drawn.append(
            Page(
                _figure(data, sweep, analysis.run.words, venue),
                data,
                _caption(analysis, sweep, data),
            )
        )
    return drawn


def fields(spec: str) -> dict[str, object]:
    """Return the fields of a spec that are spelled out; none of one that cannot be read.

    >>> fields("gce(q=0.7, schedule='cosine')"), fields("gce"), fields("x(y=-1)")
    ({'q': 0.7, 'schedule': 'cosine'}, {}, {'y': -1})
    """
    try:
        call = ast.parse(spec, mode="eval").body
        keywords = call.keywords if isinstance(call, ast.Call) else []
        return {str(word.arg): ast.literal_eval(word.value) for word in keywords}
    except (SyntaxError, ValueError):
        return {}


def swept(rows: pd.DataFrame) -> Iterator[Swept]:
    """Yield each numeric field that varies among specs of a method which agree in all others.

    Args:
        rows: with ``method`` and its ``method_spec``, in which every field is spelled out.
    """
    specs = dict(rows[["method", "method_spec"]].drop_duplicates().to_numpy().tolist())
    groups: dict[tuple[str, str, str], dict[str, float]] = {}
    for method, spec in specs.items():
        own = fields(spec)
        for name, value in own.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                others = {key: v for key, v in own.items() if key != name}
                key = spec.partition("(")[0], name, repr(sorted(others.items()))
                groups.setdefault(key, {})[method] = float(value)
    for (method, name, _), values in groups.items():
        if len(set(values.values())) >= LEAST:
            yield Swept(method, name, values)


def points(analysis: Analysis, sweep: Swept) -> pd.DataFrame:
    """Return :func:`layout.summarised` by ``setting``, ``metric`` and value ``x``.

    ``done`` of ``planned`` seeds finished. Values within chance in a setting have no rows of it,
    and none at all where that is so in most settings.
    """
    run, keys = analysis.run, ["method", "setting"]
    rows = run.last[run.last["method"].isin(sweep.numbers)]
    rows = rows[~rows["method"].isin(_collapsed(analysis, sweep))]
    rows = rows[[m not in analysis.collapsed(s) for m, s in rows[keys].to_numpy()]]
    tables = [
        layout.summarised(rows, keys, metric).assign(metric=metric)
        for metric in SHOWN
        if rows[metric].notna().any()
    ]
    if not tables:
        return pd.DataFrame()
    groups = rows.groupby("setting")
    about = groups[["arena", "panel", "kind"]].first()
    about["rate"] = 100 * groups["noise_rate_realised"].mean()
    table = (
        pd.concat(tables, ignore_index=True)
        .join(about, on="setting")
        .join(analysis.planned(), on=keys)
    )
    table = table.assign(
        x=table["method"].map(sweep.numbers), place=table["setting"].map(run.settings.index)
    )
    table = table.sort_values(["metric", "place", "x"], kind="stable").rename(columns={"n": "done"})
    columns = ["arena", "setting", "panel", "kind", "rate", "metric", "method", "x"]
    columns += ["mean", "centre", "low", "high", "skewed", "done", "planned"]
    return table[columns].reset_index(drop=True)


def _collapsed(analysis: Analysis, sweep: Swept) -> dict[str, int]:
    """Return the values that are within chance in most settings, and in how many, by method."""
    settings = analysis.run.settings
    lost = {m: sum(m in analysis.collapsed(s) for s in settings) for m in sweep.numbers}
    return {method: count for method, count in lost.items() if 2 * count > len(settings)}


def _caption(analysis: Analysis, sweep: Swept, data: pd.DataFrame) -> str:
    caption = _CAPTION.format(
        method=resolve([sweep.method], {})[sweep.method].label,
        name=sweep.name,
        words=analysis.run.words,
    )
    if "ts_clean_ece" in set(data["metric"]):
        caption += _SCALED
    total = len(analysis.run.settings)
    for method, lost in _collapsed(analysis, sweep).items():
        value = tips.plain(sweep.numbers[method])
        caption += _LEFT_OUT.format(name=sweep.name, value=value, lost=lost, total=total)
    caption += layout.SKEWED * bool(data["skewed"].any())
    return caption + _OPEN * bool(survivors.lost(data).any())


def _looks(data: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return colour and marker of each noise: those of its kind, the darker the higher the rate."""
    looks, kinds = {}, [kind for kind in dict.fromkeys(data["kind"]) if kind != "clean"]
    for kind, own in data.groupby("kind"):
        panels = own.groupby("panel")["rate"].mean().sort_values().index
        for place, panel in enumerate(panels):
            if kind == "clean":
                looks[str(panel)] = ("#1a1a1a", "o")
                continue
            number = kinds.index(kind)
            pale, dark = _SHADES
            share = pale + (dark - pale) * (place + 1) / len(panels)
            colours = colormaps[_COLOURS[number % len(_COLOURS)]]
            looks[str(panel)] = (to_hex(colours(share)), _MARKERS[number % len(_MARKERS)])
    return {panel: looks[panel] for panel in dict.fromkeys(data["panel"])}


def _figure(data: pd.DataFrame, sweep: Swept, words: Vocabulary, venue: Venue) -> Figure:
    metrics = [metric for metric in SHOWN if metric in set(data["metric"])]
    arenas, looks = list(dict.fromkeys(data["arena"])), _looks(data)
    per_row = 3
    foot = 0.16 * -(-len(looks) // per_row) + 0.1
    figure = layout.new_figure(venue.width, 1.75 * len(arenas) + 0.3 + foot)
    grid = figure.subplots(len(arenas), len(metrics), squeeze=False, sharex=True)
    width = venue.width / len(metrics) - 0.5
    for axes_row, arena in zip(grid, arenas, strict=True):
        for axes, metric in zip(axes_row, metrics, strict=True):
            own = data[(data["arena"] == arena) & (data["metric"] == metric)]
            _draw_panel(axes, own, looks)
            axes.set_title(layout.wrapped(SHOWN[metric].format(words), width, venue))
        if arena:
            axes_row[0].set_ylabel(layout.name_lines(arena, 1.6, venue))
    values = sorted(set(data["x"]))
    for axes in grid[-1]:
        axes.set_xlabel(sweep.name)
        if min(values) > 0 and max(values) > _WIDE * min(values):
            axes.set_xscale("log")
        axes.set_xticks(layout.far_apart(values, 0.3 / width))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tips.plain(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    rates = data.groupby("panel")["rate"].mean()
    kinds = dict(zip(data["panel"], data["kind"], strict=True))
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            label=layout.shortened(
                panel if kinds[panel] in {"clean", panel} else f"{kinds[panel]} {rates[panel]:.1f}%"
            ),
        )
        for panel, (colour, marker) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=per_row)
    return figure


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: Mapping[str, tuple[str, str]]) -> None:
    """Draw a line for each noise; a point of fewer seeds than planned is open."""
    for panel, (colour, marker) in looks.items():
        own = data[data["panel"] == panel]
        axes.plot(own["x"], own["centre"], color=colour, linewidth=1.0, zorder=2)
        texts = [
            f"{panel}, {tips.plain(one.x)}: {tips.interval(one.centre, one.low, one.high)}"
            for one in rows_of(own)
        ]
        tips.say(axes, own["x"], own["centre"], texts)
        axes.vlines(own["x"], own["low"], own["high"], colors=colour, linewidth=0.7, zorder=1.9)
        fill = np.where(survivors.lost(own), "white", colour)
        axes.scatter(
            own["x"],
            own["centre"],
            s=11,
            marker=marker,
            c=fill,
            edgecolors=colour,
            linewidths=0.8,
            zorder=3,
        )
    axes.yaxis.set_major_locator(layout.few_ticks(5))

"""A metric against the noise rate: one panel per kind of noise, one row per dataset."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.figures.methods import (
    GREY,
    MethodSelection,
    draw_legend,
    draw_lines,
    legend_height,
    select_methods,
)
from benchmarks.schema import METRICS

ROWS, COLUMNS = 6, 5
WIDE = 20
"""The NLL gets a logarithmic axis where its largest mean is so many times its smallest."""
_FLOOR = "0.85"


def pages(analysis: Analysis, venue: Venue, metric: str) -> list[Page]:
    """Draw the metric over noise rates at the last epoch, with 95% t bands over seeds."""
    run = analysis.run
    data = points(run, metric)
    if data.empty:
        raise AbsentError(f"No finished cell has a value of {METRICS[metric].label}.")
    methods = select_methods(analysis)
    kinds, arenas = (list(dict.fromkeys(data[name])) for name in ("kind", "arena"))
    parts, shown = layout.split(kinds, arenas, (COLUMNS, ROWS))
    more = layout.of_many(shown, len(arenas), "datasets and models")
    drawn = []
    for columns, rows in parts:
        part = data[data["arena"].isin(rows) & data["kind"].isin(columns)]
        caption = _caption(run, metric, part, methods) + more
        drawn.append(Page(_figure(part, methods, metric, venue), part, caption))
    return drawn


def points(run: Run, metric: str) -> pd.DataFrame:
    """Return ``mean``, ``low`` and ``high`` by ``arena``, ``kind``, ``x`` and ``method``.

    ``x`` is the noise rate in percent: nominal, or realised where the noise states none. Clean
    labels are rate 0 of every kind of noise. The ECE of a method has its own ``floor`` beside it.
    """
    by = ["arena", "kind", "x", "method"]
    table = stats.t_intervals(run.last, by, metric)
    if metric == "ece":
        floor = run.last.groupby(by)["ece_floor"].mean()
        table = table.merge(floor.rename("floor").mul(100).reset_index())
    clean = table[table["kind"] == "clean"]
    noisy = table[table["kind"] != "clean"]
    copies = []
    for arena, rows in clean.groupby("arena"):
        kinds = noisy.loc[noisy["arena"] == arena, "kind"].unique()
        copies += [rows.assign(kind=name) for name in kinds] or [rows]
    table = pd.concat([noisy, *copies], ignore_index=True)
    table = layout.with_bounds(table.assign(x=100 * table["x"]), metric)
    return table.sort_values(by, kind="stable").reset_index(drop=True)


def _caption(run: Run, metric: str, data: pd.DataFrame, methods: MethodSelection) -> str:
    band = "Bands: 95% t intervals over seeds."
    if not methods.have_bands:
        band = "Bands are left out, as there are too many methods to tell them apart."
    nameless = " (the realised one where a noise states none)"
    rate = f"nominal noise rate{nameless if run.last['noise_rate'].isna().any() else ''}"
    text = (
        f"{METRICS[metric].label} on clean test labels against the {rate}, mean over "
        f"seeds at the last epoch. {band}"
    )
    if metric == "acc":
        text += " The axis does not start at zero."
    if _logarithmic(data, metric):
        text += " The axis is logarithmic."
    if metric == "ece":
        text += (
            " Grey: from the lowest to the highest floor of the methods in colour; a floor is what "
            "a perfectly calibrated model with a method's confidences would show by chance."
        )
    return text + methods.note


def _figure(data: pd.DataFrame, methods: MethodSelection, metric: str, venue: Venue) -> Figure:
    arenas, kinds = (list(dict.fromkeys(data[name])) for name in ("arena", "kind"))
    width = venue.column if len(kinds) == 1 else venue.width
    height = (1.75 if len(kinds) > 1 else 2.2) * len(arenas) + 0.3
    figure = layout.new_figure(width, height + legend_height(methods.shown, width, venue))
    label = layout.y_label(metric)
    labels = {a: f"{layout.name_lines(a, 1.4, venue)}\n{label}" if a else label for a in arenas}
    grid = figure.subplots(len(arenas), len(kinds), squeeze=False, sharey="row")
    for axes, arena, kind in layout.facets(grid, venue, labels, kinds, "Noise rate (%)"):
        row = data[data["arena"] == arena]
        rows = row[row["kind"] == kind]
        if rows.empty:
            axes.set_xticks([])
            layout.write_centred(axes, "no run")
        else:
            _draw_panel(axes, rows, methods)
        axes.set_yscale("log" if _logarithmic(data, metric) else "linear")
        _limit(axes, row, methods, metric)
    floor = Patch(color=_FLOOR, label="Floors: calibrated models")
    draw_legend(figure, methods, venue, [floor] if metric == "ece" else [])
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, methods: MethodSelection) -> None:
    rates = sorted(rows["x"].unique())
    if len(rates) > 1:
        draw_lines(axes, rows, methods)
    else:
        _draw_whiskers(axes, rows, methods)
    if "floor" in rows:
        shown = rows[rows["method"].isin(methods.shown)].groupby("x")["floor"]
        limits = axes.get_xlim()
        repeats = 2 if len(rates) == 1 else 1  # of a single rate the band is as wide as the panel
        x = limits if repeats == 2 else rates
        low, high = (list(end) * repeats for end in (shown.min(), shown.max()))
        axes.fill_between(x, low, high, color=_FLOOR, linewidth=0.8, zorder=0.5)
        axes.set_xlim(limits)
    axes.set_xticks(_spaced(rates))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _draw_whiskers(axes: Axes, rows: pd.DataFrame, methods: MethodSelection) -> None:
    """Draw methods side by side around a single rate, which has no lines."""
    rate, count = float(rows["x"].iloc[0]), len(methods.shown)
    grey = rows.loc[rows["method"].isin(methods.others), "mean"]
    axes.hlines(grey, rate - 1, rate + 1, color=GREY, linewidth=0.6)
    for place, (method, look) in enumerate(methods.shown.items()):
        point = rows[rows["method"] == method]
        x = [rate + (place - (count - 1) / 2) / max(count, 6)] * len(point)
        ends = [point["mean"] - point["low"], point["high"] - point["mean"]]
        axes.errorbar(x, point["mean"], ends, fmt=look.marker, color=look.colour, capsize=1.5)
    axes.set_xlim(rate - 1, rate + 1)


def _limit(axes: Axes, rows: pd.DataFrame, methods: MethodSelection, metric: str) -> None:
    """Set the y axis to what a row of panels shows of a metric."""
    shown = ["mean", "low", "high"] if methods.have_bands else ["mean"]
    alone = rows.groupby("kind")["x"].transform("nunique") == 1  # with whiskers, not bands
    whiskers = rows.loc[alone & rows["method"].isin(methods.shown), ["low", "high"]]
    reach = pd.concat([rows[shown], whiskers])
    low, high = reach.min().min(), reach.max().max()
    if axes.get_yscale() == "log":
        axes.set_ylim(rows["mean"].min() / 1.5, min(high, 3 * rows["mean"].max()))
        axes.yaxis.set_major_formatter(layout.powers_of_ten())
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(0.0 if metric == "ece" else max(low - pad, 0.0), high + pad)
    axes.yaxis.set_major_locator(layout.few_ticks(6))


def _logarithmic(data: pd.DataFrame, metric: str) -> bool:
    """Return whether one mean NLL would press all others to the floor of the figure."""
    return metric == "nll" and data["mean"].max() > WIDE * data["mean"].min() > 0


def _spaced(rates: list[float]) -> list[float]:
    """Return the rates that can be printed below an axis without touching."""
    gap = 0.12 * (rates[-1] - rates[0])
    kept: list[float] = []
    for rate in rates:
        if not kept or rate - kept[-1] >= gap:
            kept.append(rate)
    return kept

"""A metric against the noise rate: one panel per kind of noise, one row per dataset."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import (
    MethodSelection,
    draw_legend,
    draw_lines,
    legend_height,
    select_methods,
)
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS

ROWS, COLUMNS = 6, 5
WIDE = 20
"""The NLL gets a logarithmic axis where its largest mean is so many times its smallest."""
NEAR = 25
"""Most points between two rates that a line joins: nobody knows what lies between others."""
_FLOOR = "0.85"


def pages(analysis: Analysis, venue: Venue, metric: str) -> list[Page]:
    """Draw the metric over noise rates at the last epoch, with 95% t intervals over seeds."""
    run, methods = analysis.run, select_methods(analysis)
    data = points(run, metric)
    if data.empty and run.last[metric].notna().any():
        raise AbsentError("It takes a noise rate, and nobody knows one.")
    if data.empty:
        raise AbsentError(f"No finished cell has a value of {run.words.metric(metric).label}.")
    if data.groupby(["arena", "kind"])["x"].nunique().max() == 1:
        raise AbsentError("No kind of noise has two rates.")
    data = data[data["method"].isin(methods.shown)]
    kinds, arenas = (list(dict.fromkeys(data[name])) for name in ("kind", "arena"))
    columns = min(COLUMNS, max(1, int(venue.width / 1.1)))
    parts, shown = layout.split(kinds, arenas, (columns, _rows_of_a_page(methods, venue)))
    more = layout.of_many(shown, len(arenas), "datasets and models")
    drawn = []
    for across, down in parts:
        part = data[data["arena"].isin(down) & data["kind"].isin(across)]
        figure, axes = _figure(run, part, methods, metric, venue)
        words = run.words
        caption = (
            f"{words.metric(metric).label} {words.measured_on(metric)} against {words.wrong_share}"
        )
        caption += f", mean over seeds at the last epoch.{axes}{methods.note}"
        drawn.append(Page(figure, part, caption + more))
    return drawn


def points(run: Run, metric: str) -> pd.DataFrame:
    """Return what :func:`layout.summarised` gives by ``arena``, ``kind``, ``rate`` and ``method``.

    ``rate`` is the nominal noise rate in percent, ``x`` the realised one, mean over seeds; the
    labels of a noise that states no rate have only the latter. Clean labels are rate 0 of every
    kind of noise. ``lost`` says where seeds have no value, as they failed. The ECE of a method has
    its own ``floor`` beside it.
    """
    by = ["arena", "kind", "x", "method"]
    table = layout.summarised(run.last, by, metric)
    if metric == "ece":
        floor = run.last.groupby(by)["ece_floor"].mean()
        table = table.merge(floor.rename("floor").mul(100).reset_index())
    tried = run.cells.groupby(by).size().rename("tried").reset_index()
    table = table.merge(tried)
    table["lost"] = table.pop("tried") > table["n"]
    realised = run.last.groupby(by[:3])["noise_rate_realised"].mean().rename("realised")
    table = table.merge(realised.reset_index()).rename(columns={"x": "rate"})
    table["x"] = 100 * table.pop("realised").fillna(table["rate"])
    table["rate"] *= 100
    clean = table[table["kind"] == "clean"]
    noisy = table[table["kind"] != "clean"]
    copies = []
    for arena, rows in clean.groupby("arena"):
        kinds = noisy.loc[noisy["arena"] == arena, "kind"].unique()
        copies += [rows.assign(kind=name) for name in kinds] or [rows]
    table = pd.concat([noisy, *copies], ignore_index=True)
    return table.sort_values(["arena", "kind", "rate", "method"], kind="stable", ignore_index=True)


def _seeds(run: Run, rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the ``value`` of each seed behind some points: with their ``x`` and ``method``."""
    scale = 100 if METRICS[metric].percent else 1
    own = run.last.assign(value=scale * run.last[metric], rate=(100 * run.last["x"]).round(9))
    own = own[["arena", "method", "rate", "kind", "value"]]
    at = rows.assign(rate=rows["rate"].round(9), kind=rows["kind"].where(rows["rate"] > 0, "clean"))
    return own.merge(at[["arena", "method", "rate", "kind", "x"]])


def _rows_of_a_page(methods: MethodSelection, venue: Venue) -> int:
    room = venue.tallest - 0.3 - legend_height(methods.shown, venue.width, venue)
    return min(ROWS, max(1, int(room / 1.75)))


def _figure(
    run: Run, data: pd.DataFrame, methods: MethodSelection, metric: str, venue: Venue
) -> tuple[Figure, str]:
    """Return the figure, and what the caption says of its marks and its axes."""
    arenas, kinds = (list(dict.fromkeys(data[name])) for name in ("arena", "kind"))
    width = venue.column if len(kinds) == 1 else venue.width
    height = (1.75 if len(kinds) > 1 else 2.2) * len(arenas) + 0.3
    figure = layout.new_figure(width, height + legend_height(methods.shown, width, venue))
    label = run.words.y_label(metric)
    labels = {a: f"{layout.name_lines(a, 1.4, venue)}\n{label}" if a else label for a in arenas}
    widths = [1 if _joins(data[data["kind"] == kind]) else 0.7 for kind in kinds]
    grid = figure.subplots(
        *(len(arenas), len(kinds)), squeeze=False, sharey="row", width_ratios=widths
    )
    log, cut, above = _logarithmic(data, metric), False, False
    for axes, arena, kind in layout.facets(grid, venue, labels, kinds, run.words.wrong_axis):
        row = data[data["arena"] == arena]
        rows = row[row["kind"] == kind]
        if rows.empty:
            axes.set_xticks([])
            layout.write_centred(axes, "no run")
        else:
            rates, joined = sorted(rows["x"].unique()), _joins(rows)
            if not joined:  # methods beside each other would stand at rates that none has
                rows = rows.assign(x=rows["x"].map(rates.index).astype(float))
            at = dict(zip(sorted(rows["x"].unique()), rates, strict=True))
            beside = _draw_panel(axes, rows, methods, joined=joined)
            told = rows.assign(place=rows["x"] + rows["method"].map(beside), x=rows["x"].map(at))
            tips.say_points(axes, told, methods.shown, run.words.wrong_axis)
            gap = 0.3 * np.ptp(axes.get_xlim()) / (width / len(kinds) - 0.3)
            ticks = _spaced(list(at), gap)
            axes.set_xticks(ticks, [f"{at[tick]:.3g}" for tick in ticks])
            seeds = _seeds(run, rows[rows["skewed"]], metric)
            _draw_seeds(axes, seeds.assign(x=seeds["x"] + seeds["method"].map(beside)), methods)
        axes.set_yscale("log" if log else "linear")
        cut |= _limit(axes, row, metric)
        above |= axes.get_ylim()[0] > 0
    floor = Patch(color=_FLOOR, label="Floors: calibrated models")
    extra: list[Patch | Line2D] = [floor] if "floor" in data else []
    if data["lost"].any():
        name = "some seeds failed"
        extra.append(Line2D([], [], color="0.3", marker="o", mfc="white", ls="", label=name))
    draw_legend(figure, methods, venue, extra)
    return figure, "".join(_words(data, methods, log=log, cut=cut, above=above))


def _words(
    data: pd.DataFrame, methods: MethodSelection, *, log: bool, cut: bool, above: bool
) -> Iterator[str]:
    """Yield the sentences on what is drawn, and on nothing else."""
    lines = any(_joins(rows) for _, rows in data.groupby(["arena", "kind"]))
    loose = any(not _joins(rows) for _, rows in data.groupby(["arena", "kind"]))
    known = data["low"].notna().any()
    names = ["bands"] * (lines and methods.have_bands) + ["whiskers"] * (
        loose or bool(data["skewed"].any())
    )
    if known and names:
        yield f" {' and '.join(names).capitalize()}: 95% t intervals over seeds."
    if lines:
        yield " Lines join what was measured and say nothing of the rates between."
    if data["skewed"].any():
        yield f"{layout.SKEWED} Dots: the seeds there."
    if data["lost"].any():
        yield survivors.OPEN
    if "floor" in data:
        yield (
            " Grey: from the lowest to the highest floor of the methods; a floor is what a "
            "perfectly calibrated model with a method's confidences would show by chance."
        )
    if log:
        yield " The axis is logarithmic."
    elif above:
        yield " The axis does not start at zero."
    if cut:
        yield " The axis is cut: some intervals or seeds lie beyond it."


def _joins(rows: pd.DataFrame) -> bool:
    """Return whether lines join the rates of a panel: three or more, none far from the next."""
    rates = np.sort(rows["x"].unique())
    return len(rates) > 2 and float(np.diff(rates).max()) <= NEAR


def _draw_panel(
    axes: Axes, rows: pd.DataFrame, methods: MethodSelection, *, joined: bool
) -> dict[str, float]:
    """Draw lines, or where none may be, whiskers; return how far beside a rate a method stands."""
    rates = sorted(rows["x"].unique())
    side = 0.0 if joined else 0.3
    count = len(methods.shown)
    beside = {
        method: side * (2 * place + 1 - count) / max(count, 6)
        for place, method in enumerate(methods.shown)
    }
    if joined:
        draw_lines(axes, _without_lone_bands(axes, rows, methods), methods)
    else:
        _draw_whiskers(axes, rows, methods, beside)
        axes.set_xlim(rates[0] - 1.5 * side, rates[-1] + 1.5 * side)
    for method, own in rows[rows["lost"]].groupby("method"):
        look = methods.shown[str(method)]
        x = own["x"] + beside[str(method)]
        axes.scatter(
            *(x, own["centre"], 14), c="white", edgecolors=look.colour, marker=look.marker, zorder=4
        )
    if "floor" in rows:
        floors = rows.groupby("x")["floor"]
        for part in [rates] if joined else [[rate] for rate in rates]:
            at = part if joined else part * 2
            ends = part if joined else [part[0] - side, part[0] + side]
            low, high = (end.loc[at].to_numpy() for end in (floors.min(), floors.max()))
            axes.fill_between(ends, low, high, color=_FLOOR, linewidth=0.8, zorder=0.5)
    return beside


def _without_lone_bands(axes: Axes, rows: pd.DataFrame, methods: MethodSelection) -> pd.DataFrame:
    """Draw whiskers where a band would join what is not alike, and return the rows without these.

    From the least to the largest seed is no interval of a mean, and has no band to either side.
    """
    alike = rows["low"].notna() & ~rows["skewed"]
    groups = alike.groupby(rows["method"])
    paired = groups.shift(1, fill_value=False) | groups.shift(-1, fill_value=False)
    alone = rows["low"].notna() & ~(alike & paired)
    if methods.have_bands:
        own = rows[alone]
        colours = [methods.shown[method].colour for method in own["method"]]
        axes.vlines(own["x"], own["low"], own["high"], colors=colours, linewidth=0.8)
    return rows.assign(low=rows["low"].mask(alone), high=rows["high"].mask(alone))


def _draw_whiskers(
    axes: Axes, rows: pd.DataFrame, methods: MethodSelection, beside: Mapping[str, float]
) -> None:
    """Draw methods side by side around each rate."""
    for method, look in methods.shown.items():
        own = rows[rows["method"] == method]
        ends = [own["centre"] - own["low"], own["high"] - own["centre"]]
        x = own["x"] + beside[method]
        axes.errorbar(x, own["centre"], ends, fmt=look.marker, color=look.colour, elinewidth=0.8)


def _draw_seeds(axes: Axes, seeds: pd.DataFrame, methods: MethodSelection) -> None:
    """Draw each seed of points whose interval is not to be believed."""
    for method, own in seeds.groupby("method"):
        colour = methods.shown[str(method)].colour
        axes.scatter(own["x"], own["value"], s=3, color=colour, linewidths=0, zorder=4)


def _limit(axes: Axes, rows: pd.DataFrame, metric: str) -> bool:
    """Set the y axis to what a row of panels shows of a metric; return whether that cuts any.

    Means and medians are always within; an interval or a seed far beyond all of them is cut.
    """
    centres = rows["centre"]
    reach = rows[["centre", "low", "high"]]
    low, high = float(reach.min().min()), float(reach.max().max())
    least, most = float(centres.min()), float(centres.max())
    if axes.get_yscale() == "log":
        bottom, top = least / 1.5, 3 * most
        axes.set_ylim(bottom, min(1.05 * high, top))
        axes.yaxis.set_major_formatter(layout.powers_of_ten())
        axes.yaxis.set_minor_formatter(NullFormatter())
        return low < bottom or high > top
    room = max(0.3 * (most - least), 0.02 * abs(most))
    bottom, top = max(low, least - room), min(high, most + room)
    pad = 0.05 * (top - bottom) or 0.05 * abs(top) or 1.0
    start = 0.0 if metric == "ece" else max(bottom - pad, 0.0)
    axes.set_ylim(start, top + pad)
    axes.yaxis.set_major_locator(layout.few_ticks(6))
    return low < start or high > top + pad


def _logarithmic(data: pd.DataFrame, metric: str) -> bool:
    """Return whether one NLL would press all others to the floor of the figure."""
    return metric == "nll" and data["centre"].max() > WIDE * data["centre"].min() > 0


def _spaced(rates: Sequence[float], gap: float) -> list[float]:
    """Return the rates that can be printed below an axis without touching: those ``gap`` apart."""
    kept: list[float] = []
    for rate in rates:
        if not kept or rate - kept[-1] >= gap:
            kept.append(rate)
    return kept

"""A metric against the noise rate: one panel per noise kind, one row per dataset."""

from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import canvas, cast
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.figures.cast import Cast
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS

NAMES = {"acc": "accuracy", "nll": "nll", "ece": "ece"}
ROWS, COLUMNS = 6, 5
WIDE = 20
"""So many times its smallest value, and the NLL gets a logarithmic axis."""
_GREY = "0.85"


def pages(analysis: Analysis, venue: Venue, metric: str) -> list[Drawing]:
    """The metric over rates at the last epoch, with 95% t bands over seeds."""
    run = analysis.run
    data = points(run, metric)
    if data.empty:
        raise AbsentError(f"No finished cell has a value of {METRICS[metric].label}.")
    players = cast.of(analysis)
    arenas, kinds = (list(dict.fromkeys(data[name])) for name in ("arena", "kind"))
    kept = canvas.spread(arenas, ROWS * max(1, canvas.PAGES * COLUMNS // len(kinds)))
    more = canvas.of_many(len(kept), len(arenas), "datasets and models")
    grids = list(product(canvas.chunks(kept, ROWS), canvas.chunks(kinds, COLUMNS)))
    drawn = []
    for page, (rows, columns) in enumerate(grids[: canvas.PAGES], start=1):
        part = data[data["arena"].isin(rows) & data["kind"].isin(columns)]
        drawing = _Page(part, players, metric, (rows, columns), venue)
        name = canvas.page_name(NAMES[metric], page)
        caption = _caption(run, metric, part, players) + more
        drawn.append(Drawing(name, drawing.figure(run.note), part, caption))
    return drawn


def points(run: Run, metric: str) -> pd.DataFrame:
    """What the panels show: ``mean``, ``low``, ``high`` of each arena, kind, ``x``, method.

    ``x`` is the noise rate in percent: nominal, or realised where the noise states none. Clean
    labels are rate 0 of every noise kind.
    """
    by = ["arena", "kind", "x", "method"]
    table = stats.t_intervals(run.last, by, metric)
    if metric == "ece":
        floor = run.last.groupby(["arena", "kind", "x"])["ece_floor"].mean()
        table = table.merge(floor.rename("floor").mul(100).reset_index())
    clean = table[table["kind"] == "clean"]
    noisy = table[table["kind"] != "clean"]
    copies = []
    for arena, rows in clean.groupby("arena"):
        kinds = noisy.loc[noisy["arena"] == arena, "kind"].unique()
        copies += [rows.assign(kind=name) for name in kinds] or [rows]
    table = pd.concat([noisy, *copies], ignore_index=True)
    table = canvas.with_bounds(table.assign(x=100 * table["x"]), metric)
    return table.sort_values(by, kind="stable").reset_index(drop=True)


def _caption(run: Run, metric: str, data: pd.DataFrame, players: Cast) -> str:
    band = "Bands: 95% t intervals over seeds."
    if not players.banded:
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
        text += " Grey: what a perfectly calibrated model of this confidence would show by chance."
    return text + players.note


class _Page:
    """One figure of at most six datasets by five noise kinds."""

    def __init__(
        self,
        data: pd.DataFrame,
        players: Cast,
        metric: str,
        grid: tuple[tuple[str, ...], tuple[str, ...]],
        venue: Venue,
    ) -> None:
        self.data, self.players, self.metric, self.venue = data, players, metric, venue
        self.looks = players.shown
        self.rows, self.columns = grid

    def figure(self, note: str) -> Figure:
        across = len(self.columns)
        width = self.venue.column if across == 1 else self.venue.width
        height = (1.75 if across > 1 else 2.2) * len(self.rows)
        height += 0.3 + canvas.legend_height(self.looks, width, self.venue)
        figure = canvas.new_figure(width, height)
        grid = figure.subplots(len(self.rows), across, squeeze=False, sharey="row")
        for (row, arena), (column, kind) in product(enumerate(self.rows), enumerate(self.columns)):
            self._panel(grid[row, column], arena, kind, width / across)
            if column == 0:
                grid[row, column].set_ylabel(self._y_label(arena))
        for axes in grid[-1]:
            axes.set_xlabel("Noise rate (%)")
        for row in range(len(self.rows)):
            self._limit(grid[row, 0], self.rows[row])
        canvas.heading(figure, note)
        extra = cast.others(self.players)
        if self.metric == "ece":
            extra.append(Patch(color=_GREY, label="Floor: calibrated model"))
        canvas.legend(figure, self.looks, self.venue, extra)
        return figure

    def _y_label(self, arena: str) -> str:
        label = canvas.y_label(self.metric)
        return f"{canvas.wrapped(arena, 1.4, self.venue)}\n{label}" if arena else label

    def _panel(self, axes: Axes, arena: str, kind: str, inches: float) -> None:
        axes.set_title(canvas.wrapped(kind, inches - 0.3, self.venue))
        here = (self.data["arena"] == arena) & (self.data["kind"] == kind)
        rows = self.data[here]
        rates = sorted(rows["x"].unique())
        if not rates:
            axes.set_axis_off()
            return
        if len(rates) > 1:
            cast.lines(axes, rows, self.players, markers=True)
        else:
            self._whiskers(axes, rows, rates[0])
        if "floor" in rows:
            self._floor(axes, rows, rates)
        axes.set_xticks(_spaced(rates))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))

    def _whiskers(self, axes: Axes, rows: pd.DataFrame, rate: float) -> None:
        """A single rate has no line: the methods stand side by side around it."""
        count = len(self.looks)
        for method in self.players.others:
            levels = rows.loc[rows["method"] == method, "mean"]
            axes.plot([rate - 1, rate + 1], [levels, levels], color=cast.GREY, linewidth=0.6)
        for place, (method, look) in enumerate(self.looks.items()):
            row = rows[rows["method"] == method]
            x = rate + (place - (count - 1) / 2) / max(count, 6)
            for _, point in row.iterrows():
                error = [[point["mean"] - point["low"]], [point["high"] - point["mean"]]]
                axes.errorbar(
                    [x], [point["mean"]], error, fmt=look.marker, color=look.colour, capsize=1.5
                )
        axes.set_xlim(rate - 1, rate + 1)

    def _floor(self, axes: Axes, rows: pd.DataFrame, rates: list[float]) -> None:
        floor = rows.groupby("x")["floor"].mean()
        left, right = axes.get_xlim()
        x, height = ([left, right], [floor.iloc[0]] * 2) if len(rates) == 1 else (rates, floor)
        axes.fill_between(x, 0, height, color=_GREY, linewidth=0, zorder=0.5)
        axes.set_xlim(left, right)

    def _limit(self, axes: Axes, arena: str) -> None:
        rows = self.data[self.data["arena"] == arena]
        shown = ["mean", "low", "high"] if self.players.banded else ["mean"]
        alone = rows.groupby("kind")["x"].transform("nunique") == 1  # with whiskers, not bands
        whiskers = rows.loc[alone & rows["method"].isin(self.looks), ["low", "high"]]
        reach = pd.concat([rows[shown], whiskers])
        low, high = reach.min().min(), reach.max().max()
        if _logarithmic(self.data, self.metric):
            axes.set_yscale("log")
            axes.set_ylim(rows["mean"].min() / 1.5, min(high, 3 * rows["mean"].max()))
            return
        pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        low = 0.0 if self.metric == "ece" else max(low - pad, 0.0)
        axes.set_ylim(low, high + pad)
        axes.yaxis.set_major_locator(MaxNLocator(6))  # not by size: the layout would not settle


def _logarithmic(data: pd.DataFrame, metric: str) -> bool:
    """Whether one mean NLL would press all others to the floor of the figure."""
    return metric == "nll" and data["mean"].max() > WIDE * data["mean"].min() > 0


def _spaced(rates: list[float]) -> list[float]:
    """The rates that can be printed below an axis without touching."""
    gap = 0.12 * (rates[-1] - rates[0])
    kept: list[float] = []
    for rate in rates:
        if not kept or rate - kept[-1] >= gap:
            kept.append(rate)
    return kept

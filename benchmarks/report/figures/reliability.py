"""Reliability diagrams: how often predictions of a given confidence are right."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.figures import tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import MethodGrid, cut_note, method_grids, write_above
from benchmarks.report.venues import Venue

OVER, UNDER = "#c8553d", "#3a7ca5"
"""The colours of a gap to the diagonal: right less often than believed, and more often."""

_SHARE = "0.85"

_FAINT = 50
"""The number of images from which on a bin is drawn at full strength; fewer fade it."""
_ROW = 1.25

_CAPTION = (
    "{words.headline} against confidence on {words.test_labels}, last epoch: the bins of all seeds "
    "together, each at its mean confidence; bins of under {faint} images are faint. {lines}Grey "
    "bars, on the same axis: the share of the images that lie in the bin. Above: the ECE, mean "
    "over seeds{half}."
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods by noises."""
    data = pooled(analysis.run.bins)
    if data.empty:
        raise AbsentError("No finished cell has a reliability diagram.")
    known = data["half"].notna().any()
    lines = "Lines: 95% intervals that take seeds as what was drawn. " if known else ""
    half = ", with its 95% t interval over them" if known else ""
    caption = _CAPTION.format(words=analysis.run.words, faint=_FAINT, lines=lines, half=half)
    caption += cut_note(data["ece"], data["half"])
    start = float(data["low"].min())
    return [
        Page(
            _figure(grid, start, analysis.run.words.headline, venue),
            grid.data,
            caption + grid.note,
            grid.arena,
        )
        for grid in method_grids(analysis, data, venue, _ROW)
    ]


def pooled(bins: pd.DataFrame) -> pd.DataFrame:
    """Sum the bins over seeds: counts add, confidence and accuracy are weighted by count.

    The interval ``seeds_low`` to ``seeds_high`` of an accuracy is that of a ratio of sums over
    seeds: ``p +- t_{S-1} sqrt(S / (S - 1) sum_s (r_s - p n_s)^2) / N``, cut to what is possible.
    Test images that several seeds share so count once. ``ece`` is that of each cell,
    ``sum_b n_b / N |acc_b - conf_b|``, then the mean over cells with its ``half`` width, so that
    it agrees with the tables; the pooled bins alone would cancel between seeds.
    """
    rows = bins[bins["count"] > 0]
    rows = rows.assign(
        confident=rows["count"] * rows["confidence"],
        right=rows["count"] * rows["accuracy"],
        off=rows["count"] * (rows["accuracy"] - rows["confidence"]).abs(),
    )
    group = ["arena", "panel", "setting", "method"]
    cells = rows.groupby([*group, "cell_id"])[["off", "count"]].sum()
    cells = (cells["off"] / cells["count"]).rename("ece").reset_index()
    ece = stats.t_intervals(cells, group, "ece").rename(columns={"mean": "ece", "n": "seeds"})
    place = [*group, "bin", "low", "high"]
    table = rows.groupby(place)[["count", "confident", "right"]].sum().reset_index()
    table["confidence"] = table["confident"] / table["count"]
    table["accuracy"] = table["right"] / table["count"]
    rows = rows.merge(table[[*place, "accuracy"]], on=place, suffixes=("", "_all"))
    rows["squared"] = (rows["right"] - rows["accuracy_all"] * rows["count"]) ** 2
    spread = rows.groupby(place)["squared"].sum().reset_index()
    table = table.drop(columns=["confident", "right"]).merge(ece, on=group).merge(spread, on=place)
    seeds = table["seeds"].to_numpy(np.float64)
    sd = np.sqrt(table.pop("squared") / np.maximum(seeds - 1, 1)) * seeds / table["count"]
    half = stats.half_widths(sd.to_numpy(np.float64), seeds)
    ends = {"seeds_low": table["accuracy"] - half, "seeds_high": table["accuracy"] + half}
    total = table.groupby(group)["count"].transform("sum")
    table = table.assign(share=table["count"] / total)
    return table.assign(**{name: end.clip(0, 1) for name, end in ends.items()})


def _figure(grid: MethodGrid, start: float, headline: str, venue: Venue) -> Figure:
    figure, panels = grid.figure(venue, _ROW, "Confidence (%)")
    shared = panels[0][0]
    shared.set(xlim=(start, 1.0), ylim=(0, 1.02))
    shared.set_xticks([0.5, 0.75, 1] if start >= 0.45 else [0.5, 1])
    shared.set_yticks([0, 0.5, 1])
    for axis in (shared.xaxis, shared.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    for axes, rows in panels:
        axes.plot([start, 1], [start, 1], color="0.45", linewidth=0.6, linestyle=(0, (3, 2)))
        if len(rows):
            _draw_bins(axes, rows)
            row = rows.iloc[0]
            write_above(axes, "ECE", (row["ece"], row["half"]))
    figure.supylabel(f"{headline} and share of images (%)", fontsize=venue.points)
    handles = [
        Line2D([], [], color=OVER, linewidth=4, alpha=0.7, label="overconfident"),
        Line2D([], [], color=UNDER, linewidth=4, alpha=0.7, label="underconfident"),
        Line2D([], [], color=_SHARE, linewidth=4, label="share of images"),
    ]
    ncols = 3 if figure.get_figwidth() > 4 else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
    return figure


def _draw_bins(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw each bin's share of the images, its point, its interval and its gap to the diagonal."""
    x, y = rows["confidence"].to_numpy(), rows["accuracy"].to_numpy()
    trust = np.clip(rows["count"].to_numpy() / _FAINT, 0.15, 1)
    signs = [OVER if c > a else UNDER for c, a in zip(x, y, strict=True)]
    gaps = [to_rgba(sign, 0.7 * t) for sign, t in zip(signs, trust, strict=True)]
    black = [to_rgba("0.1", t) for t in trust]
    left, right = rows["low"] + 0.003, rows["high"] - 0.003
    corners = np.stack([left, left, right, right, 0 * left, rows["share"], rows["share"], 0 * left])
    bars = corners.reshape(2, 4, -1).transpose(2, 1, 0)
    axes.add_collection(PolyCollection(list(bars), facecolor=_SHARE, linewidth=0, zorder=0.8))
    axes.vlines(x, x, y, colors=gaps, linewidth=2.5)
    axes.vlines(x, rows["seeds_low"], rows["seeds_high"], colors=black, linewidth=0.6)
    axes.scatter(x, y, s=3.5, c=black, linewidths=0, clip_on=False)
    texts = [
        f"confidence {tips.plain(100 * one.confidence)}%, right {tips.plain(100 * one.accuracy)}%, "
        f"{one.images} predictions"
        for one in rows_of(rows.rename(columns={"count": "images"}))
    ]
    tips.say(axes, x, y, texts)

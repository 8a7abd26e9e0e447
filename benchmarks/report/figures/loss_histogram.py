"""Losses of rightly labelled and of mislabelled training images: can they be told apart?"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.methods import MethodGrid, cut_note, method_grids, write_above
from benchmarks.report.venues import Venue
from benchmarks.schema import LOSS_BINS, LOSS_RANGE

_EDGES = np.geomspace(*LOSS_RANGE, LOSS_BINS + 1)
RIGHT, WRONG = "#3a7ca5", "#c8553d"
_ROW = 1.0
_CAPTION = (
    "The share of training images with a smaller loss of their given label at the end, of those "
    "whose label is right and of those whose label is wrong; all seeds together. The further apart "
    "the curves, the better a threshold tells them apart. Above: the AUROC of the loss{} (50% "
    "is chance)."
)
GROUP = ["arena", "panel", "setting", "method"]


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods by noises."""
    run = analysis.run
    if run.losses.empty:
        raise AbsentError(missing(run, "losses.csv", "no training label is wrong"))
    data = points(run)
    over_seeds = ", with its 95% t interval over seeds" if data["half"].notna().any() else ""
    caption = _CAPTION.format(over_seeds) + cut_note(data["auroc"], data["half"])
    return [
        Page(_figure(grid, venue), grid.data, caption + grid.note, grid.arena)
        for grid in method_grids(analysis, data, venue, _ROW)
    ]


def missing(run: Run, name: str, otherwise: str) -> str:
    """Return why a pooled table is empty: an old folder, or nothing to put in it."""
    if name in run.absent:
        return (
            f"The folder has no {name}; the verb report writes it where the parts are still there."
        )
    return f"{otherwise[0].upper()}{otherwise[1:]}."


def points(run: Run) -> pd.DataFrame:
    """Return ``right`` and ``wrong`` in percent of their kind up to each bin, and the ``auroc``."""
    data = run.losses[[*GROUP, "seeds", "bin", "low", "high", "right", "wrong"]]
    data = data.sort_values([*GROUP, "bin"], kind="stable")
    groups = data.groupby(GROUP)[["right", "wrong"]]
    totals = groups.transform("sum").clip(lower=1)
    data[["right", "wrong"]] = 100 * groups.cumsum() / totals
    scores = run.detection[run.detection["score"] == "loss"]
    auroc = stats.t_intervals(scores, ["setting", "method"], "auroc").drop(columns="n")
    auroc = auroc.rename(columns={"mean": "auroc"})
    return data.merge(auroc, on=["setting", "method"], how="left")


def _figure(grid: MethodGrid, venue: Venue) -> Figure:
    figure, panels = grid.figure(venue, _ROW, "Loss (nats)")
    shared = panels[0][0]
    shared.set_xscale("log")
    shared.set_xlim(*LOSS_RANGE)
    shared.xaxis.set_major_locator(FixedLocator([1e-4, 1e-2, 1, 100]))
    shared.xaxis.set_minor_locator(NullLocator())
    shared.xaxis.set_major_formatter(layout.powers_of_ten())
    shared.set(ylim=(0, 101), yticks=[0, 50, 100])
    for axes, rows in panels:
        if len(rows):
            _draw_shares(axes, rows)
            row = rows.iloc[0]
            if np.isfinite(row["auroc"]):
                write_above(axes, "AUROC", (row["auroc"], row["half"]))
    figure.supylabel("Images with a smaller loss (%)", fontsize=venue.points)
    handles = [
        Line2D([], [], color=RIGHT, linewidth=1.4, label="label is right"),
        Line2D([], [], color=WRONG, linewidth=1.4, linestyle=(0, (4, 1)), label="label is wrong"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _draw_shares(axes: Axes, rows: pd.DataFrame) -> None:
    shares = rows.set_index("bin")[["right", "wrong"]].reindex(range(LOSS_BINS)).ffill().fillna(0)
    some = slice(1, None, -(-LOSS_BINS // tips.MOST))
    for kind in ("right", "wrong"):
        texts = [
            f"{tips.plain(share)}% of {kind} labels have a loss below {tips.plain(edge)}"
            for edge, share in zip(_EDGES[1:][some], shares[kind][some], strict=True)
        ]
        tips.say(axes, _EDGES[1:][some], shares[kind][some], texts)
    axes.plot(_EDGES[1:], shares["right"], color=RIGHT)
    axes.plot(_EDGES[1:], shares["wrong"], color=WRONG, linestyle=(0, (4, 1)))

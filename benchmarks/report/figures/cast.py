"""Who appears: which methods a figure shows in colour, and which settings it has room for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures.canvas import (
    PAGES,
    Drawing,
    chunks,
    heading,
    of_many,
    page_name,
    spread,
)
from benchmarks.report.looks import Look, base
from benchmarks.report.venues import Venue

CROWDED = 10
"""With more methods than this, bands would cover each other and are left out."""

GRID = 8, 5
"""Rows and columns of a page of methods by noise settings."""

GREY = "0.8"
"""Of lines that are not named."""


@dataclass(frozen=True)
class Cast:
    """Which methods a figure of lines shows in colour; the others are grey, and not named."""

    shown: dict[str, Look]
    others: tuple[str, ...]

    @property
    def banded(self) -> bool:
        """Whether bands can be told apart."""
        return not self.others and len(self.shown) <= CROWDED

    @property
    def note(self) -> str:
        """What a caption says of them."""
        if not self.others:
            return ""
        return (
            " In colour: what the others are compared with, and of each family the method with the "
            "best mean accuracy; grey: the others, named in the tables and the CSV file."
        )


def of(analysis: Analysis) -> Cast:
    """All methods, or of more than ten different ones the reference and the best of each colour."""
    looks = analysis.looks
    if len({base(method) for method in looks}) <= CROWDED:
        return Cast(looks, ())
    family = {method: look.family for method, look in looks.items()}
    means = (
        analysis.shared()
        .groupby("method")["acc"]
        .mean()
        .sort_values(ascending=False, kind="stable")
    )
    best = {family[str(method)]: str(method) for method in reversed(means.index)}
    kept = {*best.values(), *analysis.references}
    shown = {method: look for method, look in looks.items() if method in kept}
    return Cast(shown, tuple(method for method in looks if method not in kept))


def lines(axes: Axes, rows: pd.DataFrame, players: Cast, *, markers: bool) -> None:
    """Draw ``mean`` over ``x`` for each method, with its band ``low`` to ``high`` behind it."""
    by_method = {str(method): line for method, line in rows.groupby("method")}
    for method in players.others:
        if method in by_method:
            line = by_method[method]
            axes.plot(line["x"], line["mean"], color=GREY, linewidth=0.6, zorder=1.5)
    for method, look in players.shown.items():
        if method not in by_method:
            continue
        line = by_method[method]
        axes.plot(
            line["x"],
            line["mean"],
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker if markers else "",
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
        band = line.dropna(subset=["low"])
        if players.banded and len(band):
            axes.fill_between(
                band["x"], band["low"], band["high"], color=look.colour, alpha=0.15, linewidth=0
            )


def others(players: Cast) -> list[Artist]:
    """The legend's entry for the methods that are grey, if any."""
    count = len(players.others)
    name = f"{count} other {'method' if count == 1 else 'methods'}"
    return [Line2D([], [], color=GREY, linewidth=0.8, label=name)] if count else []


def gridded(
    analysis: Analysis,
    data: pd.DataFrame,
    venue: Venue,
    draw: Callable[[pd.DataFrame, Mapping[str, Look], tuple[str, ...], Venue], Figure],
    named: tuple[str, str],
) -> list[Drawing]:
    """Draw methods by noise settings, at most ``GRID`` on a page.

    Args:
        analysis: whose data it is.
        data: with ``arena``, ``panel`` and ``method``.
        venue: where it is printed.
        draw: a page from its data, its methods' looks and its panels.
        named: the stem of the files, and the caption.
    """
    (stem, caption), players, run = named, of(analysis), analysis.run
    found, more = grids(run, players, data, GRID)
    drawn: list[Drawing] = []
    for arena, rows, columns in found:
        here = (data["arena"] == arena) & data["method"].isin(rows) & data["panel"].isin(columns)
        part = data[here]
        figure = draw(part, {method: players.shown[method] for method in rows}, columns, venue)
        heading(figure, arena, run.note)
        drawn.append(Drawing(page_name(stem, len(drawn) + 1), figure, part, caption + more))
    return drawn


def grids(
    run: Run, players: Cast, data: pd.DataFrame, size: tuple[int, int]
) -> tuple[list[tuple[str, tuple[str, ...], tuple[str, ...]]], str]:
    """Arena, methods and panels of each page of ``size`` rows and columns, and what is left out.

    All that a :class:`Cast` shows have a row; of arenas and panels as many columns, evenly
    spaced, as the pages allow.
    """
    rows, columns = size
    methods = [method for method in players.shown if method in set(data["method"])]
    arenas = list(dict.fromkeys(data["arena"]))
    budget = max(1, PAGES // -(-len(methods) // rows))
    shown = spread(arenas, budget)
    pages, total, drawn = [], 0, 0
    for arena in shown:
        known = _panels(run, arena, set(data.loc[data["arena"] == arena, "panel"]))
        panels = spread(known, columns * (budget // len(shown)))
        total, drawn = total + len(known), drawn + len(panels)
        parts = product(chunks(methods, rows), chunks(panels, columns))
        pages += [(arena, *part) for part in parts]
    more = of_many(len(shown), len(arenas), "datasets and models")
    more += of_many(drawn, total, "noises")
    if players.others:
        more += (
            f" Of {len(run.methods)} methods those are shown that others are compared with, and of "
            "each family the one with the best mean accuracy."
        )
    return pages, more


def _panels(run: Run, arena: str, drawn: set[str]) -> list[str]:
    known = run.results[run.results["arena"] == arena]
    names = dict(zip(known["setting"], known["panel"], strict=True))
    return [names[s] for s in run.settings if s in names and names[s] in drawn]

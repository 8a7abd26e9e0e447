"""The critical-difference diagram: mean ranks, and which methods nothing tells apart."""

import pandas as pd
from matplotlib.axes import Axes

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import canvas
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.looks import Look
from benchmarks.report.phrases import p_value
from benchmarks.report.stats import Ranks
from benchmarks.report.venues import Venue

_TOP, _ROW, _BAR = 0.22, 0.155, 0.075  # inches
_CAPTION = (
    "Mean rank by accuracy at the last epoch over {n} settings (1 is best). A bar joins methods, "
    "marked by its dots, of which no two are told apart by Wilcoxon signed-rank tests (Holm over "
    "all pairs, {alpha:g}). Friedman's test of no difference at all: {friedman}."
)


def pages(analysis: Analysis, venue: Venue) -> list[Drawing]:
    """One diagram, from eight settings that every method finished."""
    found = analysis.ranks
    if isinstance(found, str):
        raise AbsentError(found)
    looks = analysis.looks
    levels = _levels(found)
    side = -(-len(found.methods) // 2)
    bars = _BAR * (max(levels, default=-1) + 1)
    height = _TOP + 0.15 + bars + _ROW * side
    figure = canvas.new_figure(venue.width, height + 0.1)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(0, venue.width), ylim=(height, 0))
    _Diagram(axes, found, [looks[m] for m in found.methods], venue).draw(levels, bars)
    canvas.heading(figure, analysis.run.note)
    friedman = "not defined for two methods"
    if found.friedman_p == found.friedman_p:
        friedman = p_value(found.friedman_p)
    caption = _CAPTION.format(n=found.n, alpha=stats.ALPHA, friedman=friedman)
    return [Drawing("ranks", figure, points(found), caption)]


def points(found: Ranks) -> pd.DataFrame:
    """``mean_rank`` of each ``method``, and the numbers of the ``cliques`` that it is in."""
    cliques = [
        " ".join(str(number) for number, clique in enumerate(found.cliques) if method in clique)
        for method in found.methods
    ]
    columns = {"method": found.methods, "mean_rank": found.mean_ranks, "cliques": cliques}
    return pd.DataFrame(columns)


def _levels(found: Ranks) -> list[int]:
    """The lowest row in which each clique's bar covers no other, in the order of the cliques."""
    rank = dict(zip(found.methods, found.mean_ranks, strict=True))
    ends: list[float] = []
    levels = []
    spans = [(min(map(rank.__getitem__, c)), max(map(rank.__getitem__, c))) for c in found.cliques]
    for low, high in spans:
        level = next((k for k, end in enumerate(ends) if low > end + 0.05), len(ends))
        ends[level : level + 1] = [high]
        levels.append(level)
    return levels


class _Diagram:
    """Draws in inches: ranks along the top, best to the left, names below on either side."""

    def __init__(self, axes: Axes, found: Ranks, looks: list[Look], venue: Venue) -> None:
        self.axes, self.found, self.looks, self.venue = axes, found, looks, venue
        longest = max(len(look.label) for look in looks) + 6
        self.margin = min(longest * venue.letter * 0.72 + 0.15, 0.4 * venue.width)
        self.rank = dict(zip(found.methods, found.mean_ranks, strict=True))

    def x(self, rank: float) -> float:
        """Where a mean rank lies."""
        count = len(self.found.methods)
        inner = self.venue.width - 2 * self.margin
        return self.margin + inner * (rank - 1) / (count - 1)

    def draw(self, levels: list[int], bars: float) -> None:
        """The axis, a bar for each clique, and each method's name at the end of its line."""
        top, count = _TOP, len(self.found.methods)
        self.axes.plot([self.x(1), self.x(count)], [top, top], color="black", linewidth=0.8)
        step = 1 if count <= 12 else 5
        for tick in sorted({1, *range(step, count + 1, step), count}):
            if tick != count and count - tick < step / 2 and step > 1:
                continue
            self.axes.plot([self.x(tick)] * 2, [top, top - 0.06], color="black", linewidth=0.8)
            self.axes.text(
                self.x(tick), top - 0.08, str(tick), ha="center", fontsize=self.venue.points - 1
            )
        for clique, level in zip(self.found.cliques, levels, strict=True):
            self._bar([self.x(self.rank[m]) for m in clique], top + _BAR * (level + 1))
        below = top + bars + 0.15
        half = -(-count // 2)
        for place, (method, look) in enumerate(zip(self.found.methods, self.looks, strict=True)):
            left = place < half
            row = place if left else count - 1 - place
            self._name(look, self.rank[method], (top, below + _ROW * row), left=left)

    def _bar(self, xs: list[float], y: float) -> None:
        self.axes.plot([min(xs), max(xs)], [y, y], color="0.25", linewidth=1.6, zorder=3)
        self.axes.plot(xs, [y] * len(xs), "o", color="0.25", markersize=2.6, zorder=3)

    def _name(self, look: Look, rank: float, ys: tuple[float, float], *, left: bool) -> None:
        top, y = ys
        x = self.x(rank)
        end = self.margin - 0.08 if left else self.venue.width - self.margin + 0.08
        self.axes.plot([x, x, end], [top, y, y], color=look.colour, linewidth=0.9, zorder=2)
        self.axes.plot(x, top, look.marker, color=look.colour, markersize=4, zorder=4)
        words = f"{look.label} {rank:.1f}" if left else f"{rank:.1f} {look.label}"
        self.axes.text(
            end - 0.05 if left else end + 0.05,
            y,
            words,
            ha="right" if left else "left",
            va="center",
            fontsize=self.venue.points - 1,
        )

"""The critical-difference diagram: mean ranks, and which methods nothing tells apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.looks import Look
from benchmarks.report.phrases import DEPENDENT, p_value
from benchmarks.report.stats import Ranks
from benchmarks.report.venues import Venue

_ROW = 0.155
"""The inches between two names or two bars."""
_CAPTION = (
    "Mean rank over {n} settings, in each by mean {words.accuracy} over seeds at the last epoch (1 "
    "is best). A bar joins methods, marked by its dots, of which no two are significantly "
    "different by Wilcoxon signed-rank tests (Holm over all pairs, {alpha:g}). Friedman's test of "
    "no difference at all: {friedman}. "
    f"{DEPENDENT}"
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw one diagram, from eight settings that every method finished."""
    ranks = analysis.ranks
    if isinstance(ranks, str):
        raise AbsentError(ranks)
    figure = _figure(ranks, [analysis.looks[method] for method in ranks.methods], venue)
    friedman = "not defined for two methods"
    if np.isfinite(ranks.friedman_p):
        friedman = p_value(ranks.friedman_p)
    caption = _CAPTION.format(
        words=analysis.run.words, n=ranks.n, alpha=stats.ALPHA, friedman=friedman
    )
    return [Page(figure, points(ranks), caption)]


def points(ranks: Ranks) -> pd.DataFrame:
    """Return ``mean_rank`` of each ``method``, and the numbers of the ``cliques`` that it is in."""
    cliques = [
        " ".join(str(number) for number, clique in enumerate(ranks.cliques) if method in clique)
        for method in ranks.methods
    ]
    columns = {"method": ranks.methods, "mean_rank": ranks.mean_ranks, "cliques": cliques}
    return pd.DataFrame(columns)


def _figure(ranks: Ranks, looks: Sequence[Look], venue: Venue) -> Figure:
    """Draw ranks along the top, best to the left, and names below on either side."""
    from scikit_posthocs import (  # noqa: PLC0415 - takes long to import
        critical_difference_diagram,
    )

    figure = layout.new_figure(venue.width, 1)
    axes = figure.subplots()
    # As printed, so that bars never end too near to each other to be told apart. Methods are
    # numbers here: the order of points in a bar is that of a set, and sets of strings have none.
    places = pd.Series(ranks.mean_ranks).round(1)
    elbow = 0.04 * max(places.max() - places.min(), 1)
    artists = critical_difference_diagram(
        places,
        pd.DataFrame(ranks.p),
        alpha=stats.ALPHA,
        ax=axes,
        label_fmt_left="{label}",
        label_fmt_right="{label}",
        label_props={"fontsize": venue.points - 1},
        color_palette={place: look.colour for place, look in enumerate(looks)},
        elbow_props={"linewidth": 0.9},
        marker_props={"s": 14},
        crossbar_props={"color": "0.25", "linewidth": 1.6, "marker": "o", "markersize": 2.6},
        text_h_margin=elbow,
    )
    for text in artists["labels"]:
        place = int(text.get_text())
        rank, name = f"{ranks.mean_ranks[place]:.1f}", layout.shortened(looks[place].label)
        left = text.get_ha() == "right"
        text.set_text(f"{name} {rank}" if left else f"{rank} {name}")
        text.set(color="black", x=text.get_position()[0] + elbow / (-3 if left else 3))
    # Room for names on both sides, in inches, sets the scale of the ranks between them.
    longest = max(len(layout.shortened(look.label)) for look in looks) + 6
    margin = min(longest * venue.letter * 0.72 + 0.15, 0.4 * venue.width)
    low, high = places.min() - elbow, places.max() + elbow
    side = (high - low) * margin / (venue.width - 2 * margin)
    axes.set(xlim=(low - side, high + side), ylim=(axes.dataLim.y0 - 0.5, 0))
    figure.set_figheight(0.35 - _ROW * axes.get_ylim()[0])
    first, last = np.floor(places.min()), np.ceil(places.max())
    axes.spines["top"].set(bounds=(first, last), visible=True)
    axes.set_xticks(np.arange(first, last + 1, 1 if len(places) <= 12 else 5))
    axes.set_yticks([])
    axes.grid(visible=False)
    return figure

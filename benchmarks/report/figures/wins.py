"""How often each method is more accurate than each other one, and its rank with an interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.errors import count
from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import heat_map, layout, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.phrases import mean_over
from benchmarks.report.stats import Floats
from benchmarks.report.venues import Venue

LEAST = 3
"""The fewest methods: of two, the forest says all."""
WRITTEN = 12
"""Most methods for which shares are written into the matrix."""
_ROW, _TALL = 0.115, 0.19
"""The inches of a row, at least and where shares are written."""
_LABEL, _LONGEST = 1.7, 2.2
"""The most inches of a label's line, where rows are tall, and of a label where they are not."""
_CAPTION = (
    "Left: rank by {words.accuracy} at the last epoch among all methods within a seed (1 is best), "
    "{settings}, then over {seeds}, with its 95% t interval over seeds. Right: how often "
    "the method of a row was {words.more_accurate} than that of a column, in percent of settings "
    "and seeds that both finished; a tie counts half. Columns are numbered as rows are."
)

_LOST = " In ranks, a run that failed is last."


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw one page, the best method first."""
    data = points(analysis)
    methods = [method for method in analysis.looks if method in set(data["method"])]
    if len(methods) < LEAST:
        raise AbsentError(f"Ranks and wins take {LEAST} methods at least.")
    most = int((venue.tallest - 0.8) / _ROW)
    shown = methods[:most]
    caption = _CAPTION.format(
        words=analysis.run.words,
        settings=mean_over(len(analysis.shared_settings)),
        seeds=count(int(data["seeds"].max()), "seed"),
    )
    cells = analysis.run.cells[analysis.run.cells["setting"].isin(analysis.shared_settings)]
    caption += _LOST * bool((cells["status"] != "done").any())
    if len(shown) < len(methods):
        caption += f" Shown: the best {len(shown)} of {len(methods)} methods."
    part = data[data["method"].isin(shown)]
    return [Page(_figure(analysis, part, shown, venue), part, caption)]


def points(analysis: Analysis) -> pd.DataFrame:
    """Return the ``rank`` of each method with ``low`` and ``high``, and its wins by method.

    A column for each other method says how often it was beaten, in percent; a method that finished
    nothing in the shared settings has no row. Ranks are those of :attr:`Analysis.seed_ranks`,
    and intervals are over the ``seeds``.
    """
    run = analysis.run
    table = analysis.values("acc")[np.isin(run.settings, analysis.shared_settings)]
    places = np.flatnonzero(np.isfinite(table).any(axis=(0, 1)))
    table, methods = table[..., places], [run.methods[place] for place in places]
    if not table.size:
        return pd.DataFrame(columns=["method", "seeds"])
    by_seed = analysis.seed_ranks[methods]
    mean, n = by_seed.mean().to_numpy(), len(by_seed)
    spread = by_seed.std().to_numpy()
    half = stats.half_widths(spread, np.full(len(methods), n))
    columns = {"method": methods, "seeds": n, "rank": mean}
    ends = {"low": np.maximum(mean - half, 1), "high": np.minimum(mean + half, len(methods))}
    return pd.DataFrame(columns | ends).join(pd.DataFrame(_wins(table), columns=methods))


def _wins(table: Floats) -> Floats:
    """Return the percentages ``(methods, methods)`` in which a row's beats a column's."""
    own, other = table[..., :, None], table[..., None, :]
    known = np.isfinite(own) & np.isfinite(other)
    won = np.where(known, (own > other) + 0.5 * (own == other), 0.0).sum((0, 1))
    with np.errstate(invalid="ignore"):
        share = np.asarray(100 * won / known.sum((0, 1)))
    np.fill_diagonal(share, np.nan)
    return share


def _figure(analysis: Analysis, data: pd.DataFrame, methods: list[str], venue: Venue) -> Figure:
    looks, small = analysis.looks, len(methods) <= WRITTEN
    rows = data.set_index("method").loc[methods]
    longest = int(_LONGEST / venue.letter)
    names = [
        layout.name_lines(looks[m].label, _LABEL, venue)
        if small
        else layout.shortened(looks[m].label, longest)
        for m in methods
    ]
    tall = max(name.count("\n") + 1 for name in names) * 0.12
    height = max(_TALL if small else _ROW, tall if small else 0.0)
    figure = layout.new_figure(venue.width, height * len(methods) + 0.75)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.9))
    at, colours = np.arange(len(methods)), [looks[m].colour for m in methods]
    left.hlines(at, rows["low"], rows["high"], colors=colours, linewidth=1.0)
    for place, method in enumerate(methods):
        mark = {"marker": looks[method].marker, "color": looks[method].colour}
        left.plot(rows["rank"].loc[method], place, markersize=3.5, **mark)
    told = [
        f"{looks[m].label}: rank {tips.interval(*rows.loc[m, ['rank', 'low', 'high']])}"
        for m in methods
    ]
    tips.say(left, rows["rank"], at, told)
    left.set_yticks(at, [f"{name}  {n}" for n, name in enumerate(names, start=1)])
    left.set(xlabel="Rank (1 is best)", ylim=(len(methods) - 0.5, -0.5))
    left.tick_params(axis="y", length=0)
    left.xaxis.set_major_locator(layout.few_ticks(4))
    every, size = [looks[m].label for m in methods], venue.small if small else 0.0
    _draw_matrix(right, rows[methods].to_numpy(np.float64), every, size)
    bar = figure.colorbar(right.images[0], ax=right, fraction=0.04, pad=0.02, ticks=[0, 50, 100])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    return figure


def _draw_matrix(axes: Axes, share: Floats, names: Sequence[str], size: float) -> None:
    """Draw how often rows beat columns; with numbers where ``size`` is not 0."""
    image = axes.imshow(share, "RdBu", vmin=0, vmax=100, aspect="auto", interpolation="nearest")
    for row, name in enumerate(names):
        known = np.flatnonzero(np.isfinite(share[row]))
        texts = [
            f"{name} beats {names[other]}: {share[row, other]:.0f}%" for other in known.tolist()
        ]
        tips.say(axes, known, row, texts)
    step = 1 if size else 5
    ticks = np.arange(step - 1, len(share), step)
    axes.set_xticks(ticks, [str(tick + 1) for tick in ticks])
    axes.set_xlabel("Beats the method of this number (%)", labelpad=5)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelleft=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if size:
        for (row, column), value in np.ndenumerate(share):
            if np.isfinite(value):
                axes.text(
                    column,
                    row,
                    f"{value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color=heat_map.ink_on(image, value),
                )

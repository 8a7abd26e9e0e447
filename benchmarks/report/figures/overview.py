"""The accuracy of every method in every setting: which to take, at a glance."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.claims import OVERALL
from benchmarks.report.data import Run
from benchmarks.report.figures import layout, survivors, tips
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.looks import ink
from benchmarks.report.phrases import mean_over, number
from benchmarks.report.venues import SMALLEST, Venue

MEAN = "mean"
"""In place of a setting: the mean over the shared ones."""
_ROWS = 36
"""Most methods on a page."""
_ROW, _ENTRY, _WIDEST, _GAP = 0.19, 0.29, 0.62, 0.06
"""The inches of a row, of the narrowest and widest column, and between kinds of noise."""
_LABEL, _TITLE = 1.15, 0.8
"""The most inches of a label's line, and the fewest of a title's."""
_LINE = 0.122
"""The inches of a line of a title or a label."""
_PALE, _DARK = 0.05, 0.8
"""The ends of the colours."""
_NARROW = 0.4
"""The inches of a column up to which its numbers are as small as may be."""
_COLOURS = colormaps["YlGnBu"]
_SIGNS = {"equivalent": "=", "open": "~"}
_CAPTION = (
    "{words.headline} {words.measured} in percent at the last epoch, mean over seeds; methods by "
    "their {shared} (last column), columns by kind of noise and realised rate. Framed: "
    "the best of a column; = equivalent to it; ~ not resolved from it; without a sign: worse "
    "(paired t tests over seeds at {alpha:g}; q over all pairs, Holm's p where the suite asked)."
)
_OUT = " Grey: methods that lost runs or are within chance; they get no mark."


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods, the best first, by settings; a dataset, model and recipe has its own page."""
    data, run = points(analysis), analysis.run
    about = _about(run)
    arenas = list(dict.fromkeys(arena for arena, *_ in about.values()))
    if len(about) < 2:
        raise AbsentError("A heat map of one setting is a column of a table.")
    known = set(data["method"])
    labels = {m: look.label for m, look in analysis.looks.items() if m in known}
    shared = len(analysis.shared_settings)
    caption = _CAPTION.format(words=run.words, shared=mean_over(shared), alpha=stats.ALPHA)
    marked = data["mark"] != "out"
    caption += _OUT * bool(~marked.all())
    limits = float(data["acc"].min()), float(data["acc"].max())
    if marked.any():
        limits = float(data["acc"][marked].min()), float(data["acc"][marked].max())
    kept = layout.spread(arenas, layout.PAGES)
    caption += layout.of_many(len(kept), len(arenas), "datasets and models")
    drawn = []
    for arena in kept:
        here = {name: own for name, (place, *own) in about.items() if place == arena}
        groups = len({kind for kind, _ in here.values()})
        across = max(1, int((_room(labels, venue) - _ENTRY - _GAP * groups) / _ENTRY))
        size = _ROWS, across
        parts, shown = layout.split(list(labels), list(here), size, layout.PAGES // len(kept))
        more = layout.of_many(shown, len(here), "settings")
        for methods, columns in parts:
            part = data[data["method"].isin(methods) & data["setting"].isin([*columns, MEAN])]
            own = {method: labels[method] for method in methods}
            figure = _figure(part, own, {name: here[name] for name in columns}, limits, venue)
            open_markers = survivors.OPEN * bool(survivors.lost(part).any())
            drawn.append(Page(figure, part, caption + open_markers + more, arena))
    return drawn


def points(analysis: Analysis) -> pd.DataFrame:
    """Return ``acc`` in percent by ``method`` and ``setting``, and the ``mark`` beside it.

    The setting ``MEAN`` is the mean over the shared settings, as in the ranking. ``done`` of
    ``planned`` seeds finished, there in all of them.
    """
    means = analysis.setting_means("acc")[["method", "setting", "mean", "n"]]
    overall = analysis.ranking[["acc", "seeds"]].dropna().reset_index()
    overall = overall.rename(columns={"acc": "mean", "seeds": "n"}).assign(setting=MEAN)
    data = pd.concat([means, overall], ignore_index=True).rename(columns={"n": "done"})
    planned = analysis.planned().rename(index={OVERALL: MEAN}, level=1)
    data = data.join(planned, on=["method", "setting"])
    marks = {name: analysis.marks("acc", name) for name in set(means["setting"])}
    marks[MEAN] = analysis.marks("acc")
    data["mark"] = [marks[row.setting].get(row.method, "") for row in rows_of(data)]
    return data.assign(acc=100 * data["mean"]).drop(columns="mean")


def _about(run: Run) -> dict[str, tuple[str, str, str]]:
    """Return the arena, the kind of noise and the realised rate of each setting with a result."""
    realised = run.last.groupby("setting")["noise_rate_realised"].mean()
    first = {row.setting: row for row in rows_of(run.last.drop_duplicates("setting"))}
    return {
        name: (
            first[name].arena,
            first[name].kind,
            f"{100 * realised[name]:.1f}" if first[name].noisy else "0",
        )
        for name in run.settings
        if name in first
    }


def _room(labels: Mapping[str, str], venue: Venue) -> float:
    """Return the inches that the longest label leaves for columns."""
    lines = [layout.name_lines(label, _LABEL, venue).split("\n") for label in labels.values()]
    longest = max(len(line) for own in lines for line in own)
    return venue.width - longest * venue.letter * 0.9 - 0.2


def _figure(
    data: pd.DataFrame,
    labels: Mapping[str, str],
    about: Mapping[str, Sequence[str]],
    limits: tuple[float, float],
    venue: Venue,
) -> Figure:
    groups = [list(own) for _, own in groupby(about, lambda name: about[name][0])]
    titles = [layout.name_lines(about[own[0]][0], _TITLE, venue) for own in groups]
    least = [max(map(len, title.split("\n"))) * venue.letter for title in titles]
    room, entry = _room(labels, venue), _ENTRY
    for _ in range(2):  # a title that is wider than its columns takes some of their room
        wider = sum(max(w - entry * len(own), 0) for w, own in zip(least, groups, strict=True))
        gaps = _GAP * len(groups) + wider
        entry = min((room - gaps) / (len(about) + 1), _WIDEST)
    lines = [layout.name_lines(label, _LABEL, venue) for label in labels.values()]
    row_height = max(_ROW, 0.01 + _LINE * max(line.count("\n") + 1 for line in lines))
    head = _LINE * max(title.count("\n") + 1 for title in titles) + 0.47
    width = min(venue.width - room + entry * (len(about) + 1) + gaps, venue.width)
    figure = layout.new_figure(width, row_height * len(labels) + head)
    axes, left, x = figure.subplots(), dict[str, float](), 0.0
    for own, title, wide in zip(groups, titles, least, strict=True):
        span = max(wide, entry * len(own))
        axes.text(x + span / 2, -0.6, title, ha="center", va="bottom", fontsize=venue.points)
        start = x + (span - entry * len(own)) / 2
        left |= {name: start + entry * place for place, name in enumerate(own)}
        x += span + _GAP
    left[MEAN] = x
    place = {method: number for number, method in enumerate(labels)}
    size = venue.small if entry > _NARROW else SMALLEST
    for row in rows_of(data[data["setting"].isin(left)]):
        share = (row.acc - limits[0]) / ((limits[1] - limits[0]) or 1.0)
        at = left[row.setting], place[row.method], entry
        _draw_entry(axes, row.acc, row.mark, at, (share, size))
        said = f"{labels[row.method]}, {row.setting}: {tips.plain(row.acc)}"
        tips.say(axes, at[0] + entry / 2, at[1], [said])
    few = rows_of(data[survivors.lost(data) & data["setting"].isin(left)])
    corners = [(left[row.setting] + entry, place[row.method] - 0.46) for row in few]
    survivors.mark_corners(axes, corners)
    axes.set_xticks(
        [at + entry / 2 for at in left.values()], [*(n for _, n in about.values()), MEAN]
    )
    axes.set_yticks(np.arange(len(labels)), lines)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.01, x + entry + 0.01), ylim=(len(labels) - 0.45, -0.55))
    axes.set_xlabel("Realised noise rate (%)")
    return figure


def _draw_entry(
    axes: Axes, acc: float, mark: str, place: tuple[float, float, float], style: tuple[float, float]
) -> None:
    """Draw an accuracy in percent on its colour.

    Args:
        axes: the panel.
        acc: the accuracy.
        mark: one of :meth:`Analysis.marks`.
        place: left end, row and width.
        style: the share of the way from the palest colour to the darkest, and the points of text.
    """
    (x, y, width), (share, size) = place, style
    face = "0.93" if mark == "out" else _COLOURS(_PALE + (_DARK - _PALE) * share)
    box = Rectangle((x, y - 0.46), width - 0.012, 0.92, facecolor=face, linewidth=0)
    axes.add_patch(box)
    if mark == "best":
        frame = Rectangle(
            (x + 0.012, y - 0.42), width - 0.036, 0.84, fill=False, linewidth=1.1, edgecolor="black"
        )
        axes.add_patch(frame)
    axes.text(
        x + width / 2,
        y,
        number("acc", acc / 100) + _SIGNS.get(mark, ""),
        ha="center",
        va="center",
        fontsize=size,
        fontweight="bold" if mark == "best" else "normal",
        color="0.45" if mark == "out" else ink(to_hex(face)),
    )

"""Names beside points, where there is room for them."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from benchmarks.report.figures import layout
from benchmarks.report.stats import Floats

_FAR = (4, 6, 9, 13, 19, 26, 34, 43, 53, 65, 80)
"""The distances from a point at which its name may begin, in typographic points."""
_TURNS = np.deg2rad(
    [0, 180, *(way for x in (30, 60, 90, 15, 45, 75) for way in (x, -x, 180 - x, x - 180))]
)
_LEADER = 8
"""The distance from which on a thin line joins a name to its point."""
_MARK = 3.0
"""Half the width of a marker, in typographic points."""
_TRIES = 12
"""The orders in which names are given their places."""
_STEP = 1.5
"""The distance between the points of a line that a name may not cover."""


class _Place(NamedTuple):
    """Where a name may stand, in typographic points."""

    offset: Floats  # of its lower left corner from its point
    box: Floats
    far: Floats  # of its nearest corner or side from its point

    @property
    def distance(self) -> float:
        return float(np.hypot(*self.far))


def write(axes: Axes, points: Floats, names: Mapping[int, str], size: float) -> list[int]:
    """Write names beside some points, none over another name or over a marker.

    None covers a line of the panel, either, unless it had no room otherwise. A thin line joins a
    name that is far from its point, or nearer to another one, to its own.

    Args:
        axes: the panel, with its final limits; its figure is laid out once for this.
        points: ``(N, 2)`` in units of the data, all that are drawn.
        names: by the number of a point, the most important first.
        size: of the letters, in typographic points.

    Returns:
        the numbers of the points whose names are written: the others have no room.
    """
    figure = axes.get_figure(root=True)
    if figure is None or (engine := figure.get_layout_engine()) is None:
        return []
    engine.execute(figure)
    pixel = figure.dpi / 72
    at = axes.transData.transform(points) / pixel
    room = np.array(axes.get_window_extent().extents) / pixel
    lines = _boxes(np.concatenate([np.empty((0, 2)), *_drawn(axes, pixel)]))
    places = {}
    for number, name in names.items():
        measured = axes.text(0, 0, layout.shortened(name), fontsize=size)
        extent = measured.get_window_extent()
        measured.remove()
        span = np.array([extent.width, extent.height]) / pixel
        marks = np.concatenate([at - _MARK, at + _MARK], axis=1)
        free = [place for place in _places(at[number], span, room) if _free(place.box, marks)]
        places[number] = [p for p in free if _free(p.box, lines)], free
    plan, best = dict[int, _Place](), (0, 0)  # how many have room, and how many are on no line
    order, chance = list(names), random.Random(0)  # noqa: S311 - of no secret
    for _ in range(_TRIES):
        found = _planned(at, {number: places[number] for number in order})
        good = {number for number, place in found.items() if _free(place.box, lines)}
        if (len(found), len(good)) > best:
            plan, best = found, (len(found), len(good))
        if len(good) == len(names):
            break
        chance.shuffle(order)
        order.sort(key=[*found, *good].count)  # first those without room, then those on a line
    written = [number for number in names if number in plan]
    for number in written:
        text = layout.shortened(names[number]), size
        _annotate(axes, tuple(points[number]), text, plan[number])
    return written


def _planned(
    at: Floats, names: Mapping[int, tuple[Sequence[_Place], Sequence[_Place]]]
) -> dict[int, _Place]:
    """Return where to write names, one after another, those that have room.

    Args:
        at: all points.
        names: by the number of a point, where one covers neither a marker nor a line, and where it
            covers no marker.
    """
    named = at[list(names)]
    taken, plan = np.empty((0, 4)), {}
    for number, places in names.items():
        own = at[number]
        apart = named[(abs(named - own) >= _MARK).any(1)]
        marks = np.concatenate([apart - _MARK, apart + _MARK], axis=1)
        for some, passed in product(places, ([taken, marks], [taken])):
            free = (p for p in some if _free(p.box, taken) and _leads(p, at, number, passed))
            if (found := next(free, None)) is not None:
                plan[number] = found
                taken = np.concatenate([taken, found.box[None], _leader(own, found)])
                break
    return plan


def _annotate(
    axes: Axes, point: tuple[float, float], text: tuple[str, float], place: _Place
) -> None:
    """Write a name of a size at its place beside a point, with a line to it from afar."""
    name, size = text
    axes.annotate(
        name,
        point,
        xytext=(float(place.offset[0]), float(place.offset[1])),
        textcoords="offset points",
        fontsize=size,
        va="bottom",
        path_effects=[withStroke(linewidth=1.5, foreground="white")],
    ).set_in_layout(False)
    if place.distance >= _LEADER:
        axes.annotate(
            "",
            point,
            xytext=(float(place.far[0]), float(place.far[1])),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.4, "shrinkB": 2},
        ).set_in_layout(False)


def _drawn(axes: Axes, pixel: float) -> Iterator[Floats]:
    """Return points along the lines of a panel, in typographic points."""
    paths = [np.asarray(line.get_xydata()) for line in axes.lines]
    for lines in axes.collections:
        if isinstance(lines, LineCollection):
            paths += [np.asarray(path) for path in lines.get_segments()]
    low, high = np.sort(np.array([axes.get_xlim(), axes.get_ylim()]), axis=1).T
    for path in filter(len, paths):  # what is not a number leaves nothing
        corners = axes.transData.transform(np.clip(path, low, high)) / pixel
        for start, end in pairwise(corners):
            if np.isfinite([start, end]).all():
                yield _along(start, end)


def _along(start: Floats, end: Floats) -> Floats:
    """Return points from one to another, no farther apart than ``_STEP``."""
    count = 2 + int(np.hypot(*(end - start)) / _STEP)
    return np.linspace(start, end, count)


def _boxes(points: Floats) -> Floats:
    """Return a box about half a typographic point wide around each point of a line."""
    return np.concatenate([points - 0.3, points + 0.3], axis=1)


def _free(box: Floats, *taken: Floats) -> bool:
    """Return whether boxes cover no others: from their lower left to their upper right corner.

    Args:
        box: ``(4,)`` or ``(N, 1, 4)``.
        taken: ``(M, 4)``, each.
    """
    boxes = np.concatenate(taken)
    beside = (box[..., :2] >= boxes[:, 2:]) | (box[..., 2:] <= boxes[:, :2])
    return bool(beside.any(-1).all())


def _leader(point: Floats, place: _Place) -> Floats:
    """Return the boxes along the line to a name that is far, from the edge of its marker."""
    if place.distance < _LEADER:
        return np.empty((0, 4))
    return _boxes(_along(point + place.far * _MARK / place.distance, point + place.far))


def _leads(place: _Place, at: Floats, number: int, crossed: list[Floats]) -> bool:
    """Return whether a reader finds a point from its name: by a line, or as it is the nearest.

    Args:
        place: of the name.
        at: all points.
        number: of its point.
        crossed: the boxes that no line may cross.
    """
    if place.distance < _LEADER:
        gaps = np.hypot(*np.clip(0, place.box[:2] - at, place.box[2:] - at).T)
        return bool(gaps[number] <= gaps.min() + 1)
    return _free(_leader(at[number], place)[:, None], *crossed)


def _places(at: Floats, span: Floats, room: Floats) -> Iterator[_Place]:
    """Return the places of a name in a panel, the nearest first.

    Args:
        at: its point.
        span: its width and height.
        room: the box of the panel.
    """
    for far in _FAR:
        for turn in _TURNS:
            side = np.array([np.cos(turn), np.sin(turn)])
            offset = far * side - span * (1 - np.sign(np.round(side, 2))) / 2
            box = np.concatenate([at + offset, at + offset + span])
            if (box[:2] >= room[:2]).all() and (box[2:] <= room[2:]).all():
                yield _Place(offset, box, np.clip(0, offset, offset + span))

"""Names beside points, where there is room for them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from benchmarks.report.figures import layout
from benchmarks.report.stats import Floats

_FAR = (4, 8, 13, 19, 26, 34, 43, 53)
"""The distances from a point at which its name may begin, in typographic points."""
_TURNS = np.deg2rad([0, 180, 30, -30, 150, -150, 60, -60, 120, -120, 90, -90])
_LEADER = 10
"""The distance from which on a thin line joins a name to its point."""
_MARK = 3.0
"""Half the width of a marker, in typographic points."""


def write(axes: Axes, points: Floats, names: Mapping[int, str], size: float) -> list[int]:
    """Write names beside some points, none over another name or over a marker.

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
    taken = [np.concatenate([at - _MARK, at + _MARK], axis=1)]
    room, written = np.array(axes.get_window_extent().extents) / pixel, []
    for number, name in names.items():
        measured = axes.text(0, 0, layout.shortened(name), fontsize=size)
        extent = measured.get_window_extent()
        measured.remove()
        span = np.array([extent.width, extent.height]) / pixel
        found = _place(at[number], span, np.concatenate(taken), room)
        if found is None:
            continue
        offset, box = found
        text = axes.annotate(
            layout.shortened(name),
            points[number],
            xytext=(float(offset[0]), float(offset[1])),
            textcoords="offset points",
            fontsize=size,
            va="bottom",
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )
        text.set_in_layout(False)
        taken.append(box[None])
        written.append(number)
        far = np.clip(0, box[:2] - at[number], box[2:] - at[number])  # the nearest corner or side
        if np.hypot(*far) >= _LEADER:
            axes.annotate(
                "",
                points[number],
                xytext=(float(far[0]), float(far[1])),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.4, "shrinkB": 2},
            ).set_in_layout(False)
    return written


def _place(at: Floats, span: Floats, taken: Floats, room: Floats) -> tuple[Floats, Floats] | None:
    """Return the nearest offset of a name's lower left corner where it covers nothing, and its box.

    Args:
        at: its point.
        span: its width and height.
        taken: ``(M, 4)`` boxes, from their lower left to their upper right corner.
        room: the box of the panel.
    """
    for far in _FAR:
        for turn in _TURNS:
            side = np.array([np.cos(turn), np.sin(turn)])
            offset = far * side - span * (1 - np.sign(np.round(side, 2))) / 2
            box = np.concatenate([at + offset, at + offset + span])
            inside = (box[:2] >= room[:2]).all() and (box[2:] <= room[2:]).all()
            apart = (box[:2] >= taken[:, 2:]).any(1) | (box[2:] <= taken[:, :2]).any(1)
            if inside and apart.all():
                return offset, box
    return None

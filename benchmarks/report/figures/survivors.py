"""Means over fewer seeds than were tried: one sign where rows have an end, one elsewhere."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from benchmarks.report.analysis import rows_of

_WARNING = "#a00701"
COUNTS = " A number such as 4/5 says how many seeds finished where some did not."
OPEN = " Open markers: means over the seeds that finished."
"""What a caption says where :func:`write_counts` wrote any, or where markers are open."""

_INSIDE = 0.04
"""The inches of an open marker's middle from the corner that it is in."""
_CIRCLE: dict[str, Any] = {"marker": "o", "markersize": 2.6, "markeredgewidth": 0.6}


def lost(data: pd.DataFrame) -> "pd.Series[bool]":
    """Return which means are over fewer seeds (``done``) than were tried (``planned``)."""
    return data["done"] < data["planned"]


def write_counts(
    axes: Axes,
    data: pd.DataFrame,
    rows: Mapping[str, int],
    size: float,
    side: Literal["left", "right"] = "right",
) -> None:
    """Write ``4/5`` at the end of each row that lost seeds.

    Args:
        axes: a panel.
        data: ``done`` and ``planned`` by ``method``.
        rows: the row of each method.
        size: of the letters, in typographic points.
        side: of the text at which the panel ends: on its ``left``, it stands outside.
    """
    for each in rows_of(data[lost(data)].drop_duplicates("method")):
        text = f"{' ' if side == 'left' else ''}{each.done:.0f}/{each.planned:.0f}"
        write_in_row(axes, (1.0, rows[each.method]), text, size, side)


def write_in_row(
    axes: Axes,
    place: tuple[float, int],
    text: str,
    size: float,
    side: Literal["left", "right"],
) -> None:
    """Write what is amiss with a row: ``place`` is a share of the panel's width, and the row."""
    axes.text(
        *place,
        text,
        transform=axes.get_yaxis_transform(),
        va="center",
        ha=side,
        fontsize=size,
        color=_WARNING,
    )


def mark_corners(axes: Axes, corners: Collection[tuple[float, float]]) -> None:
    """Draw an open marker inside the upper right corner of each of some entries of a table."""
    figure = axes.get_figure(root=True)
    if figure is None or not corners:
        return
    inside = ScaledTranslation(-_INSIDE, -_INSIDE, figure.dpi_scale_trans)
    x, y = zip(*corners, strict=True)
    style = _CIRCLE | {"color": "0.15", "markerfacecolor": "white", "linestyle": ""}
    axes.plot(x, y, transform=axes.transData + inside, **style)

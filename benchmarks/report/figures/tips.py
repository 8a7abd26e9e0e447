"""What the marks of a figure say on the page where a pointer is near them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from benchmarks.report.analysis import rows_of
from benchmarks.report.looks import Look
from benchmarks.report.phrases import MINUS
from benchmarks.report.render import Tip

MOST = 24
"""Of about so many places along an axis the points of lines say anything."""


class TellingFigure(Figure):
    """A figure that knows what its marks say."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self.said: list[tuple[Axes, NDArray[np.float64], tuple[str, ...]]] = []


def say(axes: Axes, x: ArrayLike, y: ArrayLike, texts: Iterable[str]) -> None:
    """Let the marks at some places of a panel, in the units of its axes, say a text each."""
    figure = axes.get_figure(root=True)
    if isinstance(figure, TellingFigure):
        places = np.column_stack(np.broadcast_arrays(x, y)).astype(np.float64)
        figure.said.append((axes, places, tuple(texts)))


def say_points(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look], x_label: str) -> None:
    """Let the points of lines say their method, where they are on the x axis, and their interval.

    Args:
        axes: the panel.
        rows: ``method``, ``x``, ``centre``, ``low`` and ``high``, and ``place`` where a point
            stands beside its ``x``.
        looks: those of the methods that are drawn.
        x_label: the label of the axis.
    """
    every = np.sort(rows["x"].unique())
    rows = rows[rows["method"].isin(looks) & rows["x"].isin(every[:: -(-len(every) // MOST)])]
    texts = [
        f"{looks[row.method].label}, {on_axis(x_label, row.x)}: "
        f"{interval(row.centre, row.low, row.high)}"
        for row in rows_of(rows)
    ]
    say(axes, rows["place"] if "place" in rows else rows["x"], rows["centre"], texts)


def say_means(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look], y: ArrayLike) -> None:
    """Let the ``mean`` of each ``method`` say its interval, from ``low`` to ``high``."""
    texts = [
        f"{looks[row.method].label}, mean: {interval(row.mean, row.low, row.high)}"
        for row in rows_of(rows)
    ]
    say(axes, rows["mean"], y, texts)


def on_axis(label: str, value: float) -> str:
    """Return a value with the label of its axis before it.

    >>> on_axis("Coverage (%)", 40.0), on_axis("Epoch", 5)
    ('coverage 40%', 'epoch 5')
    """
    name = label.removesuffix(" (%)")
    return f"{name[0].lower()}{name[1:]} {plain(value)}{'%' * (name != label)}"


def interval(centre: float, low: float, high: float) -> str:
    """Return a value with the ends of its interval, where that is known.

    >>> interval(93.1234, 92.0, 94.25), interval(0.5, float("nan"), float("nan"))
    ('93.12 (92 to 94.25)', '0.5')
    """
    known = np.isfinite(low) and np.isfinite(high)
    return plain(centre) + (f" ({plain(low)} to {plain(high)})" if known else "")


def plain(value: float) -> str:
    """Return a number with four digits that mean something."""
    return f"{value:.4g}".replace("-", MINUS)


def located(figure: Figure) -> tuple[Tip, ...]:
    """Return what the marks say that lie within their panel, once the figure is laid out."""
    said: Sequence[Any] = figure.said if isinstance(figure, TellingFigure) else ()
    found = []
    for axes, places, texts in said:
        pixels = axes.transData.transform(places)
        inside = (np.abs(pixels - axes.bbox.get_points().mean(0)) <= axes.bbox.size / 2 + 1).all(1)
        shares = figure.transFigure.inverted().transform(pixels)
        kept = zip(shares, texts, inside, strict=True)
        found += [Tip(float(x), float(1 - y), text) for (x, y), text, shown in kept if shown]
    return tuple(found)

"""What all figures share: style, size, legend, and files that are the same bytes every time."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.report.looks import Look
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS

STYLE = Path(__file__).parents[1] / "paper.mplstyle"

PAGES = 2
"""Of one kind of figure; what does not fit is left out and said so."""

T = TypeVar("T")


@dataclass(frozen=True)
class Drawing:
    """A figure, the stem of its files, the numbers it shows, and what it shows in words."""

    name: str
    figure: Figure
    data: pd.DataFrame
    caption: str


class AbsentError(Exception):
    """There is no figure to draw; the message is the sentence that says why."""


@contextmanager
def paper_style(venue: Venue) -> Iterator[None]:
    """Seaborn's ticks style under the paper's sizes and fonts; nothing global is left changed."""
    with mpl.rc_context(sns.axes_style("ticks")):
        mpl.rcParams.update(mpl.rc_params_from_file(STYLE, use_default_template=False))
        large, small = venue.points, venue.points - 1
        mpl.rcParams.update(
            {
                "font.size": large,
                "axes.labelsize": large,
                "axes.titlesize": large,
                "xtick.labelsize": small,
                "ytick.labelsize": small,
                "legend.fontsize": small,
                "figure.titlesize": small,
            }
        )
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that no global state knows of, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(drawing: Drawing, folder: Path) -> None:
    """Write ``name`` as PNG, PDF, SVG and CSV, without dates or versions in them."""
    figure = drawing.figure
    stem = folder / drawing.name
    nothing = dict.fromkeys(("CreationDate", "Producer", "Creator"))
    settle(figure)
    with _as_it_stands():
        figure.savefig(stem.with_suffix(".png"), metadata={"Software": None})
        figure.savefig(stem.with_suffix(".pdf"), metadata=nothing)
        figure.savefig(stem.with_suffix(".svg"), metadata=dict.fromkeys(("Date", "Creator")))
    drawing.data.to_csv(
        stem.with_suffix(".csv"), index=False, lineterminator="\n", float_format="%.9g"
    )


@contextmanager
def _as_it_stands() -> Iterator[None]:
    """Keep a figure without layout engine from getting a new one whenever it is saved."""
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        yield


def settle(figure: Figure) -> None:
    """Lay the figure out once; all files then show the same, and each is drawn only once."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    with _as_it_stands():
        figure.set_layout_engine()  # none at all: "none" would leave one that draws twice


def legend(
    figure: Figure, looks: Mapping[str, Look], venue: Venue, extra: Sequence[Artist] = ()
) -> None:
    """One legend below all panels, in the order of the looks."""
    handles: list[Artist] = [
        Line2D([], [], color=k.colour, marker=k.marker, ls=k.dash, label=k.label)
        for k in looks.values()
    ]
    handles += extra
    labels = [str(handle.get_label()) for handle in handles]
    rows = -(-len(labels) // _columns(labels, figure.get_figwidth(), venue))
    figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(labels) // rows))


def legend_height(looks: Mapping[str, Look], width: float, venue: Venue) -> float:
    """Inches that :func:`legend` will take, to be added to the height of the panels."""
    labels = [look.label for look in looks.values()]
    rows = -(-(len(labels) + 1) // _columns(labels, width, venue))
    return 0.1 + 0.0205 * venue.points * rows


def _columns(labels: Sequence[str], width: float, venue: Venue) -> int:
    """How many entries fit side by side: a handle and the longest label each."""
    widest = 0.78 * venue.letter * max(map(len, labels))
    return max(1, int(width / (0.06 * venue.points + widest)))


def heading(figure: Figure, *parts: str) -> None:
    """Small grey words on top, such as the dataset or what is missing; nothing if all blank."""
    text = "  ·  ".join(part for part in parts if part)
    if text:
        figure.suptitle(text, color="0.35")


def with_bounds(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Put ``mean``, ``half`` in drawing units; add ``low``, ``high``, cut to the legal range."""
    scale = 100 if METRICS[metric].percent else 1
    mean, half = rows["mean"] * scale, rows["half"] * scale
    top = 100.0 if METRICS[metric].percent else None
    return rows.assign(
        mean=mean,
        half=half,
        low=(mean - half).clip(0.0, top),
        high=(mean + half).clip(0.0, top),
    )


def y_label(metric: str) -> str:
    """The metric's name with its unit."""
    unit = " (%)" if METRICS[metric].percent else " (nats)" if metric == "nll" else ""
    return METRICS[metric].label + unit


def wrapped(text: str, inches: float, venue: Venue) -> str:
    """The text in as many lines as it takes to be no wider than ``inches``."""
    width = max(8, int(inches / venue.letter))
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) or text


def chunks(items: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Consecutive pieces of nearly equal length, none longer than ``size``."""
    if not items:
        return []
    pieces = -(-len(items) // size)
    step = -(-len(items) // pieces)
    return [tuple(items[start : start + step]) for start in range(0, len(items), step)]


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of the items, evenly spaced, with the first and the last.

    >>> spread(range(10), 4), spread("ab", 4), spread("abc", 1)
    ([0, 3, 6, 9], ['a', 'b'], ['a'])
    """
    if len(items) <= count:
        return list(items)
    return [items[round(k * (len(items) - 1) / max(count - 1, 1))] for k in range(count)]


def few_ticks(count: int) -> MaxNLocator:
    """Round numbers, about so many; not by size, for then the layout would not settle."""
    return MaxNLocator(count)


def of_many(shown: int, total: int, noun: str) -> str:
    """`` Shown: 8 of 30 settings.`` where not all are, or nothing."""
    return "" if shown == total else f" Shown: {shown} of {total} {noun}, evenly spaced."


def page_name(stem: str, page: int) -> str:
    """``stem``, then ``stem_2``, ``stem_3``."""
    return stem if page == 1 else f"{stem}_{page}"

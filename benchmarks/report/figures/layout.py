"""A page of a figure: its venue, its style, its grid of panels, its heading and its files."""

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import stats
from benchmarks.report.figures.tips import TellingFigure
from benchmarks.report.phrases import possible, printable
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS

STYLE = Path(__file__).parents[1] / "paper.mplstyle"

PAGES = 2
"""Most pages of one kind of figure; the caption says how much was left out."""

LONGEST = 60
"""The letters of the longest name in a figure."""

_SPACED = 20
"""The letters of a name from which on there are blanks around what stands for its middle."""

SKEWED = (
    " Where an interval would leave the possible values, the median is drawn in place of the mean, "
    "from the least to the largest seed."
)
"""What a caption says where :func:`summarised` says ``skewed``."""

_COLOURS, _FARTHEST = 256, 32
"""The colours of a picture, and how many of them are chosen for being far from all others."""

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Page:
    """One page of a figure, with the numbers that it shows, its caption and its heading."""

    figure: Figure
    data: pd.DataFrame
    caption: str
    heading: str = ""


class AbsentError(Exception):
    """The data do not suffice for a figure; the message is the sentence that says why."""


@contextmanager
def paper_style(venue: Venue) -> Iterator[None]:
    """Draw in seaborn's style ``ticks`` with a paper's sizes and fonts, within this context.

    No text is read as a formula: a name may have dollars in it.
    """
    with mpl.rc_context(sns.axes_style("ticks")), warnings.catch_warnings():
        mpl.rcParams.update(mpl.rc_params_from_file(STYLE, use_default_template=False))
        # A character that the font lacks is drawn as a box: no reason to end a report.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        large, small = venue.points, venue.small
        mpl.rc("font", size=large)
        mpl.rc("axes", labelsize=large, titlesize=large)
        mpl.rc("figure", titlesize=small)
        mpl.rc("xtick", labelsize=small)
        mpl.rc("ytick", labelsize=small)
        mpl.rc("legend", fontsize=small)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches that pyplot knows nothing of."""
    figure = TellingFigure(width, height)
    FigureCanvasAgg(figure)
    return figure


def facets(
    grid: NDArray[Any],
    venue: Venue,
    rows: Mapping[str, str],
    columns: Sequence[str],
    x_label: str,
) -> list[tuple[Axes, str, str]]:
    """Write a title above each column of panels, a label on the left of each row, and one below.

    Args:
        grid: the panels of ``Figure.subplots``, ``(rows, columns)``.
        venue: where they are printed.
        rows: the label of each row by its key.
        columns: the key of each column, which is its title too.
        x_label: the label below the lowest panels.

    Returns:
        each panel with the keys of its row and its column, row by row.
    """
    width = grid[0, 0].get_figure().get_figwidth() / len(columns) - 0.3
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(name_lines(name, width, venue))
    for axes, label in zip(grid[:, 0], rows.values(), strict=True):
        axes.set_ylabel(label)
    for axes in grid[-1]:
        axes.set_xlabel(x_label)
    return [(axes, *keys) for axes, keys in zip(grid.flat, product(rows, columns), strict=True)]


def write_centred(axes: Axes, text: str) -> None:
    """Write why a panel is empty in its middle."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color="0.45")


def write_heading(figure: Figure, *parts: str) -> None:
    """Write small grey words on top, such as the dataset or what is missing, if there are any."""
    text = "  ·  ".join(shortened(part) for part in parts if part)
    if text:
        figure.suptitle(text, color="0.35")


def save(page: Page, stem: Path, *, pdf: bool = False) -> None:
    """Write a page as PNG, SVG, CSV and perhaps PDF, without dates or versions in them."""
    freeze_layout(page.figure)
    nothing = dict.fromkeys(("CreationDate", "Producer", "Creator"))
    with _without_layout_engine():
        dpi, canvas = mpl.rcParams["savefig.dpi"], FigureCanvasAgg(page.figure)
        canvas.print_figure(pixels := BytesIO(), format="raw")
        size = int(canvas.renderer.width), int(canvas.renderer.height)  # as it has rounded them
        if pdf:
            page.figure.savefig(stem.with_suffix(".pdf"), metadata=nothing)
        page.figure.savefig(stem.with_suffix(".svg"), metadata=dict.fromkeys(("Date", "Creator")))
    image = Image.frombytes("RGBA", size, pixels.getvalue())
    with_palette(image.convert("RGB")).save(stem.with_suffix(".png"), dpi=(dpi, dpi))
    path = stem.with_suffix(".csv")
    page.data.to_csv(path, index=False, lineterminator="\n", float_format="%.9g")


def with_palette(image: Image.Image) -> Image.Image:
    """Return a picture of at most 256 colours, which takes a third of the bytes of all of them.

    The most common colours, which fill areas, stay as they are. To them come those that are
    farthest from all chosen so far; what is left, on the edges of letters, becomes the nearest.
    """
    found: Any = image.getcolors(image.width * image.height)  # at most so many: never None
    every = np.array([colour for _, colour in sorted(found, reverse=True)], dtype=np.float32)
    chosen = list(range(min(len(every), _COLOURS - _FARTHEST)))
    squares = (every**2).sum(1)
    distances = squares[:, None] + squares[chosen] - 2 * every @ every[chosen].T
    nearest, least = distances.argmin(1), distances.min(1)
    while len(chosen) < min(len(every), _COLOURS):
        farthest = int(least.argmax())
        away = ((every - every[farthest]) ** 2).sum(1)
        nearest = np.where(away < least, len(chosen), nearest)
        least = np.minimum(least, away)
        chosen.append(farthest)
    entries = np.empty(1 << 24, dtype=np.uint8)
    entries[_packed(every.astype(np.uint8))] = nearest
    drawn = Image.fromarray(entries[_packed(np.asarray(image))])
    drawn.putpalette(every[chosen].astype(np.uint8).tobytes())
    return drawn


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return each colour ``(..., 3)`` as one number."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue)


@contextmanager
def _without_layout_engine() -> Iterator[None]:
    """Keep a figure without layout engine from getting a new one whenever it is saved."""
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        yield


def freeze_layout(figure: Figure) -> None:
    """Lay the figure out once; all files then show the same, and each is drawn only once."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0.5, 0.5)  # else its place is sought in vain, again and again
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    with _without_layout_engine():
        figure.set_layout_engine()  # none at all: "none" would leave one that draws twice


def summarised(rows: pd.DataFrame, by: Sequence[str], metric: str) -> pd.DataFrame:
    """Return what is drawn of each group of seeds, in drawing units.

    Returns:
        the columns ``by`` and those of :func:`summarised_between`.
    """
    scale = 100 if METRICS[metric].percent else 1
    return summarised_between(rows, by, metric, possible(metric), scale)


def summarised_shares(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return what is drawn of each group of seeds of a share, in percent."""
    return summarised_between(rows, by, value, (0.0, 1.0), 100)


def summarised_between(
    rows: pd.DataFrame, by: Sequence[str], value: str, ends: tuple[float, float], scale: float
) -> pd.DataFrame:
    """Return what is drawn of each group of seeds of a number that lies between two ends.

    Returns:
        the columns ``by``, ``mean``, ``half`` and ``n`` of the t interval, and ``centre``, ``low``
        and ``high``: the mean and the ends of its interval, or, where that leaves the possible
        values and so is not to be believed (``skewed``), the median, the least and the largest.
    """
    table = stats.t_intervals(rows, by, value)
    places = rows.dropna(subset=[value]).groupby(list(by), sort=True)[value]
    spread = places.agg(["median", "min", "max"]).reset_index(drop=True)
    low, high = table["mean"] - table["half"], table["mean"] + table["half"]
    least, most = ends
    skewed = (low < least - stats.ROUNDING) | (high > most + stats.ROUNDING)
    return table.assign(
        mean=scale * table["mean"],
        half=scale * table["half"],
        centre=scale * table["mean"].mask(skewed, spread["median"]),
        low=scale * low.mask(skewed, spread["min"]),
        high=scale * high.mask(skewed, spread["max"]),
        skewed=skewed,
    )


_BREAKS = (
    *((r" (?![^()]*\))", " "), (r"(?<=.)(?=\()", ""), (r"(?<=,) ", " ")),
    *((r"(?<=[=:])(?=['\w])", ""), (r"(?<=[a-z]-)(?=\w)", "")),
)
"""Where a line may end, and what joins its pieces: between words that no bracket holds, else before
a bracket, else behind a comma in it, else behind a colon or the name of a field, else a hyphen."""


def wrapped(text: str, inches: float, venue: Venue) -> str:
    """Return the text in as many lines as it takes to be no wider than ``inches``.

    No word is broken, so a long one is wider.

    >>> from benchmarks.report.venues import VENUES
    >>> print(wrapped("Label smoothing (smoothing=-0.4)", 1.0, VENUES["neurips"]))
    Label smoothing
    (smoothing=-0.4)
    """
    width, lines = _letters(inches, venue), [text]
    for pattern, glue in _BREAKS:
        lines = [part for line in lines for part in _filled(line, pattern, glue, width)]
    return "\n".join(lines)


def _letters(inches: float, venue: Venue) -> int:
    return max(8, int(inches / venue.letter))


def _filled(line: str, pattern: str, glue: str, width: int) -> list[str]:
    """Return lines as full as ``width`` letters allow, broken only where the pattern is."""
    if len(line) <= width:
        return [line]
    first, *rest = re.split(pattern, line)
    lines = [first]
    for piece in rest:
        longer = lines[-1] + glue + piece
        lines = [*lines[:-1], longer] if len(longer) <= width else [*lines, piece]
    return lines


def row_height(names: Sequence[str], least: float, venue: Venue) -> float:
    """Return the inches of a row beside which each of the names stands, at least ``least``."""
    lines = max((name.count("\n") + 1 for name in names), default=1)
    return max(least, 0.017 * venue.points * lines + 0.03)


def name_lines(name: str, inches: float, venue: Venue) -> str:
    """Return a name, shortened, in as many lines as it takes to be no wider than ``inches``.

    A word that is wider loses its middle.

    >>> from benchmarks.report.venues import VENUES
    >>> print(name_lines("matrix(file='cats_as_dogs.csv')", 0.7, VENUES["neurips"]))
    matrix
    (file=
    'cats…csv')
    """
    lines = wrapped(shortened(name), inches, venue).split("\n")
    return "\n".join(shortened(line, _letters(inches, venue)) for line in lines)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a name with room beside it in a figure: a longer one without its middle.

    >>> shortened("symmetric 40%"), len(shortened("far " * 99 + "end")), shortened("x" * 99)[-2:]
    ('symmetric 40%', 60, 'xx')
    """
    text = printable(text)
    if len(text) <= longest:
        return text
    gap = " \N{HORIZONTAL ELLIPSIS} " if longest >= _SPACED else "\N{HORIZONTAL ELLIPSIS}"
    start = text[: longest // 2].rstrip()
    return start + gap + text[longest // 2 + len(gap) - longest :].lstrip()


def split(
    kept: Sequence[S], thinned: Sequence[T], size: tuple[int, int], pages: int = PAGES
) -> tuple[list[tuple[tuple[S, ...], tuple[T, ...]]], int]:
    """Share out a table among pages.

    Args:
        kept: the keys of one side of the table, all of which are shown.
        thinned: the keys of the other side; where pages are too few, evenly spaced ones are shown.
        size: how many of either fit a page.
        pages: how many there may be; a ``kept`` side that needs more gets them.

    Returns:
        the keys of each page, and how many of ``thinned`` are shown.
    """
    budget = max(1, pages // max(1, -(-len(kept) // size[0])))
    shown = spread(thinned, size[1] * budget)
    return list(product(chunks(kept, size[0]), chunks(shown, size[1]))), len(shown)


def chunks(items: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Return consecutive pieces of nearly equal length, none longer than ``size``."""
    if not items:
        return []
    pieces = -(-len(items) // size)
    step = -(-len(items) // pieces)
    return [tuple(items[start : start + step]) for start in range(0, len(items), step)]


def spread(items: Sequence[T], count: int) -> list[T]:
    """Return at most ``count`` of the items, evenly spaced, with the first and the last.

    >>> spread(range(10), 4), spread("ab", 4), spread("abc", 1)
    ([0, 3, 6, 9], ['a', 'b'], ['a'])
    """
    if len(items) <= count:
        return list(items)
    return [items[round(k * (len(items) - 1) / max(count - 1, 1))] for k in range(count)]


def of_many(shown: int, total: int, noun: str) -> str:
    """Return `` Shown: 8 of 30 settings, evenly spaced.`` where not all are shown, or nothing."""
    return "" if shown == total else f" Shown: {shown} of {total} {noun}, evenly spaced."


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def powers_of_ten() -> FuncFormatter:
    """Return a formatter that writes powers of ten in letters: no text is read as a formula.

    >>> powers_of_ten()(0.01), powers_of_ten()(100), powers_of_ten()(20)
    ('10⁻²', '10²', '')
    """

    def written(value: float, _: int | None = None) -> str:
        power = round(math.log10(value)) if value > 0 else 0
        return f"10{str(power).translate(_RAISED)}" if math.isclose(value, 10.0**power) else ""

    return FuncFormatter(written)


def few_ticks(count: int) -> MaxNLocator:
    """Return a locator of about ``count`` round numbers.

    Their number does not depend on the size of the axes, whose layout would then not converge.
    """
    return MaxNLocator(count)


def far_apart(values: Sequence[float], gap: float) -> list[float]:
    """Return the values that can be printed below an axis without touching.

    Args:
        values: in rising order.
        gap: the least share of the axis between two of them.

    >>> far_apart([0, 1, 5, 10], 0.2), far_apart([3], 0.2)
    ([0, 5, 10], [3])
    """
    kept: list[float] = []
    for value in values:
        if not kept or value - kept[-1] >= gap * (values[-1] - values[0]):
            kept.append(value)
    return kept

"""How a table fits a page: in a column or across, its type size, its lines, its panels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from benchmarks.report.latex.columns import Column
from benchmarks.report.latex.signs import longest_word
from benchmarks.report.venues import Venue

POINTS = 72.27
"""TeX's points in an inch."""
_SLACK = 3.0
"""The points that a line keeps free, as widths are estimated: bold letters may run wider."""

SIZES = ((9.0, 5.0), (8.0, 3.5), (8.0, 2.5))
"""Type sizes to try, and half the space between columns at each, in points."""

NARROWEST = 85.0
"""The points below which no text is broken into lines."""


@dataclass(frozen=True)
class Layout:
    """What a table is printed as; lengths in points.

    Attributes:
        line: the width there is.
        across: whether it takes both columns of a page of two.
        size: of the type.
        space: half the space between columns.
        panels: the columns of each panel; panels are printed one below the other.
        texts: the widths in which the labels and each column of the first panel are broken into
            lines, if they are.
    """

    line: float
    across: bool
    size: float
    space: float
    panels: tuple[tuple[Column, ...], ...]
    texts: tuple[float | None, ...]


def fitted(label: float, own: Sequence[Column], venue: Venue) -> Layout:
    """Return the largest layout in which a table fits the text block of a venue.

    Args:
        label: the width of the widest label, in units of the type size.
        own: the columns beside it.
        venue: where it is printed.
    """
    lines = [(venue.column * POINTS - _SLACK, False)] if venue.column < venue.width else []
    lines.append((venue.width * POINTS - _SLACK, bool(lines)))
    whole, widths = (tuple(own),), [label, *column_widths(own)]
    for line, across in lines:
        for size, space in SIZES:
            if sum(widths) * size + 2 * space * len(own) <= line:
                unbroken = (None,) * len(widths)
                return Layout(line, across, size, space, whole, unbroken)
    line, across = lines[-1]
    size, space = SIZES[-1]
    breakable = [True, *(column.prose for column in own)]
    room = line - 2 * space * len(own)
    texts = _broken([size * width for width in widths], breakable, room)
    if texts:
        return Layout(line, across, size, space, whole, texts)
    return _in_panels(label, own, line, across=across)


def column_widths(own: Sequence[Column]) -> list[float]:
    """Return the width of each column that holds its cells and, with others, its headings."""
    widths = [column.least for column in own]
    for level in range(depth(own) - 1):
        for heading, first, last in spans(own, level):
            missing = longest_word(heading) - sum(widths[first : last + 1])
            widths[last] += max(missing, 0.0)
    return widths


def depth(own: Sequence[Column]) -> int:
    """Return how many lines of headings there are."""
    return max(len(column.headings) for column in own)


def spans(own: Sequence[Column], level: int) -> list[tuple[str, int, int]]:
    """Return the headings of a line with the first and the last column that each stands above."""
    lines = depth(own)
    paths = [("",) * (lines - len(column.headings)) + column.headings for column in own]
    found: list[tuple[str, int, int]] = []
    for place, path in enumerate(paths):
        shared = place > 0 and paths[place - 1][: level + 1] == path[: level + 1]
        if shared and path[level] and level < lines - 1:
            heading, first, _ = found.pop()
            found.append((heading, first, place))
        else:
            found.append((path[level], place, place))
    return found


def _broken(
    widths: Sequence[float], breakable: Sequence[bool], room: float
) -> tuple[float | None, ...]:
    """Return in which widths texts fit beside the rest, where they do: none where they do not."""
    texts = {place: width for place, width in enumerate(widths) if breakable[place]}
    left = room - sum(width for place, width in enumerate(widths) if not breakable[place])
    while texts:
        share = left / len(texts)
        short = [place for place, width in texts.items() if width <= share]
        if not short:
            kept = tuple(share if place in texts else None for place in range(len(widths)))
            return kept if share >= NARROWEST else ()
        for place in short:
            left -= texts.pop(place)
    return (None,) * len(widths)


def _in_panels(label: float, own: Sequence[Column], line: float, *, across: bool) -> Layout:
    """Return the layout in as many panels as it takes, neighbours with one heading together."""
    size, space = SIZES[-1]
    labels = min(label * size, line / 3)
    most = (line - labels) / 2 if any(column.prose for column in own) else line
    room = line - labels
    panels = _packed(own, 0, room)
    while _grid(panels) > line - labels and room > most / len(own):
        room *= 0.95
        panels = _packed(own, 0, room)
    texts = (labels if labels < label * size else None, *[most] * max(map(len, panels)))
    return Layout(line, across, size, space, tuple(map(tuple, panels)), texts)


def _taken(own: Sequence[Column]) -> list[float]:
    """Return the points that each column takes with the space before it."""
    size, space = SIZES[-1]
    return [width * size + 2 * space for width in column_widths(own)]


def _grid(panels: Sequence[Sequence[Column]]) -> float:
    """Return the points that panels take whose columns stand below each other."""
    return sum(map(max, zip_longest(*map(_taken, panels), fillvalue=0.0)))


def _packed(own: Sequence[Column], level: int, room: float) -> list[list[Column]]:
    """Return columns in panels no wider than the room, if single columns are not.

    Columns with a heading in common are parted only where they are too many, and then evenly.
    """
    panels: list[list[Column]] = []
    for _, first, last in spans(own, level):
        group = own[first : last + 1]
        for part in [group] if sum(_taken(group)) <= room else _parted(group, level + 1, room):
            if panels and sum(_taken([*panels[-1], *part])) <= room:
                panels[-1] += part
            else:
                panels.append(list(part))
    return panels


def _parted(group: Sequence[Column], level: int, room: float) -> list[Sequence[Column]]:
    """Return columns with a heading in common in as few parts of about one width as it takes."""
    units = spans(group, level) if level < depth(group) else []
    for count in range(2, len(units) + 1):
        each = -(-len(units) // count)
        starts = [units[place][1] for place in range(0, len(units), each)]
        parts = [group[a:b] for a, b in pairwise([*starts, len(group)])]
        if all(sum(_taken(part)) <= room for part in parts):
            return parts
    return [[column] for column in group]

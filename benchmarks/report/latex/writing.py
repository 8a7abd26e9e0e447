"""The lines of a table in LaTeX: a float, or a table that goes over pages."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from typing import NamedTuple

from benchmarks.report.latex.columns import Column, Room
from benchmarks.report.latex.layout import POINTS, Layout, column_widths, depth, spans
from benchmarks.report.latex.references import Reference
from benchmarks.report.latex.signs import breakable, escaped, lines, longest_word, width
from benchmarks.report.phrases import printable
from benchmarks.report.venues import Venue

LONG = 40
"""The rows beyond which a table goes over pages."""

_SHORT = 20
"""The rows up to which a panel stays on one page."""
_NOTE = 8.0
"""The type size of notes, in points."""
_SPEC = re.compile(r"\w[(=]")
"""What only the words of a caption have that are specs, of a dataset or a model."""
_LEAD = 1.2
"""The distance of lines, in units of the type size."""
_FULL = 0.9
"""The part of the height of a page that a table may take."""
_PACKAGES = {
    "booktabs": r"\toprule",
    "array": r"\arraybackslash",
    "xcolor": r"\textcolor",
    "longtable": r"{longtable}",
    "siunitx": r"\sisetup",
    "natbib": r"\citep",
}


_NUMBERS = (
    r"\sisetup{mode=text,reset-text-series=false,reset-text-shape=false,group-digits=none}",
    r"\sisetup{uncertainty-mode=separate,retain-explicit-plus,retain-negative-zero}",
    r"\sisetup{retain-zero-uncertainty,table-align-text-after=false}",
    r"\renewcommand{\textpm}{\ensuremath{\pm}}\renewcommand{\textminus}{\ensuremath{-}}",
)
"""What siunitx, of version 3, is told of all numbers of a table: to be text, which can be bold and
italic, but for signs, which the fonts of few venues have in text."""


class Row(NamedTuple):
    """The label of a row: a name, its paper, and its family, between which there are rules."""

    name: str
    cited: Reference | None
    family: str

    @property
    def shown(self) -> str:
        """The label as text, where papers are cited by author and year."""
        return f"{self.name} ({self.cited.shown})" if self.cited else self.name

    def code(self, most: float) -> str:
        """Return the label as LaTeX, for lines of a width."""
        text = _guarded(breakable(self.name, most))
        return text + (rf" \citep{{{self.cited.key}}}" if self.cited else "")


@dataclass(frozen=True)
class Printed:
    """A table without its columns."""

    caption: str
    label: str
    head: str  # above the labels
    rows: Sequence[Row]
    notes: Sequence[str]


def written(own: Printed, layout: Layout, venue: Venue) -> str:
    """Return a table in a layout; it is a float where it fits a page of the venue."""
    count = len(own.rows) * len(layout.panels)
    if count <= LONG and _height(own, layout) <= _FULL * POINTS * venue.height:
        code = list(_float(own, layout))
    else:
        code = list(_over_pages(own, layout))
    text = "\n".join(code)
    needs = [f"% needs \\usepackage{{{name}}}" for name, use in _PACKAGES.items() if use in text]
    if "{longtable}" in text and layout.across:
        needs.append(r"% in two columns it needs \onecolumn before it, as in an appendix")
    return "\n".join([*needs, text, ""])


def _height(own: Printed, layout: Layout) -> float:
    """Return how high a float is, in points, or somewhat less."""
    first = layout.texts[0]
    broken = 1 if first is None else max(len(lines(r.shown, first / layout.size)) for r in own.rows)
    heads = sum(_head_lines(panel) for panel in layout.panels)
    body = layout.size * _LEAD * (broken * len(own.rows) * len(layout.panels) + heads)
    notes = sum(math.ceil(width(note) * _NOTE / layout.line) for note in own.notes)
    caption = math.ceil(width(own.caption) * 10 / layout.line)
    return body + notes * _NOTE * _LEAD + caption * 10 * _LEAD + 40


def _head_lines(panel: Sequence[Column]) -> int:
    return depth(panel) + max(len(column.headings[-1].split()) for column in panel)


def _words(caption: str) -> str:
    """Return LaTeX of a caption in which specs may be broken anywhere, as they have no hyphens."""
    return " ".join(
        breakable(word, 0.0) if _SPEC.search(word) else escaped(word) for word in caption.split()
    )


def _float(own: Printed, layout: Layout) -> Iterator[str]:
    environment = "table*" if layout.across else "table"
    yield rf"\begin{{{environment}}}[t]"
    yield rf"\caption{{{_words(own.caption)}}}"
    yield rf"\label{{{own.label}}}"
    yield r"\centering\smallskip"
    yield from _settings(layout)
    rooms = _rooms(layout.panels)
    yield rf"\begin{{tabular}}{{{_preamble(layout, layout.panels, rooms)}}}"
    yield r"\toprule"
    for place, panel in enumerate(layout.panels):
        if place:
            yield r"\midrule"
        yield from _head(own, panel, len(rooms))
        yield r"\midrule"
        yield from _body(own, panel, layout, rooms)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield from _notes(own, layout)
    yield rf"\end{{{environment}}}"


def _over_pages(own: Printed, layout: Layout) -> Iterator[str]:
    """Yield a table over pages, and one for each panel where panels are long themselves."""
    alone = len(own.rows) > _SHORT
    tables = [[panel] for panel in layout.panels] if alone else [list(layout.panels)]
    yield r"\begingroup"
    yield from _settings(layout)
    yield r"\setlength{\LTcapwidth}{\linewidth}"
    for place, panels in enumerate(tables):
        rooms = _rooms(panels)
        wide = len(rooms)
        part = f"Part {place + 1} of {len(tables)}: " if len(tables) > 1 else ""
        label = own.label + (f"-{place + 1}" if place else "")
        above = [*_head(own, panels[0], wide), r"\midrule"] if alone else []
        yield rf"\begin{{longtable}}{{{_preamble(layout, panels, rooms)}}}"
        yield rf"\caption{{{_words(part + own.caption)}}}\label{{{label}}}\\"
        yield from [r"\toprule", *above, r"\endfirsthead"]
        yield rf"\multicolumn{{{wide + 1}}}{{@{{}}l@{{}}}}{{Table \thetable, continued}}\\"
        yield from [r"\toprule", *above, r"\endhead", r"\bottomrule", r"\endfoot"]
        for panel in panels:
            if not alone:
                yield from [*_head(own, panel, wide), r"\midrule"]
            lines = list(_body(own, panel, layout, rooms))
            yield from lines if alone else [_kept(line) for line in lines[:-1]] + lines[-1:]
            if panel is not panels[-1]:
                yield r"\midrule"
        yield r"\end{longtable}"
    yield from _notes(own, layout)
    yield r"\endgroup"


def _kept(line: str) -> str:
    r"""Return a line of a table that stays on one page with the next: ``\\*`` ends it."""
    return re.sub(r"\\\\$", r"\\\\*", line)


def _guarded(text: str) -> str:
    """Return the beginning of a line so that it is no option of the end of the line above."""
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _settings(layout: Layout) -> Iterator[str]:
    if any(column.room for panel in layout.panels for column in panel):
        yield from _NUMBERS
    yield rf"\fontsize{{{layout.size:g}}}{{{layout.size * _LEAD:g}}}\selectfont"
    yield rf"\setlength{{\tabcolsep}}{{{layout.space:g}pt}}"


def _preamble(
    layout: Layout, panels: Sequence[Sequence[Column]], rooms: Sequence[Room | None]
) -> str:
    """Return the kinds of columns: texts to the left, numbers, which are as wide, in the middle."""
    longest = max(panels, key=len)
    kinds = []
    columns = [
        ("l", True),
        *(
            (f"S[{room.options}]" if room else column.kind, column.prose)
            for column, room in zip(longest, rooms, strict=True)
        ),
    ]
    for broken, (kind, prose) in zip(layout.texts, columns, strict=False):
        if broken is None or not prose:
            kinds.append(kind)
        else:
            hanging = rf">{{\raggedright\hangindent=0.8em\arraybackslash}}p{{{broken:.1f}pt}}"
            kinds.append(hanging)
    return f"@{{}}{''.join(kinds)}@{{}}"


def _rooms(panels: Sequence[Sequence[Column]]) -> list[Room | None]:
    """Return the room for numbers in each column.

    There is none where panels have other things or other decimal places in it: all would stand
    where the longest number puts them.
    """
    shared = []
    for columns in zip_longest(*panels):
        rooms = [column.room for column in columns if column]
        known = [room for room in rooms if room]
        alike = len(known) == len(rooms) and len({room.behind for room in known}) == 1
        shared.append(reduce(Room.joined, known) if alike else None)
    return shared


def _head(own: Printed, panel: Sequence[Column], wide: int) -> Iterator[str]:
    """Yield the lines of headings above a panel, in a table of so many columns."""
    widths, lowest = column_widths(panel), depth(panel) - 1
    blanks = [""] * (wide - len(panel))
    for level in range(lowest + 1):
        cells, rules = [own.head if level == lowest else ""], ""
        for heading, first, last in spans(panel, level):
            kind = panel[first].kind if level == lowest else "c"
            text = _stacked(heading, sum(widths[first : last + 1]), kind)
            cells.append(rf"\multicolumn{{{last - first + 1}}}{{{kind}}}{{{text}}}" if text else "")
            if heading and level < lowest:
                rules += rf"\cmidrule(lr){{{first + 2}-{last + 2}}}"
        yield _line([*cells, *blanks])
        if rules:
            yield rules


def _stacked(heading: str, most: float, kind: str) -> str:
    """Return a heading in as many lines as its columns ask for."""
    own = [_guarded(escaped(line)) for line in lines(heading, max(most, longest_word(heading)))]
    if len(own) < 2:
        return "".join(own)
    broken = r"\\".join(own)
    return rf"\begin{{tabular}}[b]{{@{{}}{kind}@{{}}}}{broken}\end{{tabular}}"


def _body(
    own: Printed, panel: Sequence[Column], layout: Layout, rooms: Sequence[Room | None]
) -> Iterator[str]:
    most = [(broken or math.inf) / layout.size for broken in layout.texts]
    family = own.rows[0].family
    for place, row in enumerate(own.rows):
        if row.family != family:
            yield rf"\cmidrule{{1-{len(rooms) + 1}}}"
        family = row.family
        cells = [
            breakable(str(column.cells[place]), own_line)
            if column.prose
            else column.code(place, room)
            for column, room, own_line in zip(panel, rooms, most[1:], strict=False)
        ]
        yield _line([row.code(most[0]), *cells, *[""] * (len(rooms) - len(panel))])


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells).rstrip() + r" \\"


def _notes(own: Printed, layout: Layout) -> Iterator[str]:
    if own.notes:
        yield r"\par\nopagebreak\smallskip\noindent"
        size = rf"\fontsize{{{_NOTE:g}}}{{{_NOTE * _LEAD:g}}}\selectfont"
        yield rf"\begin{{minipage}}{{\linewidth}}\raggedright{size}"
        yield from (breakable(printable(note), layout.line / _NOTE) for note in own.notes)
        yield r"\end{minipage}\par"

"""The columns of a table for LaTeX: numbers that siunitx lines up, under shared headings."""

import re
from collections.abc import Sequence
from string import ascii_lowercase
from typing import NamedTuple

from benchmarks.report.latex.signs import PLUS_MINUS, escaped, longest_word, width
from benchmarks.report.phrases import MINUS, capitalised, printable
from benchmarks.report.tables import Table, stem
from benchmarks.report.vocabulary import UNKNOWN
from benchmarks.schema import METRICS

_NUMBER = re.compile(
    rf"(?P<sign>[+{MINUS}<>]?)(?P<whole>\d+)(?P<part>\.\d+)?"
    r"(?: ± (?P<half>\d+)(?P<rest>\.\d+)?)?(?P<tail> .+)?"
)
_TAIL = re.compile(r"(?P<text>.*) (?P<tail>\[[^\]]*\])")
_RATE = re.compile(r"(?P<kind>.*\S) (?P<rate>\d[\d.]*%)")
_MARKS = {
    "best": r"\textbf{%s}",
    "equivalent": r"\underline{%s}",
    "open": r"\textit{%s}",
    "out": r"\textcolor{gray}{%s}",
    "better": r"\textbf{%s}",
    "worse": r"\textbf{%s}",
    "": "%s",
}
_SWITCHES = {
    **dict.fromkeys(("best", "better", "worse"), r"\bfseries "),
    "open": r"\itshape ",
    "out": r"\color{gray}",
}
"""The marks that siunitx takes in front of a number."""
_COMPARISONS = ("<", ">")
_HALF = " +- "
"""What siunitx reads before the half width of an interval."""
_BOLD = 1.15
"""How much wider bold digits are."""
_ARROWS = {"higher": " ↑", "lower": " ↓"}
_POINTS = " points"


class Room(NamedTuple):
    """What siunitx keeps free for the numbers of a column: a sign, and how many digits."""

    sign: str = ""  # or a comparison
    whole: int = 0  # digits before the decimal marker
    places: int = 0  # and behind it
    half: int = 0  # digits of the half width of an interval before the marker

    def joined(self, other: "Room") -> "Room":
        """Return the room for the numbers of both."""
        return Room(
            max(self.sign, other.sign),  # a comparison before a sign
            max(self.whole, other.whole),
            max(self.places, other.places),
            max(self.half, other.half),
        )

    @property
    def options(self) -> str:
        """The room as options of siunitx; comparisons are themselves in formulas alone."""
        half = f"({self.half + self.places})" if self.half else ""
        digits = f"{self.whole}" + (f".{self.places}" if self.places else "")
        math = "mode=math,text-series-to-math," if self.compares else ""
        return f"{math}table-format={self.sign}{digits}{half}"

    @property
    def behind(self) -> tuple[int, int, bool]:
        """What stands behind the decimal marker, and whether all is a formula."""
        return self.places, self.half, self.compares

    @property
    def compares(self) -> bool:
        """Whether there are comparisons in the column."""
        return self.sign in _COMPARISONS


class Number(NamedTuple):
    """A number as siunitx reads it, its mark, and what hangs behind it."""

    text: str
    mark: str
    letter: str

    def code(self, room: Room) -> str:
        """Return it as it stands in a column with this room: in a box where siunitx cannot."""
        if self.mark == "equivalent" or self._ends_early(room):
            return f"{{{self.boxed(room)}}}"
        return _SWITCHES.get(self.mark, "") + self.text + self.letter

    def boxed(self, room: Room) -> str:
        """Return it in a box with this room, as it stands in any other column."""
        box = self._box(room)
        if self._ends_early(room):  # to hang the letter there, and not behind all the room
            own = _MARKS[self.mark] % self._box(room._replace(half=0))
            return rf"\rlap{{\mbox{{{own}}}{self.letter}}}\phantom{{{box}}}"
        marked = _MARKS[self.mark] % box
        # Without another box around it, it would fill the column.
        return rf"\mbox{{{marked}}}{self.letter}" if self.letter else marked

    def _box(self, room: Room) -> str:
        return rf"\tablenum[{room.options}]{{{self.text}}}"

    def _ends_early(self, room: Room) -> bool:
        """Return whether a letter hangs behind a number without the interval that others have."""
        return bool(self.letter and room.half and _HALF not in self.text)


class Column(NamedTuple):
    """A column: headings from the outermost, cells, and the width of the widest.

    A cell is LaTeX, or a number where numbers have a ``room``. The cells of ``prose`` are texts,
    which may be broken into lines; where words stand ``behind`` numbers, cells begin on the left.
    """

    headings: tuple[str, ...]
    cells: tuple[str | Number, ...]
    width: float
    prose: bool = False
    behind: bool = False
    room: Room | None = None

    @property
    def kind(self) -> str:
        """The letter for what stands on the left, and what is as wide as its column."""
        return "l" if self.prose or self.behind else "c"

    def code(self, place: int, room: Room | None) -> str:
        """Return a cell as it stands in a column with some room for numbers, or with none."""
        cell = self.cells[place]
        if isinstance(cell, str):
            return f"{{{cell}}}" if room and cell else cell
        return cell.code(room) if room else cell.boxed(self.room or Room())

    @property
    def least(self) -> float:
        """The width in which cells stand, and the lowest heading in few lines."""
        heading = self.headings[-1]
        whole = width(heading)
        asked = whole if whole < 1.2 * self.width else min(whole / 2, 5.0)
        return max(self.width, longest_word(heading), asked)


class _Raw(NamedTuple):
    """A column before it is set: its entries, and the letters of notes behind them."""

    headings: tuple[str, ...]
    texts: list[str]
    marks: list[str]
    letters: list[str]


SPOKEN = (*METRICS.values(), *UNKNOWN.renamed.values())
"""The metrics, as any run calls them."""


def columns(table: Table) -> tuple[list[Column], str]:
    """Return the columns of a table, and what is said below it of single entries.

    Parts of entries between slashes get a column each. Brackets behind a few of the entries would
    make a column wide for all: they go below the table.
    """
    raw: list[_Raw] = []
    for place, name in enumerate(table.text.columns):
        header, texts = printable(str(name)), [str(text) for text in table.text.iloc[:, place]]
        marks = [str(mark) for mark in table.marks.iloc[:, place]]
        if any(_POINTS in text for text in texts):
            header, texts = f"{header} (points)", [text.replace(_POINTS, "") for text in texts]
        pieces = [printable(text).split(" / ") for text in texts]
        parts = max(map(len, pieces), default=1)
        names = table.parts if len(table.parts) == parts > 1 else ()
        if not names:
            pieces, parts = [[printable(text)] for text in texts], 1
        for part in range(parts):
            here = [piece[part] if part < len(piece) else "" for piece in pieces]
            headings = (*_headings(header), *names[part : part + 1])
            first = marks if part == 0 else [""] * len(marks)
            raw.append(_Raw(headings, here, first, [""] * len(here)))
    below = _taken_below(raw)
    return [_column(own) for own in raw], "; ".join(
        f"{letter}: {tail}" for tail, letter in below.items()
    )


def _headings(header: str) -> tuple[str, ...]:
    """Return the words that neighbours share, if any, and a column's own.

    >>> _headings("symmetric 40%"), _headings("clean"), _headings("ECE %"), _headings("q")
    (('Symmetric', '40%'), ('Clean',), ('ECE % ↓',), ('q',))
    """
    rated = _RATE.fullmatch(header)
    if rated:
        return capitalised(rated["kind"]), rated["rate"]
    own = stem(header)
    better = next((m.better for m in SPOKEN if m.label.split(" ")[0] == own), "")
    return ((capitalised(header) if len(own) > 1 else header) + _ARROWS.get(better, ""),)


def _taken_below(raw: Sequence[_Raw]) -> dict[str, str]:
    """Take brackets out of columns where few entries have one; return the letter of each."""
    letters: dict[str, str] = {}
    rare = []
    for own in raw:
        found = [_TAIL.fullmatch(text) for text in own.texts]
        if 0 < sum(map(bool, found)) <= len(found) / 2:
            rare.append((own, found))
    for row in range(len(raw[0].texts) if raw else 0):
        for _, found in rare:
            if match := found[row]:
                letters.setdefault(match["tail"], ascii_lowercase[len(letters) % 26])
    if len(letters) > len(ascii_lowercase):
        return {}
    for own, found in rare:
        for row, match in enumerate(found):
            if match:
                own.texts[row], own.letters[row] = match["text"], letters[match["tail"]]
    return letters


def _column(own: _Raw) -> Column:
    found = [_NUMBER.fullmatch(text) for text in own.texts]
    if not any(found) and re.search("[A-Za-z]{2}", " ".join(own.texts)):
        return Column(own.headings, tuple(own.texts), max(map(width, own.texts)), prose=True)
    behind = any(re.search("[A-Za-z]", match["tail"] or "") for match in found if match)
    most = {
        field: max((match[field] or "" for match in found if match), key=len, default="")
        for field in _NUMBER.groupindex
    }
    hanging = [rf"\rlap{{$^{{{letter}}}$}}" if letter else "" for letter in own.letters]
    room = _room(found, own.marks)
    cells: list[str | Number] = []
    for text, match, mark, letter in zip(own.texts, found, own.marks, hanging, strict=True):
        if room and match:
            cells.append(Number(_read(match), mark, letter))
        elif match:
            cells.append(_aligned(match, most, _MARKS[mark] + letter))
        else:
            cells.append(_MARKS[mark] % escaped(text) + letter)
    longest = "".join(most.values()) + (PLUS_MINUS if most["half"] else "")
    bold = _BOLD if {"best", "better", "worse"} & set(own.marks) else 1
    widest = max([width(longest), *map(width, own.texts)]) * bold
    return Column(own.headings, tuple(cells), widest, behind=behind, room=room)


def _room(found: Sequence[re.Match[str] | None], marks: Sequence[str]) -> Room | None:
    """Return the room for the numbers of a column, if siunitx can set them all.

    Words behind numbers it cannot line up, and italics are none in the formulas of comparisons.
    """
    numbers = [match for match in found if match]
    signs = {match["sign"] for match in numbers}
    if any(match["tail"] for match in numbers) or not numbers:
        return None
    if signs.intersection(_COMPARISONS):
        if "open" in marks or len(signs - {""}) > 1:
            return None
        (sign,) = signs - {""}
    else:
        sign = "+" * any(signs)
    return Room(
        sign,
        max(len(match["whole"]) for match in numbers),
        max(len(match["part"] or ".") - 1 for match in numbers),
        max(len(match["half"] or "") for match in numbers),
    )


def _read(match: re.Match[str]) -> str:
    """Return a number as siunitx reads it."""
    own = {field: text or "" for field, text in match.groupdict().items()}
    half = f"{_HALF}{own['half']}{own['rest']}" if own["half"] else ""
    return own["sign"].replace(MINUS, "-") + own["whole"] + own["part"] + half


def _aligned(match: re.Match[str], most: dict[str, str], mark: str) -> str:
    """Return a number beside invisible digits that it lacks of the longest of its column."""
    own = {field: text or "" for field, text in match.groupdict().items()}
    lacks = {field: most[field][len(text) :] for field, text in own.items()}
    text, after = escaped(own["sign"] + own["whole"] + own["part"]), lacks["part"]
    if own["half"]:
        text += _phantom(after) + escaped(PLUS_MINUS) + _phantom(lacks["half"])
        text, after = text + escaped(own["half"] + own["rest"]), lacks["rest"]
    elif most["half"]:
        after += PLUS_MINUS + most["half"] + most["rest"]
    if own["tail"]:
        text += _phantom(after) + escaped(own["tail"])
        after = "0" * (len(re.findall(r"\d", most["tail"])) - len(re.findall(r"\d", own["tail"])))
    else:
        after += most["tail"]
    return _phantom(lacks["sign"] + lacks["whole"]) + mark % text + _phantom(after)


def _phantom(text: str) -> str:
    digits = escaped(re.sub(r"\d", "0", text))
    return rf"\phantom{{{digits}}}" if text else ""

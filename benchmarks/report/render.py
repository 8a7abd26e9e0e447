"""The parts of a report as text: tables as Markdown, HTML and for a terminal."""

import re
from collections.abc import Iterator, Sequence
from html import escape as escape_html
from typing import NamedTuple

from benchmarks.report.looks import BESIDE, PRIVILEGED
from benchmarks.report.phrases import BLANK, MINUS, printable
from benchmarks.report.tables import ORACLE, Table
from benchmarks.report.vocabulary import Vocabulary

_MARKDOWN = {
    "best": "**{}**",
    "equivalent": "<ins>{}</ins>",
    "open": "*{}*",
    "out": "<sub>{}</sub>",
    "better": "**{}**",
    "worse": "**{}**",
    "": "{}",
}
_HTML = {
    "best": "<strong>{}</strong>",
    "equivalent": "<ins>{}</ins>",
    "open": "<em>{}</em>",
    "out": '<span class="out">{}</span>',
    "better": '<strong class="better">{}</strong>',
    "worse": '<strong class="worse">{}</strong>',
    "": "{}",
}
_PLAIN = {"best": "*", "equivalent": "=", "open": "~", "out": "x"}


class Tip(NamedTuple):
    """What a mark of a figure says, and where it is: shares of the width and of the height."""

    x: float
    y: float  # from the top
    text: str


class Picture(NamedTuple):
    """A figure of the report: the stem of its files, and what it shows in words."""

    stem: str
    caption: str
    pdf: bool = False  # whether one of its files is PDF
    drawn: bool = True  # else its files are pixels and numbers alone
    tips: tuple[Tip, ...] = ()


class Words(str):
    """Paragraphs and lists in which nothing but the dash of a list is Markdown.

    A name in them is shown as it is, whatever it is made of.
    """

    __slots__ = ()


Block = str | Table | Picture
"""A part of a section: prose in Markdown, or :class:`Words`; a table or a figure."""

_NUMBER = re.compile(rf"[<>+{MINUS}-]?\.?\d|{BLANK}")
"""How the entries of a column of numbers begin; a column that has none stands to the left."""

_MARKUP = re.compile(
    r"[\\`*|$]|~(?=~)|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])"
)
"""What Markdown takes for markup in the middle of a line."""
_BEGINNING = re.compile(r"(?m)^((?:- )?)(?=#{1,6} |>|\+ )")
"""What Markdown takes for a heading, a quotation or a list where a line begins."""


def literal(text: str) -> str:
    r"""Return Markdown that shows a piece of a line as it is.

    >>> literal("a_b *c* <b>"), literal("50% of $x$ | +1.0")
    ('a_b \\*c\\* \\<b>', '50% of \\$x\\$ \\| +1.0')
    """
    return _MARKUP.sub(r"\\\g<0>", text)


def literal_lines(text: str) -> str:
    r"""Return Markdown that shows whole lines as they are, of which only lists are lists.

    >>> literal_lines("- # x")
    '- \\# x'
    """
    return _BEGINNING.sub(r"\1\\", literal(text))


def document(blocks: Sequence[Block]) -> str:
    """Return the parts of a section as Markdown, a blank line between them."""
    texts = []
    for block in blocks:
        if isinstance(block, Table):
            text = markdown(block)
        elif isinstance(block, Picture):
            kinds = [("PDF", "pdf")] * block.pdf + [("SVG", "svg")] * block.drawn
            kinds.append(("numbers", "csv"))
            links = [f"[{name}](figures/{block.stem}.{kind})" for name, kind in kinds]
            image = f"![{block.stem}](figures/{block.stem}.png)"
            text = f"{image}\n\n{literal(block.caption)} ({', '.join(links)})"
        else:
            text = literal_lines(block) if isinstance(block, Words) else block
        texts.append(text.strip())
    return "\n\n".join(texts) + "\n"


def markdown(table: Table) -> str:
    """Return a pipe table with its notes below; the best bold, equivalents underlined."""
    header = [literal(name) for name in _header(table)]
    lines = [header, [":--", *["--:"] * (len(header) - 1)]]
    for label, entries in _rows(table):
        lines.append([literal(label), *(_MARKDOWN[mark].format(literal(t)) for t, mark in entries)])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{rows}\n\n{notes(table)}\n"


def html(table: Table) -> str:
    """Return a table, without its notes, in a box that scrolls; all text is escaped."""
    header = [escape_html(text) for text in _header(table)]
    numbers = [column.astype(str).str.match(_NUMBER).any() for _, column in table.text.items()]
    kinds = ["" if known else ' class="text"' for known in numbers]
    names = zip(header[1:], kinds, strict=True)
    heads = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in names)
    lines = [f'<th scope="col">{header[0]}</th>{heads}']
    for label, entries in _rows(table):
        texts = [_HTML[mark].format(escape_html(text)) for text, mark in entries]
        cells = zip(texts, kinds, strict=True)
        row = "".join(f"<td{kind}>{text}</td>" for text, kind in cells)
        lines.append(f'<th scope="row">{escape_html(label)}</th>{row}')
    head, *body = (f"<tr>{line}</tr>\n" for line in lines)
    name = f"Table: {', '.join(header[:4])}"
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{name}">'
        f'<table style="--columns: {len(header)}">\n<thead>\n{head}</thead>\n'
        f"<tbody>\n{''.join(body)}</tbody>\n</table></div>"
    )


def notes(table: Table) -> str:
    """Return the notes of a table as a list in Markdown."""
    return bullets([literal_lines(printable(note)) for note in table.notes])


def bullets(lines: Sequence[str]) -> str:
    """Return a list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def _header(table: Table) -> list[str]:
    return [str(table.text.index.name or "Method"), *map(printable, table.text.columns)]


def _rows(table: Table) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the label of each row, and the text and mark of each of its entries."""
    texts, marks = table.text.astype(str).to_numpy(), table.marks.astype(str).to_numpy()
    for label, row, its_marks in zip(table.text.index, texts, marks, strict=True):
        yield printable(str(label)), list(zip(map(printable, row), its_marks, strict=True))


def legend(table: Table, words: Vocabulary) -> str:
    """Return in a line what the signs of a table on a terminal mean, of those that it has."""
    marks = set(table.marks.astype(str).to_numpy().ravel())
    names = " ".join([*_header(table), *map(str, table.text.index)])
    signs = {
        "* best": "best" in marks,
        "= equivalent to it": "equivalent" in marks,
        "~ not resolved from it": "open" in marks,
        "x lost runs, or within chance": "out" in marks,
        f"{ORACLE} selected with {words.test_labels}": ORACLE in names,
        f"{PRIVILEGED} given clean or outside knowledge": PRIVILEGED in names,
        f"{BESIDE} from another folder": BESIDE in names,
        "-- no value": (table.text == BLANK).to_numpy().any(),
    }
    return "; ".join(sign for sign, shown in signs.items() if shown)


def plain(table: Table) -> str:
    """Return columns padded to line up; :func:`legend` says what the signs behind them mean."""
    first, *header = _header(table)
    rows = [[first, *(f"{name} " for name in header)]]
    rows += [
        [label, *(t + _PLAIN.get(mark, " ") for t, mark in entries)]
        for label, entries in _rows(table)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for label, *texts in rows:
        right = [t.rjust(width) for t, width in zip(texts, widths[1:], strict=True)]
        lines.append("  ".join([label.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)

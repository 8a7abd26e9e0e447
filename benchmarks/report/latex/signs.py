"""Text as LaTeX sets it: signs written so that they need no package, and how wide they print."""

import re
from functools import cache
from pathlib import Path
from unicodedata import normalize

import matplotlib as mpl
from matplotlib.ft2font import FT2Font, LoadFlags

from benchmarks.report.phrases import MINUS

PLUS_MINUS = " ± "

_WRITTEN = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\`{}",
    "|": r"\textbar{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    MINUS: "$-$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "§": r"\textsuperscript{\S}",
    "…": r"\dots{}",
    "≥": r"$\geq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_LETTERS = frozenset("ßøØæÆœŒłŁ")
_ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
"""What LaTeX reads as it is, whatever the fonts: these letters, and others with these accents."""

_POINTS = 10
"""The points at which letters are measured."""
_WIDE = 1.07
"""How much wider Computer Modern is at 8 points than at 10, relative to its size."""


def escaped(text: str) -> str:
    r"""Return LaTeX that shows a text as it is, and the numbers of characters that need a package.

    >>> escaped("50% of a_b"), escaped("Dollár \u4e2d"), escaped("1.5 ± 0.1")
    ('50\\% of a\\_b', 'Dollár U+4E2D', '1.5\\,$\\pm$\\,0.1')
    """
    pieces = text.split(PLUS_MINUS)
    return r"\,$\pm$\,".join("".join(map(_written, piece)) for piece in pieces)


@cache
def _written(character: str) -> str:
    return _WRITTEN.get(character) or _numbered(character)


def _numbered(character: str) -> str:
    """Return a character, or its number where LaTeX needs a package for it."""
    letter = normalize("NFD", character)
    accented = letter[0].isascii() and _ACCENTS.issuperset(letter[1:])
    known = accented or character in _LETTERS or character in _WRITTEN
    return character if known else f"U+{ord(character):04X}"


def width(text: str) -> float:
    """Return how wide a text prints, in units of its type size: no less than in any font."""
    simple = re.sub(rf"[{MINUS}±<>]", "+", text)
    plain = re.sub(r"[^ -~]", lambda match: "M" * len(_numbered(match[0])), simple)
    return sum(map(_width, plain)) * _WIDE


@cache
def _width(character: str) -> float:
    """Return how far a character moves the next one in Computer Modern, before any kerning."""
    glyph = _font().load_char(ord(character), flags=LoadFlags.NO_HINTING)
    return glyph.linearHoriAdvance / 2**16 / _POINTS


@cache
def _font() -> FT2Font:
    font = FT2Font(Path(mpl.get_data_path(), "fonts", "ttf", "cmr10.ttf"))
    font.set_size(_POINTS, 72)  # a pixel is a point
    return font


def longest_word(text: str) -> float:
    """Return the width of the longest word."""
    return max(map(width, text.split()), default=0.0)


def lines(text: str, most: float) -> list[str]:
    """Return the text in lines that are no wider than this, but for single words."""
    own: list[str] = []
    for word in text.split():
        if own and width(f"{own[-1]} {word}") <= most:
            own[-1] += f" {word}"
        else:
            own.append(word)
    return own


def breakable(text: str, most: float) -> str:
    """Return LaTeX of a text in which words wider than a line may be broken anywhere."""
    return " ".join(
        escaped(word) if width(word) <= most else r"\allowbreak{}".join(map(escaped, word))
        for word in text.split()
    )

"""What a text that is no spec was probably meant to be."""

import ast
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from methods.bounds import Bounded, Field, folded

NUMBERED = re.compile(r"([^(\[{=:]*?)[\s_@-]*([0-9]*[.,][0-9]+|[0-9.]+\s*%)")
"""A name and its number, ``symmetric 0.4``."""
SPEC = re.compile(r"([^(\[{=:]+)(?:[(\[{=:](.*?)[)\]}]?)?", re.DOTALL)
"""A name, and the values behind a bracket of any kind or a sign."""
PIECE = re.compile(
    r"\s*(?:(?P<key>[^\W\d][\w-]*)\s*(?:[=:]|\s)\s*)?"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^,;]*)\s*(?:[,;]|$)"
)
"""A value of a spec, with or without the name of its field."""
BETWEEN = re.compile(r"(?:(?<!\d)[,;]|[,;](?!\d)|[\s+|&])+(?![^(\[]*[)\]])")
"""What parts several specs, outside brackets: no decimal comma."""
QUOTES = "'\"`\u2018\u2019\u201c\u201d"
IN_PAPERS = {"lambda": "weight"}
"""What papers call a field for which Python has a word of its own."""

Build = Callable[[str, Mapping[str, Any]], object]
"""Builds an entry of its name and fields, or raises a ``ValueError`` that says what is wrong."""


def meant(text: str, entries: Mapping[str, type[Bounded]], build: Build) -> str:
    """Return the end of the sentence that refuses a text, which says what would be right.

    >>> from methods import METHODS
    >>> print(meant("elr(90%)", METHODS, lambda name, values: METHODS[name](**values)))
    ; did you mean 'elr(beta=0.9)'?
    """
    text = text.strip() + ")" * (text.count("(") - text.count(")"))
    parts = [part for part in BETWEEN.split(text) if part]
    known = [folded(part.partition("(")[0]) in map(folded, entries) for part in parts]
    commas = re.search("[,;]", "".join(BETWEEN.findall(text)))
    told = "; several are arguments of their own, parted by spaces"
    if not parts:
        return told if commas else ""
    if len(parts) > 1 and (all(known) or commas):
        try:
            return f"{told}: {shlex.join(_spec(part, entries, build) for part in parts)}"
        except ValueError:
            return told
    try:
        return f"; did you mean {_spec(text, entries, build)!r}?"
    except ValueError as error:
        fault = str(error)
    if not fault and re.search(r"\w\.[a-z]{3,4}$", text):
        readers = [f"{name}({key}={text!r})" for name, key in _readers(entries)]
        fault = f"a file is named by a field: {', '.join(readers)}" if readers else ""
    return f"; {fault}" if fault else ""


def _readers(entries: Mapping[str, type[Bounded]]) -> Iterator[tuple[str, str]]:
    """Yield the name of each entry that reads a file, and the key of its field for one."""
    for name, entry in entries.items():
        yield from ((name, field.key) for field in entry.fields() if field.file)


def _spec(text: str, entries: Mapping[str, type[Bounded]], build: Build) -> str:
    """Return the spec that a text was meant to be.

    Raises:
        ValueError: there is none; the error says what is wrong with the nearest, if anything.
    """
    fault = ""
    for name, written in _readings(text, entries):
        try:
            values = _values(entries[name], written)
            build(name, values)
        except ValueError as error:
            fault = fault or str(error)
        else:
            shown = ", ".join(f"{key}={value!r}" for key, value in values.items())
            return f"{name}({shown})" if shown else name
    raise ValueError(fault)


def _readings(text: str, entries: Mapping[str, type[Bounded]]) -> Iterator[tuple[str, str]]:
    """Yield the name of an entry, and what may be its values, for each way to read a text."""
    for name, entry in entries.items():
        if getattr(entry, "label", name).casefold() == text.casefold():
            yield name, ""
            return
    names = {folded(name): name for name in entries}
    for form in (NUMBERED, SPEC):
        if (read := form.fullmatch(text)) and (near := _near(read[1], names)):
            values = read[2] or ""
            yield names[near], values
            yield names[near], re.sub(r"(?<=\d),(?=\d)", ".", values)  # a decimal comma


def _near(name: str, known: Iterable[str]) -> str:
    """Return the known name that a name is, or is near; "" if none."""
    return next(iter(get_close_matches(folded(name), known, n=1)), "")


def _values(entry: type[Bounded], text: str) -> dict[str, object]:
    """Return the value of each field that a text sets, by its key.

    Raises:
        ValueError: a field is set twice, or a value without a name stands behind one with a name
            or is one too many.
    """
    fields = tuple(entry.fields())
    keys = {folded(field.key): field for field in fields}
    values: dict[str, object] = {}
    named = False
    for place, piece in enumerate(PIECE.finditer(text)):
        key = piece["key"]
        if not piece[0].strip(" ,;"):
            continue
        if key is None and (named or place >= len(fields)):
            raise ValueError
        named = key is not None
        field = _field(key, keys) if named else fields[place]
        name = field.key if field else key
        if name in values:
            raise ValueError(f"{name} is set twice")
        values[name] = _value(piece["value"], field)
    return values


def _field(key: str, keys: Mapping[str, Field]) -> Field | None:
    """Return the field that is called so, or nearly so, or is what papers call so."""
    if near := _near(key, keys):
        return keys[near]
    other = IN_PAPERS.get(folded(key))
    return next((field for name, field in keys.items() if other and other in name), None)


def _value(text: str, field: Field | None) -> object:
    """Return the value that a text stands for in a field."""
    text = text.strip()
    bare = text.strip(QUOTES)
    if bare != text or (field and field.kind is str):
        return bare
    if share := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", text):
        return round(float(share[1]) / 100, 12)
    if ratio := re.fullmatch(r"([0-9]{1,9})\s*/\s*([1-9][0-9]{0,9})", text):
        return int(ratio[1]) / int(ratio[2])
    try:
        return ast.literal_eval(text.title() if text.lower() in {"true", "false"} else text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return text

"""JSON and TOML as typed records: the shape of a file is checked once, where it comes in."""

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.errors import suggestion
from benchmarks.inputs.error import InputError
from benchmarks.inputs.regular import size, text_of

TOML_BYTES = 8 * 2**20
"""Python's parser takes four seconds for as much."""
LINE_DOTS, FILE_DOTS = 1_000, 100_000
"""Its time grows with the square of the parts of a key such as ``a.b.c``."""

NOUNS = {
    "int": "a whole number",
    "float": "a decimal number",
    "str": "a text",
    "bool": "true or false",
    "null": "nothing",
    "array": "a list",
    "object": "a table",
    "bytes": "bytes",
}

T = TypeVar("T")


def decode_json(data: bytes | str, kind: type[T], where: Path | str) -> T:
    """Return JSON as a value of the type ``kind``, any that msgspec knows.

    Args:
        data: UTF-8 text.
        kind: a ``msgspec.Struct``, ``dict[str, int]`` and the like.
        where: the file, for the sentence.

    Raises:
        InputError: the text is no JSON, is nested too deeply, or has another shape.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _misfit(error, kind, where) from error
    except RecursionError as error:
        raise InputError(where, "is nested too deeply") from error
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise InputError(where, f"is not JSON: {reason}") from error


def decode_toml(text: bytes | str, kind: type[T], where: Path | str) -> T:
    """Return TOML as a value of the type ``kind``, likewise.

    Raises:
        InputError: the text is too long, no TOML, nested too deeply, or has another shape.
    """
    if len(text) > TOML_BYTES:
        raise InputError(where, f"TOML of at most {size(TOML_BYTES)} is read, this is longer")
    if isinstance(text, bytes):
        text = text_of(text, where)
    dots = [line.count(".") for line in text.split("\n")]
    if max(dots) > LINE_DOTS or sum(dots) > FILE_DOTS:
        place = f"line {dots.index(max(dots)) + 1}"
        raise InputError(where, f"at most {LINE_DOTS:,} dots a line are read; break it", place)
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise InputError(where, "is nested too deeply") from error
    except ValueError as error:  # what is no TOML, and numbers of thousands of digits
        reason = str(error).partition(";")[0]
        quotes = "; a text stands in quotes" if reason.startswith("Invalid value") else ""
        raise InputError(where, f"is not TOML: {reason}{quotes}") from error
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _misfit(error, kind, where) from error
    except (RecursionError, OverflowError, ValueError) as error:
        raise InputError(where, f"holds a value that cannot be read: {error}") from error


def _misfit(error: msgspec.ValidationError, kind: type, where: Path | str) -> InputError:
    """Say in English where a value has another shape than its type.

    >>> class Suite(msgspec.Struct, forbid_unknown_fields=True):
    ...     seed: list[int]
    >>> def said(text):
    ...     try:
    ...         decode_json(text, Suite, "x.json")
    ...     except InputError as error:
    ...         print(error)
    >>> said('{"seed": [1, "2"]}')
    x.json, seed[1]: a whole number is expected here, not a text
    >>> said('{"seed": [1], "sead": 1}')
    x.json: unknown key 'sead'; did you mean 'seed'?
    >>> said('{}')
    x.json: missing key 'seed'
    """
    reason, _, place = str(error).partition(" - at ")
    place = re.sub(r"\$\.?", "", place.replace("`", ""))  # `key` in `$.widths`
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        name, fields = unknown[1], list(getattr(kind, "__struct_encode_fields__", ()))
        hint = suggestion(name, fields) or (f"; known: {', '.join(fields)}" if fields else "")
        if place:
            hint = "; it is one of the whole file, above the first [table]" * (name in fields)
        return InputError(where, f"unknown key {name!r}{hint}", place)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", reason, re.DOTALL):
        return InputError(where, f"missing key {missing[1]!r}", place)
    if few := re.fullmatch(r"Expected `array` of length >= (\d+)", reason):
        return InputError(where, f"at least {few[1]} is needed here, and the list has fewer", place)
    named = re.sub(r"`([^`]*)`", lambda match: _noun(match[1]), reason)
    if expected := re.fullmatch(r"Expected (.*), got (.*)", named, re.DOTALL):
        named = f"{expected[1]} is expected here, not {expected[2]}"
    return InputError(where, named[:1].lower() + named[1:], place)


def _noun(types: str) -> str:
    """Return the name of one or several types as a sentence says it.

    >>> _noun("int"), _noun("str | null")
    ('a whole number', 'a text or nothing')
    """
    return " or ".join(NOUNS.get(each, each) for each in types.split(" | "))

"""Errors that are the user's to mend, told in one sentence, and the exit codes of the program."""

import enum
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches


class Exit(enum.IntEnum):
    """Exit codes of ``run_all.py``."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2  # nothing ran
    SOME_FAILED = 3
    WORSE = 4  # than the baseline
    DATA_MISSING = 5
    UNKNOWN = 6  # whether it is
    SYSTEM = 74  # which could not read, write, or give memory
    STOPPED = 75  # before all cells were trained; running again continues
    HUNG_UP = 129
    INTERRUPTED = 130
    READER_GONE = 141
    TERMINATED = 143


class RefusedError(Exception):
    """A request that cannot be served; the text of the error is the whole message to the user."""

    code = Exit.USAGE


class DataMissingError(RefusedError):
    """A dataset or a results folder that is missing and cannot be downloaded, or is damaged."""

    code = Exit.DATA_MISSING


def bounded(text: str, most: int = 200) -> str:
    """Return a text from a file as a sentence quotes it: its first letters, if there are more.

    >>> bounded("symmetric", 5)
    'symme…'
    """
    return text if len(text) <= most else f"{text[:most]}…"


def on_one_line(text: str) -> str:
    """Return a text on one line, in which nothing moves the cursor of a terminal.

    A file may be named so that what is said of it would look like something else.

    >>> on_one_line(f"a{chr(10)}b {chr(27)}[2Jc é") == "a b " + chr(92) + "x1b[2Jc é"
    True
    """
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return ``"; did you mean 'elr'?"`` when a known name is near, else nothing.

    A number is near no name: -1 and 10 are no slips of 1. As :func:`methods.bounds.suggestion`,
    which may import nothing from here, nor this PyTorch.
    """
    words = {folded(word): word for word in known if not word.isdecimal()}
    near = get_close_matches(folded(name), words, n=1)
    return "".join(f"; did you mean {words[match]!r}?" for match in near)


def folded(name: str) -> str:
    """Return a name without its case, and with one sign for all that parts its words."""
    return re.sub(r"\W", "_", name.strip()).casefold()


FEW = 8
"""The most values that a sentence lists."""


def some(values: Sequence[object], most: int = FEW, separator: str = ", ") -> str:
    """Return the first of some values and how many more there are.

    >>> some([1, 2]), some("abcd", 2), some([])
    ('1, 2', 'a, b, and 2 more', 'none')
    """
    rest = len(values) - most
    return separator.join(
        [*map(str, values[:most]), *([f"and {rest:,} more"] if rest > 0 else [])] or ["none"]
    )


def refuse_unknown(
    owner: str, asked: Mapping[str, Iterable[object]], known: Mapping[str, Collection[object]]
) -> None:
    """Refuse values of a filter that nothing has, and name the nearest that there are, or some.

    >>> refuse_unknown("no cell of out", {"method": ["erl", "elr"]}, {"method": ["elr", "gce"]})
    Traceback (most recent call last):
    benchmarks.errors.RefusedError: no cell of out has the method 'erl' (did you mean 'elr'?)

    Args:
        owner: what has none of them, as the sentence begins.
        asked: the values that are asked for, by axis.
        known: those that there are.

    Raises:
        RefusedError: there is such a value.
    """
    faults = []
    for axis, values in asked.items():
        there = sorted(known[axis], key=lambda value: (isinstance(value, str), value))
        texts = list(map(str, there))
        near = {v: _near(str(v), texts) for v in values if v not in there}
        words = [f"{value!r} ({hint})" if hint else repr(value) for value, hint in near.items()]
        if words:
            known_ones = "" if all(near.values()) else f" (known: {some(texts)})"
            faults.append(f"the {axis} {' or '.join(words)}{known_ones}")
    if faults:
        raise RefusedError(f"{owner} has {', or '.join(faults)}")


def _near(text: str, known: Sequence[str]) -> str:
    """Return the suggestion of a known text, of one with the same numbers where there is any.

    >>> _near("symmetric(40%)", ["symmetric(rate=0.6)", "symmetric(rate=0.4)"])
    "did you mean 'symmetric(rate=0.4)'?"
    """
    wanted = _numbers(text)
    same = suggestion(text, [each for each in known if wanted <= _numbers(each)])
    return (same or suggestion(text, known)).removeprefix("; ")


def _numbers(text: str) -> set[float]:
    """Return the numbers in a text, per cents as shares."""
    found = re.findall(r"([0-9]*\.?[0-9]+)(\s*%)?", text[:200])
    return {round(float(number) / (100 if share else 1), 12) for number, share in found}


def count(n: int, noun: str) -> str:
    """Return ``1 seed``, ``5 seeds``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


class StopError(BaseException):
    """The program is asked to stop: by no error, and through every ``finally``."""


class InterruptError(StopError, KeyboardInterrupt):
    """The user has interrupted the program; a plugin raises ``KeyboardInterrupt`` itself."""

"""Errors that are the user's to mend, told in one sentence, and the exit codes of the program."""

import enum
from collections.abc import Sequence
from difflib import get_close_matches


class Exit(enum.IntEnum):
    """Exit codes of ``run_all.py``."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2  # nothing ran
    SOME_FAILED = 3
    DATA_MISSING = 5
    SYSTEM = 74  # which could not read, write, or give memory
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


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return ``"; did you mean 'elr'?"`` when a known name is near, else nothing.

    A number is near no name: -1 and 10 are no slips of 1. As :func:`methods.bounds.suggestion`,
    which may import nothing from here, nor this PyTorch.
    """
    words = [word for word in known if not word.isdecimal()]
    return "".join(f"; did you mean {match!r}?" for match in get_close_matches(name, words, n=1))


def count(n: int, noun: str) -> str:
    """Return ``1 seed``, ``5 seeds``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


class StopError(BaseException):
    """The program is asked to stop: by no error, and through every ``finally``."""


class InterruptError(StopError, KeyboardInterrupt):
    """The user has interrupted the program; a plugin raises ``KeyboardInterrupt`` itself."""

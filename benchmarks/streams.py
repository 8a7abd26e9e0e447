"""The standard streams: closed ones, narrow ones, and those whose reader has gone."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

NAMES = ("stdout", "stderr")


def make_safe() -> None:
    """Let printing fail no more for what a stream cannot show, or because it is closed."""
    _open_closed_ones()
    for name, stream in _own_streams():
        if stream.errors != "replace":
            stream.reconfigure(errors="replace")
            setattr(sys, name, stream)


def _open_closed_ones() -> None:
    """Open the standard files that are closed; a file opened later would take their numbers."""
    for number, name in enumerate(("stdin", *NAMES)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(opened, True)  # noqa: FBT003
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: PTH123, SIM115


def _own_streams() -> Iterator[tuple[str, io.TextIOWrapper]]:
    """Yield the streams that the interpreter opened; others, of a test say, are left alone."""
    for name in NAMES:
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            yield name, stream


def outlive_readers() -> None:
    """Let this process print to nobody, rather than fail, when a reader or a terminal has gone."""
    for name, stream in list(_own_streams()):
        raw = getattr(stream.buffer, "raw", stream.buffer)
        if type(raw) is io.FileIO:
            with suppress(OSError):
                stream.flush()
            setattr(sys, name, _unbroken(raw.fileno(), stream))


def _unbroken(number: int, like: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream like another one that never fails."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Unbroken(number, "w", closefd=False)),
        encoding=like.encoding,
        errors="replace",
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )


class _Unbroken(io.FileIO):
    """A file that takes what it is given even where the system no longer does."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def flush() -> OSError | None:
    """Write out what was printed; return the error where it could not be, and forget it then."""
    failed = None
    for name in NAMES:
        stream: IO[str] = getattr(sys, name)
        try:
            stream.flush()
        except OSError as error:
            failed = failed or error
            _forget(stream)
    return failed


def _forget(stream: IO[str]) -> None:
    """Let a stream lead nowhere, so that the end of the program does not fail at it again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def encoding() -> str:
    """Return what to print in, as Python's variable ``PYTHONIOENCODING`` says it to children."""
    return f"{getattr(sys.stdout, 'encoding', None) or 'utf-8'}:replace"

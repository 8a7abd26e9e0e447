"""The standard streams: closed ones, narrow ones, and those that nobody reads any more."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NAMES = ("stdout", "stderr")


class Watched(io.FileIO):
    """A file that remembers when it could not be written to, and may go on without a word."""

    failed: OSError | None = None
    quiet = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes and return their number, also of those that a quiet file has dropped."""
        try:
            return super().write(data)
        except OSError as error:
            self.failed = error
            if not self.quiet:
                raise
            return memoryview(data).nbytes


def make_safe() -> None:
    """Let nothing that is printed fail because a stream cannot show it, or is closed."""
    _open_closed_ones()
    for name in NAMES:
        stream = getattr(sys, name)
        if type(stream) is not io.TextIOWrapper:  # a test's, say
            continue
        raw = getattr(stream.buffer, "raw", stream.buffer)
        if type(raw) is io.FileIO:
            stream.flush()
            setattr(sys, name, _watched(raw.fileno(), stream))
        else:
            stream.reconfigure(errors="replace")


def _open_closed_ones() -> None:
    """Open the standard files that are closed; a file opened later would take their numbers."""
    for number, name in enumerate(("stdin", *NAMES)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(opened, True)
        if getattr(sys, name) is None:
            raw = io.FileIO(number, "r" if name == "stdin" else "w", closefd=False)
            buffer = io.BufferedReader(raw) if name == "stdin" else io.BufferedWriter(raw)
            setattr(sys, name, io.TextIOWrapper(buffer, encoding="utf-8"))


def _watched(number: int, like: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream like another one, whose file is watched, and which replaces letters."""
    return io.TextIOWrapper(
        io.BufferedWriter(Watched(number, "w", closefd=False)),
        encoding=like.encoding,
        errors="replace",
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )


def _files() -> Iterator[Watched]:
    for name in NAMES:
        buffer = getattr(getattr(sys, name), "buffer", None)
        raw = getattr(buffer, "raw", None)
        if isinstance(raw, Watched):
            yield raw


def outlive_readers() -> None:
    """Let this process print to nobody, rather than fail, when a reader or a terminal has gone."""
    for file in _files():
        file.quiet = True


def failure() -> OSError | None:
    """Return why something that was printed could not be written, if so and unless quiet."""
    for name in NAMES:
        with suppress(OSError):  # which the file remembers
            getattr(sys, name).flush()
    failed = [file for file in _files() if file.failed and not file.quiet]
    for file in failed:
        file.quiet = True  # the end of the program shall not fail at it again
    return failed[0].failed if failed else None


def encoding() -> str:
    """Return what to print in, as Python's variable ``PYTHONIOENCODING`` says it to children."""
    return f"{getattr(sys.stdout, 'encoding', None) or 'utf-8'}:replace"


def tell_progress(verb: str, done: int, total: int, what: str) -> None:
    """Say in place on a terminal how much is done; nothing where nobody watches.

    Args:
        verb: what is done, as ``embedded``.
        done: how many.
        total: of how many.
        what: of which things, as ``images of digits``.
    """
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{verb} {done:,} of {total:,} {what}", end=end, file=sys.stderr, flush=True)

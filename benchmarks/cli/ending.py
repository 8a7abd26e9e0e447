"""How a command line ends: its exit code, and the one sentence that says why."""

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from benchmarks import plugin_errors, streams
from benchmarks.commands import program_name
from benchmarks.errors import Exit, InterruptError, RefusedError, StopError, bounded
from benchmarks.outputs import FULL, WritingError

UNMAPPED = re.compile("failed to map segment|annot allocate memory")
"""What the system says where the memory that a process may have is too small for a library."""

SIGNALS = {"SIGTERM": (Exit.TERMINATED, "terminated"), "SIGHUP": (Exit.HUNG_UP, "hung up")}
"""The signals that end a run as Ctrl-C does; Windows has no SIGHUP."""


def ending_of(work: Callable[[], Exit]) -> Exit:
    """Do the work of a command line, say why it ended if it was not done, and return its code."""
    streams.make_safe()
    with _signals_raised():
        code = _code_of(work)
    return code if (failed := streams.failure()) is None else _unprinted(failed)


def _code_of(work: Callable[[], Exit]) -> Exit:
    try:
        return work()
    except BaseException as error:
        if isinstance(error, (OSError, SystemExit)) and (failed := streams.failure()):
            return _unprinted(failed)  # rich ends the program where its reader has gone
        if (last := _last_words(error)) is None:
            raise
        return _say(*last)


def _last_words(error: BaseException) -> tuple[str, Exit] | None:
    """Return what is said of an error, and the code that goes with it; None for a fault of ours."""
    if isinstance(error, RefusedError) or plugin_errors.faulty_method(error):
        return f"{program_name()}: {error}", getattr(error, "code", Exit.USAGE)
    if isinstance(error, _EndedError):
        return f"{error.word}; running again continues", error.ending
    if sentence := plugin_errors.failure(error):  # of a plugin, whatever it raises
        code = Exit.DATA_MISSING if isinstance(error, OSError) else Exit.USAGE
        return f"{program_name()}: {sentence}", code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; running again continues", Exit.INTERRUPTED
    if isinstance(error, ImportError) and UNMAPPED.search(str(error)):
        error = MemoryError(f"a library cannot be loaded ({error})")
    if isinstance(error, (OSError, MemoryError)):
        return f"{program_name()}: {_sentence_of(error)}", Exit.SYSTEM
    return None


def _say(sentence: str, code: Exit) -> Exit:
    """Print a sentence to whoever may still listen, and return the code that goes with it."""
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
    return code


def _unprinted(failed: OSError) -> Exit:
    """Return the code of a program that could not print; without a word where nobody reads it."""
    if isinstance(failed, BrokenPipeError) or (os.name == "nt" and failed.errno == errno.EINVAL):
        return Exit.READER_GONE
    reason = failed.strerror or failed
    return _say(f"{program_name()}: cannot write to the standard output: {reason}", Exit.SYSTEM)


def _sentence_of(error: OSError | MemoryError) -> str:
    """Say what the system refused, and of which file.

    >>> _sentence_of(WritingError(13, "Permission denied", "out/results.csv"))
    'cannot write to out/results.csv: Permission denied'
    >>> _sentence_of(OSError(28, "No space left on device"))
    'cannot write: No space left on device'
    >>> _sentence_of(FileNotFoundError(2, "No such file or directory", "x"))
    'cannot read or write x: No such file or directory'
    >>> len(_sentence_of(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000)))
    542
    >>> _sentence_of(OSError("not an image"))
    'OSError: not an image'
    >>> _sentence_of(MemoryError("8 GiB"))
    'there is too little memory: 8 GiB'
    """
    if isinstance(error, MemoryError):
        return "there is too little memory" + (f": {error}" if str(error) else "")
    if error.errno is None:
        return f"{type(error).__name__}: {error}"
    writes = isinstance(error, WritingError) or error.errno in FULL
    name = "" if error.filename is None else os.fsdecode(error.filename)
    deed = ("cannot write to" if name else "cannot write") if writes else "cannot read or write"
    return f"{deed} {bounded(name, 500)}".rstrip() + f": {error.strerror}"


class _EndedError(StopError):
    """The exception that a signal raises."""

    def __init__(self, ending: Exit, word: str) -> None:
        super().__init__(ending, word)
        self.ending, self.word = ending, word


@contextlib.contextmanager
def _signals_raised() -> Iterator[None]:
    """Raise ``StopError`` at a signal that would end this process, unless it is ignored."""
    names = [name for name in ("SIGINT", *SIGNALS) if hasattr(signal, name)]
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names}
    for number, handler in before.items():
        if handler not in {signal.SIG_IGN, None}:  # as under nohup; None is not Python's
            signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    name = signal.Signals(number).name
    if name == "SIGINT":
        raise InterruptError
    if name == "SIGHUP":  # the system and the shell both send it
        signal.signal(number, signal.SIG_IGN)
    raise _EndedError(*SIGNALS[name])

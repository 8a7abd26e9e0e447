"""Whose an error is: those of a plugin are told with its file, its line and their message.

Nothing here is slow to import, as the command line asks it about every error.
"""

import contextlib
import re
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from benchmarks.errors import RefusedError, StopError

MODULE = re.compile(r"plugin_[0-9a-f]{12}(\..+)?")
"""The names of a plugin's modules: of the package that its folder is, and of those in it."""

LOADER = "benchmarks.plugin_modules"
"""The module that reads the files of plugins."""

LONGEST = 500
"""The letters of an error's text that are shown."""


class LateError(BaseException):
    """Code of a plugin has not returned in time; no ``except Exception`` of its own holds it."""


def in_words(error: BaseException) -> str:
    """Return the type and the first line of an error, whatever it does when it is asked."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  it can do anything
        text = "(its text cannot be read)"
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in lines[0].strip()[:LONGEST])
    text = text.partition(". ")[0] if text.startswith("vmap: ") else text  # the rest is advice
    if isinstance(error, SystemExit):
        text = f"{text or 'None'}, but a plugin must not end the program"
    if _is_refusal(error) or isinstance(error, LateError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place(error: BaseException) -> tuple[Path, int] | None:
    """Return the file and the line of a plugin in which an error arose; None for another's."""
    trace = list(traceback.walk_tb(error.__traceback__))
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in trace if is_plugin(frame)]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        read = any(frame.f_globals.get("__name__") == LOADER for frame, _ in trace)
        frames += [(Path(error.filename), error.lineno)] if read else []
    if frames:
        return frames[-1]
    cause = error.__cause__ or error.__context__
    return place(cause) if cause else None


def failure(error: BaseException) -> str:
    """Say how a plugin failed, in a sentence; nothing of an error that is not a plugin's.

    Nor of one that a signal raised while the plugin ran.
    """
    if isinstance(error, StopError) or (where := place(error)) is None:
        return ""
    path, line = where
    return f"plugin {shown(path)}:{line} failed: {in_words(error)}"


def reason(error: BaseException) -> str:
    """Return the words for an error, with the name of a plugin's file and the line behind them."""
    return in_words(error) + _behind(error)


def faulty_method(error: BaseException) -> str:
    """Return the sentence about a faulty file of ``methods/``; nothing of another error."""
    faulty = isinstance(error, ImportError) and error.name == "methods" and error.path
    return str(error) if faulty else ""


def refusal(error: ValueError) -> str:
    """Return the text of a refusal, with the place where a plugin has raised it."""
    return f"{error}{_behind(error)}"


def _behind(error: BaseException) -> str:
    """Return the name of a plugin's file and the line in brackets, nothing of another's error."""
    where = place(error)
    return f" ({where[0].name}:{where[1]})" if where else ""


def shown(path: Path) -> Path:
    """Return a path as a user would write it: below the current folder without that."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def is_plugin(frame: FrameType) -> bool:
    """Tell whether a frame runs code of a plugin."""
    return MODULE.fullmatch(str(frame.f_globals.get("__name__"))) is not None


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let no code of a plugin run for longer in the main thread, where the system has alarms.

    An alarm that would ring earlier rings instead of this one.

    Raises:
        LateError: the time is over.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not in_main_thread:
        yield
        return

    waiting = signal.getitimer(signal.ITIMER_REAL)[0]
    seconds = min(seconds, waiting) if waiting else seconds

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise LateError(f"no answer within {seconds:g} s")

    before, began = signal.signal(signal.SIGALRM, ring), time.monotonic()
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:  # another's alarm rings as it would have
        left = max(1e-3, remaining - (time.monotonic() - began)) if remaining else 0.0
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left, interval)


def _is_refusal(error: BaseException) -> bool:
    """Tell whether an error is a sentence of ours, say about a value that a plugin gave."""
    ours = _innermost(error.__traceback__).startswith(("methods.", "benchmarks."))
    return isinstance(error, RefusedError) or (isinstance(error, ValueError) and ours)


def _innermost(trace: TracebackType | None) -> str:
    """Return the name of the module in which an error was raised."""
    frames = list(traceback.walk_tb(trace))
    return str(frames[-1][0].f_globals.get("__name__")) if frames else ""

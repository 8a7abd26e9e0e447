"""All checks of plugins, in a process of their own, which they may end or hang in."""

import multiprocessing
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import plugin_errors, plugins, processes, streams
from benchmarks.contract import CHECKS, LONGEST_STEP, QUICK, Check, Finding, examine, quick, where
from benchmarks.errors import DataMissingError, RefusedError

PRELOAD = ("benchmarks.contract.process",)
"""What the process has imported when it starts."""

STARTING = 300.0
"""Seconds in which a process starts on any machine."""

GRACE = 5.0
"""Seconds that an alarm inside the process has before the process is ended from outside."""


class Heading(NamedTuple):
    """The entry that the next findings are about."""

    kind: str
    name: str
    place: str = ""  # its file and line

    def __str__(self) -> str:
        place = f" ({self.place})" if self.place else ""
        return f"{self.kind} {self.name}{place}"


READY, LOADED, DONE = "ready", "loaded", "done"
"""What the process says beside headings, findings and an error that ends it."""


class _SilenceError(Exception):
    """The process has ended, or does not answer; the text says so."""


AFTERWARDS = "leaves its process alive"
"""What an entry must do once all its checks have ended."""


def try_quickly(paths: Sequence[Path], root: Path) -> None:
    """Refuse plugins that fail a quick check, in a copy of this process.

    Raises:
        RefusedError: a plugin cannot be loaded, or an entry fails; the text says how.
    """
    heading = Heading("", "")
    context = multiprocessing.get_context("fork")
    for event in _events(context, (tuple(paths), root, LONGEST_STEP), QUICK):
        if isinstance(event, Heading):
            heading = event
        elif event.fault:
            raise RefusedError(f"the {heading.kind} {heading.name} fails: {event.fault}")


def findings(paths: Sequence[Path], root: Path, seconds: float) -> Iterator[Heading | Finding]:
    """Load plugins in another process and yield each of their entries with its findings.

    Args:
        paths: of the plugins.
        root: the folder of the image files.
        seconds: how long loading a plugin, or one check, may take.

    Raises:
        RefusedError: a plugin cannot be loaded, ends the process as it is loaded, or hangs.
        DataMissingError: a dataset's files are not there.
    """
    context = processes.worker_context(PRELOAD)
    return _events(context, (tuple(paths), root, seconds), CHECKS)


def _events(
    context: BaseContext,
    work: tuple[Sequence[Path], Path, float],
    checks: Mapping[str, Sequence[Check]],
) -> Iterator[Heading | Finding]:
    """Yield what the process finds, and how it ends if it ends early."""
    paths, _, seconds = work
    receiver, sender = context.Pipe(duplex=False)
    quickly = checks is QUICK
    process = context.Process  # type: ignore[attr-defined]  # of every context
    child = process(target=_examine_all, args=(*work, sender, quickly))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a copy uses one thread alone
        child.start()
    sender.close()
    heading, tried, patience = Heading("", ""), 0, STARTING
    try:
        while True:
            try:
                event = _received(receiver, patience)
            except _SilenceError as ending:
                child.join(1.0)
                code = "" if child.is_alive() else f" with exit code {child.exitcode}"
                if not heading.kind:
                    named = ", ".join(str(plugin_errors.shown(path)) for path in paths)
                    sentence = f"{named} cannot be loaded: {ending}{code}"
                    raise RefusedError(sentence) from None
                names = [check.__name__.replace("_", " ") for check in checks[heading.kind]]
                check = [*names, AFTERWARDS][tried]
                yield Finding(check, f"{ending}{code}; what follows was not checked")
                return
            patience = seconds + GRACE
            if isinstance(event, RefusedError):
                raise event
            if event == DONE:
                return
            if isinstance(event, (Heading, Finding)):
                heading, tried = (event, 0) if isinstance(event, Heading) else (heading, tried + 1)
                yield event
    finally:
        child.kill()
        child.join()


def _received(receiver: Connection, patience: float) -> object:
    """Return the next event of the process.

    Raises:
        _SilenceError: there is none in time, or there will be none.
    """
    if not receiver.poll(patience):
        raise _SilenceError(f"no answer within {patience - GRACE:g} s")
    try:
        return receiver.recv()
    except (EOFError, OSError):
        raise _SilenceError("it ended its process") from None


def _examine_all(
    paths: Sequence[Path], root: Path, seconds: float, sender: Connection, quickly: bool
) -> None:
    """Load plugins and send what the checks find."""
    streams.make_safe()
    streams.outlive_readers()  # what a plugin prints
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    for name in ("SIGTERM", "SIGHUP"):  # a copy has inherited what the parent does
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    processes.end_with_parent()
    torch.set_num_threads(1)
    sender.send(READY)
    try:
        entries = plugins.load(*paths, seconds=seconds)
        sender.send(LOADED)
        for kind, name in entries:
            sender.send(Heading(kind, name, where(kind, name)))
            every = quick(kind, name, root) if quickly else examine(kind, name, root, seconds)
            for finding in every:
                sender.send(finding)
        sender.send(DONE)
    except RefusedError as error:
        missing = isinstance(error, DataMissingError)
        sender.send((DataMissingError if missing else RefusedError)(str(error)))

"""All checks of plugins, in a process of their own, which they may end or hang in."""

import contextlib
import multiprocessing
import signal
import warnings
from collections.abc import Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import plugin_errors, plugins, processes, streams
from benchmarks.contract import CHECKS, LONGEST_STEP, QUICK, Finding, examine, quick, where
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.plugins import Entry

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


class _Work(NamedTuple):
    """What a process is to check: the entries of plugins, but those that are known already."""

    paths: Sequence[Path]
    root: Path  # of the image files
    seconds: float  # how long loading a plugin, or one check, may take
    quickly: bool = False
    known: AbstractSet[Entry] = frozenset()


AFTERWARDS = "leaves its process alive"
"""What an entry must do once all its checks have ended."""


def try_quickly(paths: Sequence[Path], root: Path) -> Iterator[tuple[Entry, str]]:
    """Yield entries that fail a quick check in a copy of this process, with what they do wrong.

    Another copy goes on behind each, as an entry may have ended the one before.

    Raises:
        RefusedError: a plugin cannot be loaded; the text says how.
    """
    known, context = set[Entry](), multiprocessing.get_context("fork")
    goes_on = True
    while goes_on:
        goes_on = False
        work = _Work(tuple(paths), root, LONGEST_STEP, quickly=True, known=frozenset(known))
        with contextlib.closing(_events(context, work)) as events:
            for event in events:
                if isinstance(event, Heading):
                    entry = (event.kind, event.name)
                    known.add(entry)
                elif event.fault:
                    yield entry, event.fault
                    goes_on = True
                    break


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
    return _events(context, _Work(tuple(paths), root, seconds))


def _events(context: BaseContext, work: _Work) -> Generator[Heading | Finding]:
    """Yield what the process finds, and how it ends if it ends early."""
    checks = QUICK if work.quickly else CHECKS
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process  # type: ignore[attr-defined]  # of every context
    child = process(target=_examine_all, args=(work, sender))
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
                    named = ", ".join(str(plugin_errors.shown(path)) for path in work.paths)
                    sentence = f"{named} cannot be loaded: {ending}{code}"
                    raise RefusedError(sentence) from None
                names = [check.__name__.replace("_", " ") for check in checks[heading.kind]]
                check = [*names, AFTERWARDS][tried]
                yield Finding(check, f"{ending}{code}; what follows was not checked")
                return
            patience = work.seconds + GRACE
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


def _examine_all(work: _Work, sender: Connection) -> None:
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
        entries = plugins.load(*work.paths, seconds=work.seconds)
        sender.send(LOADED)
        for kind, name in (entry for entry in entries if entry not in work.known):
            sender.send(Heading(kind, name, where(kind, name)))
            for finding in _found(kind, name, work):
                sender.send(finding)
        sender.send(DONE)
    except RefusedError as error:
        missing = isinstance(error, DataMissingError)
        sender.send((DataMissingError if missing else RefusedError)(str(error)))


def _found(kind: str, name: str, work: _Work) -> Iterator[Finding]:
    """Yield what the checks find of an entry."""
    if work.quickly:
        return quick(kind, name, work.root)
    return examine(kind, name, work.root, work.seconds)

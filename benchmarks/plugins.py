"""Plugins: files of a user's own that register entries."""

import functools
import os
import sys
from pathlib import Path
from typing import NoReturn

from benchmarks import plugin_errors, plugin_modules
from benchmarks.errors import RefusedError, StopError
from benchmarks.inputs import InputError, read_bytes
from benchmarks.plugin_digest import plugin_digest
from benchmarks.sweep import REGISTRIES
from methods.bounds import Bounded

Entry = tuple[str, str]
"""The kind and the name of an entry."""

LONGEST_LOADING = 600.0
"""Seconds after which a plugin's file is taken to hang."""

_loaded: dict[Path, list[Entry]] = {}  # by file


def load(*paths: Path, seconds: float = LONGEST_LOADING) -> list[Entry]:
    """Run Python files that register entries and return their kinds and names, each once.

    A file may call ``register(name, class)`` of any of ``METHODS``, ``DATASETS``, ``NOISES``,
    ``MODELS`` and ``RECIPES``, and import the modules beside it. Its code, with that of
    the modules it imports from its folder, becomes part of its entries' version, so that editing it
    retrains their cells instead of passing off old results as new. A file is run once; what a file
    registers that fails is withdrawn.

    Args:
        paths: of the files.
        seconds: after which a file is taken to hang.

    Raises:
        RefusedError: a file is absent, no Python file, fails, or registers nothing; the text has
            the line.
    """
    return list(dict.fromkeys(entry for path in paths for entry in _load(path, seconds)))


def _load(path: Path, seconds: float) -> list[Entry]:
    own = path.resolve()
    if own in _loaded:
        return _loaded[own]
    _refuse_other_files(path)
    before = set(_entries())
    _hold_exits(os.getpid())
    try:
        with plugin_errors.deadline(seconds):
            module = plugin_modules.execute(path)
        added = [entry for entry in _entries() if entry not in before]
        added = added or [e for e in before if _class(e).__module__ == module.__name__]
    except StopError:
        raise
    except BaseException as error:
        for kind, name in set(_entries()) - before:
            REGISTRIES[kind].withdraw(name)
        sentence = (
            plugin_errors.failure(error) or f"plugin {path} failed: {plugin_errors.in_words(error)}"
        )
        raise RefusedError(sentence) from error
    if not added:
        raise RefusedError(f"plugin {path} registers nothing: METHODS.register(name, class)")
    for kind, name in set(added) - before:  # one that another plugin brought has its version
        entry, origin = REGISTRIES[kind][name], Path(REGISTRIES[kind].origin(name))
        digest = plugin_digest(origin if origin.is_file() else own)
        entry.version = f"{entry.version}+{digest}"
    _loaded[own] = added
    return added


def _refuse_other_files(path: Path) -> None:
    """Refuse a plugin's file that is absent, unreadable, or no Python file.

    Raises:
        RefusedError: it is one of these.
    """
    if not os.path.lexists(path):
        raise RefusedError(f"no plugin file {path}")
    data = read_bytes(path)
    if path.suffix != ".py":
        raise InputError(path, "a plugin is a Python file, whose name ends with .py")
    if b"\0" in data:
        raise InputError(path, "a plugin is a Python file, and this one holds bytes that are none")


def _entries() -> list[Entry]:
    """Return the kinds and names of all entries there are."""
    return [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]


def _class(entry: Entry) -> type[Bounded]:
    kind, name = entry
    entry_class: type[Bounded] = REGISTRIES[kind][name]
    return entry_class


@functools.cache
def _hold_exits(process: int) -> None:
    """Let ``os._exit`` raise ``SystemExit`` where a plugin's own code calls it.

    It would end this process, or the one with that number, at once and without a word, with a code
    that may mean success.
    """
    exit_now = os._exit

    def held(status: int = 0) -> NoReturn:
        caller = sys._getframe(1)  # noqa: SLF001  the way there is
        if os.getpid() == process and plugin_errors.is_plugin(caller):
            raise SystemExit(f"os._exit({status})")
        exit_now(status)

    os._exit = held

"""Plugins: files of a user's own that register entries."""

import hashlib
import importlib.util
import sys
from pathlib import Path

from benchmarks.errors import RefusedError
from benchmarks.sweep import REGISTRIES

Entry = tuple[str, str]
"""The kind and the name of an entry."""

_loaded: dict[str, list[Entry]] = {}  # by module name


def load(*paths: Path) -> list[Entry]:
    """Run Python files that register entries and return their kinds and names.

    A file may call ``register(name, class)`` of any of ``METHODS``, ``DATASETS``, ``NOISES``,
    ``MODELS`` and ``RECIPES``. Its content becomes part of its entries' version, so that editing it
    retrains their cells instead of passing off old results as new. A file is run once.

    Raises:
        RefusedError: a file is absent, fails, or registers nothing.
    """
    return [entry for path in paths for entry in _load(path)]


def _load(path: Path) -> list[Entry]:
    if not path.is_file():
        raise RefusedError(f"no plugin file {path}")
    name = f"plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name in _loaded:
        return _loaded[name]
    before = set(_entries())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RefusedError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise RefusedError(f"plugin {path} failed: {type(error).__name__}: {error}") from error
    if not (added := [entry for entry in _entries() if entry not in before]):
        raise RefusedError(f"plugin {path} registers nothing: METHODS.register(name, class)")
    for kind, entry_name in added:
        entry = REGISTRIES[kind][entry_name]
        entry.version = f"{entry.version}+{digest}"
    _loaded[name] = added
    return added


def _entries() -> list[Entry]:
    """Return the kinds and names of all entries there are."""
    return [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]

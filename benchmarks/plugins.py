"""A user's own entries, from a file that is not ours."""

import hashlib
import importlib.util
import sys
from pathlib import Path

from benchmarks.errors import RefusedError
from benchmarks.sweep import REGISTRIES

_LOADED: dict[str, list[tuple[str, str]]] = {}


def load(path: Path) -> list[tuple[str, str]]:
    """Run a Python file that registers entries and return their kinds and names.

    It may call ``register(name, class)`` of any of ``METHODS``, ``DATASETS``, ``NOISES``,
    ``MODELS`` and ``RECIPES``. The file's content becomes part of its entries' version, so that
    editing it retrains their cells instead of passing off old results as new.

    Raises:
        RefusedError: the file is absent, fails, or registers nothing.
    """
    if not path.is_file():
        raise RefusedError(f"no plugin file {path}")
    name = f"plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name in _LOADED:
        return _LOADED[name]
    before = {(kind, entry) for kind, registry in REGISTRIES.items() for entry in registry}
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
    after = [(kind, entry) for kind, registry in REGISTRIES.items() for entry in registry]
    if not (added := [pair for pair in after if pair not in before]):
        raise RefusedError(f"plugin {path} registers nothing: METHODS.register(name, class)")
    for kind, entry in added:
        registered = REGISTRIES[kind][entry]
        registered.version = f"{registered.version}+{digest}"
    _LOADED[name] = added
    return added

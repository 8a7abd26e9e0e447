"""A user's own methods, from a file that is not ours."""

import hashlib
import importlib.util
import sys
from pathlib import Path

from benchmarks.refusals import RefusedError
from methods import METHODS


def load(path: Path) -> list[str]:
    """Run a Python file that calls ``METHODS.register(name, class)`` and return the new names.

    The file's content becomes part of its methods' version, so that editing it retrains their
    cells instead of passing off old results as new.

    Raises:
        RefusedError: the file is absent, fails, or registers nothing.
    """
    if not path.is_file():
        raise RefusedError(f"no plugin file {path}")
    before, source = set(METHODS), path.read_bytes()
    name = f"plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return []
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
    if not (added := [entry for entry in METHODS if entry not in before]):
        raise RefusedError(f"plugin {path} registers nothing: METHODS.register(name, class)")
    for entry in added:
        digest = hashlib.sha256(source).hexdigest()[:12]
        METHODS[entry].version = f"{METHODS[entry].version}+{digest}"
    return added

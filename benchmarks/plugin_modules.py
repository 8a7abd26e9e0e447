"""The modules of a plugin: its file and its neighbours, which it imports as a script would.

The folder of a plugin is a package of its own, ``plugin_`` and a digest of the folder's path. An
``import`` in one of its files finds the files beside it first, each under the package's name, so
that two plugins may have neighbours of one name, and none of them hides a module of anybody else.
"""

import builtins
import hashlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from benchmarks import plugin_errors

OURS = ("benchmarks", "methods")
"""Packages that no neighbour hides."""

NEEDED = ("torch", "numpy")
"""Packages whose names no neighbour may have: every plugin means the installed ones."""


def execute(path: Path) -> ModuleType:
    """Run a plugin's file, unless a neighbour has imported it, and return its module.

    Raises:
        BaseException: whatever the file raises; its module is then forgotten.
    """
    package = _package(path.resolve().parent)
    name = f"{package}.{path.stem.replace('.', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    before = set(sys.modules)
    loader = _SourceLoader(name, str(path.resolve()))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        for other in {key for key in sys.modules if key.startswith(package)} - before:
            del sys.modules[other]
        raise
    return module


def _package(folder: Path) -> str:
    """Return the name of the package that a folder is, made when it is first asked for."""
    name = f"plugin_{hashlib.sha256(str(folder).encode(errors='surrogateescape')).hexdigest()[:12]}"
    if name not in sys.modules:
        package = ModuleType(name, "The files of a plugin's folder.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
        sys.meta_path.insert(0, _Finder(name))
    return name


_seen: dict[Path, set[Path]] = {}  # the files that the code in a file was seen to import


def seen_imports(path: Path) -> list[Path]:
    """Return the neighbours that the code in a plugin's file imported first, however it did."""
    return sorted(_seen.get(path, ()))


def _see_import(path: Path) -> None:
    """Note which file of a plugin has a module run."""
    frame = inspect.currentframe()
    while frame and not plugin_errors.is_plugin(frame):
        frame = frame.f_back
    if frame:
        _seen.setdefault(Path(frame.f_code.co_filename), set()).add(path)


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """A loader whose modules import their neighbours; it neither reads nor writes bytecode.

    Bytecode may be older than a file that was edited twice within a second.
    """

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Run the file with an ``import`` of its own."""
        package = module.__name__.partition(".")[0]
        own = {**vars(builtins), "__import__": _Import(package)}
        _see_import(Path(self.get_filename(module.__name__)))
        module.__dict__["__builtins__"] = own
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Find the modules of one package, to be loaded as the plugin's file is."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module of the package; None for any other."""
        if not fullname.startswith(f"{self._package}."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec and spec.origin and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _SourceLoader(fullname, spec.origin)
            spec.cached = None
        return spec


class _Import:
    """The ``import`` of a plugin's files: neighbours first, then what everybody sees."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._folder = list(sys.modules[package].__path__)
        self._known: dict[str, bool] = {}  # a hook may import in every step

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002  the names of builtins.__import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Do what ``builtins.__import__`` does."""
        top = name.partition(".")[0]
        if top not in self._known:
            self._known[top] = self._is_neighbour(top)
        if level or not self._known[top]:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        own = f"{self._package}.{name}"
        module = builtins.__import__(own, globals, locals, fromlist or (), 0)
        return module if fromlist else sys.modules[f"{self._package}.{top}"]

    def _is_neighbour(self, name: str) -> bool:
        """Tell whether a file or a package beside the plugin has this name."""
        if name in OURS:
            return False
        if f"{self._package}.{name}" in sys.modules:
            return True
        spec = importlib.machinery.PathFinder.find_spec(name, self._folder)
        if spec is None:
            return False
        plain = spec.loader is None  # a folder without __init__.py, which an installed one hides
        if name in NEEDED and not plain:
            raise ImportError(f"{spec.origin} hides the package {name} from plugins; rename it")
        return not plain or importlib.util.find_spec(name) is None

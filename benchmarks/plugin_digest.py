"""The digest of a plugin's code: of its file, and of every module that it imports from its folder.

The code is read and not run, so that a module counts whose import stands in a function. Those that
were imported by a name that is computed count too, once they have been.
"""

import ast
import hashlib
import importlib.machinery
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.inputs import read_bytes
from benchmarks.plugin_modules import OURS, seen_imports

IMPORTERS = ("import_module", "__import__", "run_module")
"""Functions whose first argument names a module."""
SUFFIXES = tuple(importlib.machinery.all_suffixes())
NAME = re.compile(r"(\.*)([^\W\d]\w*(?:\.[^\W\d]\w*)*)?")


class _Import(NamedTuple):
    """A module that code names: how many dots stand before it, and its parts."""

    dots: int
    parts: tuple[str, ...]


def plugin_digest(plugin: Path) -> str:
    """Return twelve hex digits of a plugin's code, wherever its folder lies.

    Args:
        plugin: its file, which exists.

    Raises:
        InputError: a file cannot be read.
    """
    plugin = plugin.resolve()
    folder, files, waiting = plugin.parent, dict[Path, bytes](), [plugin]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files[path] = read_bytes(path)
            waiting += _neighbours(path, files[path], folder)
            waiting += seen_imports(path)
    data = files.pop(plugin)  # whatever its name
    whole = hashlib.sha256(data)
    for path, data in sorted(files.items()):
        whole.update(f"\0{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()[:12]


def _neighbours(path: Path, data: bytes, folder: Path) -> Iterator[Path]:
    """Yield the files in ``folder`` that the code in a file may import."""
    try:
        tree = ast.parse(data) if path.suffix == ".py" else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # its import fails, which is told when it does
    for node in ast.walk(tree):
        for dots, parts in _imports(node):
            if dots:
                yield from _files(path.parents[dots - 1], parts, folder)
            elif parts and parts[0] not in OURS:
                yield from _files(folder, parts, folder)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _named_file(path.parent, node.value, folder)


def _imports(node: ast.AST) -> Iterator[_Import]:
    """Yield the modules that a statement or a call names, and attributes that may be modules."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield _Import(0, tuple(alias.name.split(".")))
    elif isinstance(node, ast.ImportFrom):
        parts = tuple(node.module.split(".")) if node.module else ()
        for alias in node.names:
            yield _Import(node.level, (*parts, alias.name))
    elif isinstance(node, ast.Call) and node.args and _called(node.func) in IMPORTERS:
        first = node.args[0]
        text = first.value if isinstance(first, ast.Constant) else None
        if isinstance(text, str) and (match := NAME.fullmatch(text)):
            yield _Import(len(match[1]), tuple((match[2] or "").split(".")))
    elif isinstance(node, ast.Assign) and any(map(_is_all, node.targets)):
        for entry in ast.walk(node.value):  # a star imports them
            if isinstance(entry, ast.Constant) and isinstance(entry.value, str):
                yield _Import(1, (entry.value,))


def _called(function: ast.expr) -> str:
    """Return the last name of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_all(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == "__all__"


def _files(place: Path, parts: tuple[str, ...], folder: Path) -> Iterator[Path]:
    """Yield the files that are run where ``a.b.c`` is imported from a place within ``folder``."""
    for depth in range(len(parts) + 1):
        stem = place.joinpath(*parts[:depth])
        wanted = [stem / f"__init__{suffix}" for suffix in SUFFIXES] if stem != folder else []
        if depth:
            wanted += [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
        for path in wanted:
            if path.is_relative_to(folder) and path.is_file():
                yield path.resolve()


def _named_file(place: Path, text: str, folder: Path) -> Iterator[Path]:
    """Yield the Python file beside a file whose name is a text in it: it may be run by its path."""
    if text.endswith(".py") and "\0" not in text:
        path = (place / text).resolve()
        if path.is_relative_to(folder) and path.is_file():
            yield path

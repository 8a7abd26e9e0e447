"""Methods for learning with noisy labels. Needs torch and nothing else of this project.

Every module of this package but ``NOT_METHODS`` holds one method, whose name is the module's.
"""

import keyword
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType

from methods.base import FAMILIES, Batch, Method, Network, Stage, State, Task, Trusted
from methods.loss_spec import serve
from methods.registry import Registry

NOT_METHODS = ("base", "bounds", "loss_spec", "paper", "registry", "spelling")


def method_of(module: ModuleType) -> type[Method]:
    """Return the method that a module defines.

    Raises:
        TypeError: it defines none or several, or one without a label or a family.
    """
    classes = [entry for entry in vars(module).values() if isinstance(entry, type)]
    own = [c for c in classes if issubclass(c, Method) and c.__module__ == module.__name__]
    if len(own) != 1:
        names = ", ".join(c.__name__ for c in own) or "none"
        raise TypeError(
            f"{module.__name__} must define one subclass of Method, got {names}; what methods "
            "share belongs in methods/parts"
        )
    (method,) = own
    if not method.label or not method.family:
        raise TypeError(f"{module.__name__}.{method.__name__} must have a label and a family")
    return method


def _read(file: Path) -> type[Method]:
    """Return the method of a file.

    Raises:
        ImportError: the file is faulty; the text is a sentence that names it.
    """
    name = file.stem
    if not name.isidentifier() or keyword.iskeyword(name):
        raise _faulty(file, "the method's name is its file's, so it must be an identifier")
    try:
        method = method_of(import_module(f"{__name__}.{name}"))
    except TypeError as error:
        raise _faulty(file, str(error), error) from error
    except BaseException as error:
        raise _faulty(file, f"{type(error).__name__}: {error}", error) from error
    if fault := method.fault():
        raise _faulty(file, f"{method.__name__}{fault}")
    if not method.facts()["title"] and (method.family != "baseline" or "Source:" in _text(method)):
        lack = "cannot be read" if "Source:" in _text(method) else "is missing"
        raise _faulty(
            file,
            f"the Source: of {method.__name__} {lack}; it begins Given Family, Given Family & "
            'Given Family, "Title", Venue Year. https://...',
        )
    return method


def _text(method: type[Method]) -> str:
    return method.__doc__ or ""


def _faulty(file: Path, fault: str, error: BaseException | None = None) -> ImportError:
    """Return the error about a file, with the line where another error arose in it."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    lines = [frame.lineno for frame in frames if Path(frame.filename) == file]
    if isinstance(error, SyntaxError) and error.filename == str(file):
        lines, fault = [error.lineno], f"SyntaxError: {error.msg}"
    place = f":{lines[-1]}" if lines else ""
    sentence = f"{file.parent.name}/{file.name}{place}: {' '.join(fault.split())}"
    return ImportError(sentence, name=__name__, path=str(file))


def _catalogue() -> dict[str, type[Method]]:
    """Return the methods of this package by name: by family, by year, by name.

    Raises:
        ImportError: a file is faulty; the text is a sentence that names it.
    """
    files = sorted(file for folder in __path__ for file in Path(folder).glob("[!._]*.py"))
    methods = {file.stem: _read(file) for file in files if file.stem not in NOT_METHODS}
    families = list(FAMILIES)

    def place(name: str) -> tuple[int, str, str]:
        facts = methods[name].facts()
        return families.index(facts["family"]), facts["year"], name

    return {name: methods[name] for name in sorted(methods, key=place)}


METHODS: Registry[Method] = Registry("method", Method, **_catalogue())
serve(METHODS)

__all__ = ["METHODS", "Batch", "Method", "Network", "Registry", "Stage", "State", "Task", "Trusted"]

"""Methods for learning with noisy labels. Needs torch and nothing else of this project.

Every module of this package but ``NOT_METHODS`` holds one method, whose name is the module's.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from methods.base import FAMILIES, Batch, Method, Network, Stage, State, Task, Trusted
from methods.loss_spec import serve
from methods.registry import Registry

NOT_METHODS = ("base", "bounds", "loss_spec", "paper", "registry")


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


def _catalogue() -> dict[str, type[Method]]:
    """Return the methods of this package by name: by family, by year, by name."""
    modules = [m.name for m in iter_modules(__path__) if not m.ispkg and m.name not in NOT_METHODS]
    methods = {name: method_of(import_module(f"{__name__}.{name}")) for name in modules}
    families = list(FAMILIES)

    def place(name: str) -> tuple[int, str, str]:
        facts = methods[name].facts()
        return families.index(facts["family"]), facts["year"], name

    return {name: methods[name] for name in sorted(methods, key=place)}


METHODS: Registry[Method] = Registry("method", Method, **_catalogue())
serve(METHODS)

__all__ = ["METHODS", "Batch", "Method", "Network", "Registry", "Stage", "State", "Task", "Trusted"]

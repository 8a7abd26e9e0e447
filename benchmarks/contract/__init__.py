"""The checks that every entry of a catalogue must pass, ours or a plugin's."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from types import FunctionType
from typing import Any, NamedTuple

from benchmarks.contract import checks
from benchmarks.contract.checks import BrokenContractError
from benchmarks.datasets import Dataset
from benchmarks.errors import DataMissingError
from benchmarks.models import Model
from benchmarks.noise import Noise
from benchmarks.sweep import REGISTRIES
from methods import Method
from methods.bounds import Bounded


def _checks_of(kind: type) -> tuple[Callable[[Any], None], ...]:
    """Return the functions that check entries of a kind, in their order in the module."""
    functions = [value for value in vars(checks).values() if isinstance(value, FunctionType)]
    return tuple(f for f in functions if list(f.__annotations__.values()) == [kind, None])


CHECKS = {
    "method": _checks_of(Method),
    "dataset": _checks_of(Dataset),
    "noise": _checks_of(Noise),
    "model": _checks_of(Model),
    "recipe": (),  # a recipe is numbers alone, and its fields bound them
}


class Finding(NamedTuple):
    """The outcome of one check of one entry."""

    check: str  # what the entry must do, in words
    fault: str = ""  # what it does instead; empty where all is well

    def __str__(self) -> str:
        if not self.fault:
            return f"ok    {self.check}"
        return f"FAULT {self.check}\n      {self.fault}"


def examine(kind: str, name: str) -> Iterator[Finding]:
    """Run every check of a kind on an entry and yield its outcome.

    Args:
        kind: of the entry: method, dataset, noise, model or recipe.
        name: of the entry in the catalogue of its kind.

    Raises:
        DataMissingError: a dataset's files are not there.
    """
    try:
        entry = example(REGISTRIES[kind][name])
    except BrokenContractError as error:
        yield Finding("can be built", str(error))
        return
    for check in CHECKS[kind]:
        fault = ""
        try:
            check(entry)
        except BrokenContractError as error:
            fault = str(error)
        except DataMissingError:
            raise
        except Exception as error:  # noqa: BLE001  a plugin can fail in any way
            fault = f"{type(error).__name__}: {error}"
        yield Finding(check.__name__.replace("_", " "), fault)


def example(entry: type[Bounded]) -> Bounded:
    """Return an entry at its defaults; what has none gets a third of its range."""
    values = {}
    needed = {field.name for field in fields(entry) if field.default is MISSING}
    for field in entry.fields():
        if field.name not in needed:
            continue
        if field.interval is None:
            raise BrokenContractError(f"{entry.__name__}.{field.name} needs a default or a range")
        low, high = field.interval
        values[field.name] = field.kind(low + (min(high, low + 10) - low) / 3)
    return entry(**values)

"""What every entry of a catalogue must do, ours or a plugin's."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from benchmarks.contract import of_data, of_methods
from benchmarks.contract.fault import BrokenContractError
from benchmarks.errors import DataMissingError
from benchmarks.sweep import REGISTRIES
from methods.bounds import Bounded

CHECKS: dict[str, tuple[Callable[[Any], None], ...]] = {
    "method": of_methods.CHECKS,
    "dataset": of_data.DATASET_CHECKS,
    "noise": of_data.NOISE_CHECKS,
    "model": of_data.MODEL_CHECKS,
    "recipe": (),  # a recipe is numbers alone, and its fields bound them
}


class Finding(NamedTuple):
    """What came of one check."""

    kind: str
    name: str
    check: str
    fault: str  # nothing where all is well


def examine(kind: str, name: str) -> Iterator[Finding]:
    """Run every check of a kind on an entry."""
    try:
        entry = example(REGISTRIES[kind][name])
    except BrokenContractError as error:
        yield Finding(kind, name, "can be built", str(error))
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
        yield Finding(kind, name, check.__name__.replace("_", " "), fault)


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

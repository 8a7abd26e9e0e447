"""Random search: configurations of a method from the space that ``tuned.toml`` declares for it."""

import functools
import math
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import torch

from benchmarks.profiles.configurations import FOLDER, fields_of, spec_of
from benchmarks.seeds import generator
from methods import METHODS, Method

FACTOR = 4.0
"""A number for which nothing is declared is searched from its default / FACTOR to x FACTOR."""

DIGITS = 3
"""Significant digits of a random number, so that it can be read and typed."""


class Axis(NamedTuple):
    """The range of one field in a search: from one end to the other, or among choices."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[float, ...] = ()

    def at(self, share: float) -> float:
        """Return the value at a share of the axis, 0 to 1."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        low, high = (math.log(end) if self.log else end for end in (self.low, self.high))
        value = low + share * (high - low)
        rounded = float(f"{math.exp(value) if self.log else value:.{DIGITS}g}")
        return min(max(rounded, self.low), self.high)


@functools.cache
def declared_spaces() -> Mapping[str, Mapping[str, Axis]]:
    """Return the search spaces of ``tuned.toml`` by method and field."""
    spaces = tomllib.loads((FOLDER / "tuned.toml").read_text(encoding="utf-8"))
    return {
        method: {
            key: Axis(**{**axis, "choices": tuple(axis.get("choices", ()))})
            for key, axis in axes.items()
        }
        for method, axes in spaces.items()
    }


def space_of(method: Method) -> Mapping[str, Axis]:
    """Return the axis of each field of a method that is searched."""
    declared = declared_spaces().get(METHODS.name(method))
    return dict(_default_axes(method)) if declared is None else declared


def _default_axes(method: Method) -> Iterator[tuple[str, Axis]]:
    """Yield an axis around each positive number, within the field's range.

    How many true labels a method is told stays as it is.
    """
    values = fields_of(method)
    for key, field in zip(values, method.fields(), strict=True):
        value = values[key]
        told = key == "per_class" and method.trusted_per_class
        if field.kind in {int, float} and value > 0 and not told:
            low, high = field.interval or (0.0, math.inf)
            yield key, Axis(max(low, value / FACTOR), min(high, value * FACTOR), log=True)


def candidates(method: Method, fixed: Collection[str], trials: int) -> list[Method]:
    """Return ``trials`` configurations: the method itself, then random ones.

    A field's k-th value comes from a random stream of its own, the same on every dataset and noise;
    so more trials add to fewer.

    Args:
        method: the first trial.
        fixed: fields that stay as they are.
        trials: how many.
    """
    name, values, space = METHODS.name(method), fields_of(method), space_of(method)
    free = {key: axis for key, axis in space.items() if key in values and key not in fixed}

    def drawn(key: str, axis: Axis, trial: int) -> float:
        source = generator("tune", name, key, trial)
        value = axis.at(torch.rand((), dtype=torch.float64, generator=source).item())
        return round(value) if isinstance(values[key], int) else value

    randoms = [
        {key: drawn(key, axis, trial) for key, axis in free.items()} for trial in range(1, trials)
    ]
    return [method, *(METHODS.build(spec_of(name, {**values, **more})) for more in randoms)]

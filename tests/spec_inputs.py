"""Legal and illegal values of a field, drawn from its annotation; shared by the tests of specs."""

import math
from dataclasses import MISSING, fields

from benchmarks.datasets import DATASETS
from benchmarks.models import MODELS
from benchmarks.noise import NOISES
from benchmarks.recipes import RECIPES
from methods import METHODS

REGISTRIES = {
    "methods": METHODS,
    "noises": NOISES,
    "recipes": RECIPES,
    "models": MODELS,
    "datasets": DATASETS,
}
FIELDS = [
    (kind, name, field)
    for kind, registry in REGISTRIES.items()
    for name in registry
    for field in registry[name].fields()
]


NAMED = {
    "dataset": ["cifar10", "digits", "cifar10(train=2000)"],
    "backbone": ["random_conv", "random_conv(patches=99)"],
    "": ["cross_entropy", "gce", "gce(q=0.5)"],
}
"""Specs of what a field names, by the noun for it; of the first that is in the field's."""


def legal(field):
    """Values that the field allows, its bounds among them."""
    if field.choices:
        return list(field.choices)
    if field.kind is bool:
        return [True, False]
    if field.spec:
        return next(specs for noun, specs in NAMED.items() if noun in field.spec.noun)
    if field.kind is str and not field.interval:
        return ["0 1", "3, 5, 7"] if field.key == "classes" else ["a.npy", "it's (1).csv"]
    low, high = field.interval
    if field.kind is str:
        return [f"{low} {high}", f"{(low + high) / 3}"]
    inside = low + 1.5 if math.isinf(high) else low + (high - low) / 3
    ends = [low, inside, high if math.isfinite(high) else 12345.678]
    return [field.kind(value) for value in ends]


def illegal(field):
    """Values that the field does not allow: outside, of another type, or no number at all."""
    if field.choices:
        return ["typo", "", None, 1, 0.5, True, math.nan]
    if field.kind is bool:
        return [0, 1, 1.0, "True", None, math.nan]
    if field.spec:
        return ["", "gec", "gce(q=2.0)", "elr", "gjs", "co_teaching", 0, True, None, ["gce"]]
    if field.kind is str and not field.interval:
        return [0, 1.0, True, None, ["a"]]
    low, high = field.interval
    if field.kind is str:
        texts = ["", "x", f"{high} {low}", f"{low} {low}", f"{high + 1}", f"{low - 1} {high}"]
        return [*texts, f"{low},{high}", "nan", low, None, True]
    outside = [low - 1, math.nextafter(low, -math.inf), high + 1, math.nextafter(high, math.inf)]
    outside = [value for value in outside if not low <= value <= high]
    others = ["0.5", "", True, False, None, math.nan, math.inf, -math.inf, [low], 10**400]
    return [*outside, *others, *([low + 0.5, float(low)] if field.kind is int else [])]


def required(entry):
    """The arguments without which an entry cannot be built, at a legal value."""
    given = {field.name for field in fields(entry) if field.default is not MISSING}
    return {field.name: legal(field)[1] for field in entry.fields() if field.name not in given}


def example(kind, name):
    """An entry at its defaults."""
    entry = REGISTRIES[kind][name]
    return entry(**required(entry))

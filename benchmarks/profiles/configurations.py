"""Tables of published hyper-parameters, and the configuration that a spec means under them.

A table holds for each method the ``rows`` of every ``source``: ``dataset``, ``noise`` (a name, or a
spec) and ``rate`` say where a row applies, each a value or a list, and everywhere if absent;
``fields`` what it sets. Rows apply in order, the later over the earlier. A row with rates applies
where one of them is the nearest to the cell's nominal rate, of all that the method's rows have for
that dataset and noise.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from methods import METHODS, Method
from methods.bounds import file_name

FOLDER = Path(__file__).parent
CONDITIONS = ("dataset", "noise", "rate")


class Conditions(NamedTuple):
    """The dataset and the noise under which a method is to be trained."""

    dataset: str  # name
    noise: tuple[str, str]  # name, and shortest spec
    rate: float | None  # nominal


class Row(NamedTuple):
    """The published values of some fields of a method, where they apply, and who says so."""

    dataset: tuple[str, ...]  # () applies everywhere
    noise: tuple[str, ...]
    rate: tuple[float, ...]
    fields: Mapping[str, Any]
    source: str

    def fits(self, conditions: Conditions) -> bool:
        """Return whether dataset and noise are the row's; the rate is not looked at."""
        there = not self.dataset or conditions.dataset in self.dataset
        return there and (not self.noise or bool({*conditions.noise} & {*self.noise}))


class Configuration(NamedTuple):
    """A method with its hyper-parameter values, and the name that it has in results.

    The name is a spec with the fields that the user's spec sets otherwise than the profile.
    """

    method: Method
    name: str


@functools.cache
def table(name: str) -> Mapping[str, tuple[Row, ...]]:
    """Return the rows of a table by method.

    Raises:
        ValueError: the file is not such a table.
    """
    path = FOLDER / f"{name}.toml"
    methods = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        method: tuple(
            _row(row, group["source"], f"{path.name}: {method}")
            for group in groups
            for row in group["rows"]
        )
        for method, groups in methods.items()
    }


def _row(entry: Mapping[str, Any], source: str, where: str) -> Row:
    if not {"fields"} <= set(entry) <= {*CONDITIONS, "fields"}:
        raise ValueError(f"{where}: a row has fields, and {', '.join(CONDITIONS)}")
    values = [entry.get(name, ()) for name in CONDITIONS]
    dataset, noise, rate = (tuple(v) if isinstance(v, list | tuple) else (v,) for v in values)
    return Row(dataset, noise, rate, entry["fields"], source)


def published_fields(method: str, conditions: Conditions, tables: Sequence[str]) -> dict[str, Any]:
    """Return the values that tables set for fields of a method under these conditions."""
    values: dict[str, Any] = {}
    for name in tables:
        for row in _applicable(table(name).get(method, ()), conditions):
            values |= row.fields
    return values


def _applicable(rows: Sequence[Row], conditions: Conditions) -> Iterator[Row]:
    """Yield the rows that apply: those without rates, and those with the nearest."""
    fitting = [row for row in rows if row.fits(conditions)]
    rates = [rate for row in fitting for rate in row.rate]
    nearest: float | None = None
    if conditions.rate is not None and rates:
        nearest = min(rates, key=lambda rate: (abs(rate - (conditions.rate or 0.0)), rate))
    for row in fitting:
        if not row.rate or nearest in row.rate:
            yield row


def configure(
    spec: str, conditions: Conditions, tables: Sequence[str], *, keep: bool = False
) -> Configuration:
    """Return the configuration that a method's spec means under conditions.

    Args:
        spec: of a method; the fields that it names are left alone.
        conditions: the dataset and the noise.
        tables: names of tables, in rising order of precedence.
        keep: name every field that the spec names, even at the value of the tables.

    Raises:
        ValueError: the spec is wrong.
    """
    METHODS.build(spec)  # so that an error quotes the spec as the user typed it
    name, explicit = METHODS.explicit(spec)
    published = published_fields(name, conditions, tables)
    method = METHODS.build(spec_of(name, {**published, **explicit}))
    if not published and not keep:
        return Configuration(method, METHODS.spec(method))
    base, values = (fields_of(m) for m in (METHODS.build(spec_of(name, published)), method))
    # Fields are named in the order of the class and as the method holds them, however typed.
    named = {key: value for key, value in values.items() if key in explicit}
    differing = {key: value for key, value in named.items() if keep or value != base[key]}
    return Configuration(method, spec_of(name, differing))


def fields_of(method: Method) -> dict[str, Any]:
    """Return the value of every field of a method by the name that a spec gives it."""
    values = METHODS.explicit(METHODS.full(method))[1]
    paths = {field.key: getattr(method, field.name) for field in method.fields() if field.file}
    return values | paths


def spec_of(name: str, fields: Mapping[str, Any]) -> str:
    """Return the spec of a method with values for these fields."""
    inside = ", ".join(f"{key}={value!r}" for key, value in fields.items())
    return f"{name}({inside})" if inside else name


def shown(spec: str) -> str:
    """Return the spec of a method as results show it: files have no folders."""
    if not spec:
        return ""
    name, values = METHODS.explicit(spec)
    paths = {field.key for field in METHODS[name].fields() if field.file} & set(values)
    return spec_of(name, values | {key: file_name(values[key]) for key in paths}) if paths else spec

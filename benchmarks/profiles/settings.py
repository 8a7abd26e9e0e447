"""The tables of published settings, and what a spec means under them.

A table holds rows for each method: ``dataset``, ``noise`` (a name, or a spec) and ``rate`` say
where a row applies, each a value or a list, and everywhere if absent; ``fields`` what it sets;
``source`` who says so. Rows apply in order, the later over the earlier. A row with rates applies
where one of them is the nearest to the cell's nominal rate, of all that the method's rows have for
that dataset and noise.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from methods import METHODS, Method

FOLDER = Path(__file__).parent
CONDITIONS = ("dataset", "noise", "rate")


class Place(NamedTuple):
    """Where a method is to be trained."""

    dataset: str  # name
    noise: tuple[str, str]  # name, and shortest spec
    rate: float | None  # nominal


class Row(NamedTuple):
    """A setting, where it holds, and who says so."""

    dataset: tuple[str, ...]  # () holds everywhere
    noise: tuple[str, ...]
    rate: tuple[float, ...]
    fields: Mapping[str, Any]
    source: str

    def fits(self, place: Place) -> bool:
        """Say whether dataset and noise are the row's."""
        there = not self.dataset or place.dataset in self.dataset
        return there and (not self.noise or bool({*place.noise} & {*self.noise}))


class Settled(NamedTuple):
    """What a spec means at a place."""

    method: Method
    asked: str  # its name there: fields that the spec sets otherwise than the profile


@functools.cache
def table(name: str) -> Mapping[str, tuple[Row, ...]]:
    """Return the rows of a table by method.

    Raises:
        ValueError: the file is not such a table.
    """
    path = FOLDER / f"{name}.toml"
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        method: tuple(_row(row, f"{path.name}: {method}") for row in rows)
        for method, rows in found.items()
    }


def _row(found: Mapping[str, Any], where: str) -> Row:
    if not {"fields", "source"} <= set(found) <= {*CONDITIONS, "fields", "source"}:
        raise ValueError(f"{where}: a row has fields, source, and {', '.join(CONDITIONS)}")
    values = [found.get(name, ()) for name in CONDITIONS]
    dataset, noise, rate = (tuple(v) if isinstance(v, list | tuple) else (v,) for v in values)
    return Row(dataset, noise, rate, found["fields"], found["source"])


def fields_at(method: str, place: Place, tables: Sequence[str]) -> dict[str, Any]:
    """Return the fields that tables set for a method at a place."""
    found: dict[str, Any] = {}
    for name in tables:
        for row in _applying(table(name).get(method, ()), place):
            found |= row.fields
    return found


def _applying(rows: Sequence[Row], place: Place) -> Iterator[Row]:
    """Yield the rows that apply: those without rates, and those with the nearest."""
    fitting = [row for row in rows if row.fits(place)]
    rates = [rate for row in fitting for rate in row.rate]
    nearest: float | None = None
    if place.rate is not None and rates:
        nearest = min(rates, key=lambda rate: (abs(rate - (place.rate or 0.0)), rate))
    for row in fitting:
        if not row.rate or nearest in row.rate:
            yield row


def settle(spec: str, place: Place, tables: Sequence[str], *, keep: bool = False) -> Settled:
    """Return the method that a spec means at a place.

    Args:
        spec: of a method; the fields that it names are left alone.
        place: where it is to be trained.
        tables: in rising order of precedence.
        keep: name every field that the spec names, even at the value of the tables.

    Raises:
        ValueError: the spec is wrong.
    """
    METHODS.build(spec)  # so that a fault is told in the user's own words
    name, explicit = METHODS.explicit(spec)
    own = fields_at(name, place, tables)
    method = METHODS.build(written(name, {**own, **explicit}))
    if not own and not keep:
        return Settled(method, METHODS.spec(method))
    base, shown = (values_of(m) for m in (METHODS.build(written(name, own)), method))
    named = {key: shown[key] for key in shown if key in explicit}
    differing = {key: value for key, value in named.items() if keep or value != base[key]}
    return Settled(method, written(name, differing))


def values_of(method: Method) -> dict[str, Any]:
    """Return every field of a method as a spec names it."""
    return METHODS.explicit(METHODS.full(method))[1]


def written(name: str, fields: Mapping[str, Any]) -> str:
    """Return the spec with these fields."""
    inside = ", ".join(f"{key}={value!r}" for key, value in fields.items())
    return f"{name}({inside})" if inside else name

"""Fields that state their own type and range."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from itertools import pairwise
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    get_args,
    get_origin,
    get_type_hints,
)


class Between(NamedTuple):
    """A closed interval; infinity itself is never inside, as no spec can say it."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}{')' if self.high == float('inf') else ']'}"


class Added(NamedTuple):
    """A mark of a field that came after results had been kept under its entry's name.

    At ``neutral`` it does what was done before there was such a field, so an entry that holds it
    there keeps its identity, and adding a field moves no cell to another id. The default of an
    entry that is older than the field stays ``neutral``.
    """

    neutral: float | int | bool | str


class SpecOf(NamedTuple):
    """A mark of a text field that names an entry of a catalogue by its spec."""

    canonical: Callable[[str], str]  # returns the shortest spec, or raises ValueError
    noun: str
    registry: Callable[[], Any] | None = None  # returns the other catalogue; None: it is the same


class FilePath(NamedTuple):
    """A mark of a text field that is the path of a file.

    What the file holds is part of a cell's identity; where it lies is not, and results show the
    file's name alone. An empty text stands for no file. What a folder holds is for its entry to
    say.
    """

    by_seed: bool = False  # ``{seed}`` in it stands for the seed of the cell
    folder: bool = False  # it is the path of a folder

    def path(self, text: str, seed: int) -> str:
        """Return the path of the file of a seed."""
        return text.replace("{seed}", str(seed)) if self.by_seed else text


def file_name(path: str) -> str:
    r"""Return a path without its folders, of either kind of system.

    >>> file_name("/x/labels-{seed}.npy"), file_name(r"C:\x\T.csv"), file_name("T.csv")
    ('labels-{seed}.npy', 'T.csv', 'T.csv')
    """
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


Fraction = Annotated[float, Between(0.0, 1.0)]
NonNegative = Annotated[float, Between(0.0, float("inf"))]
Epochs = Annotated[int, Between(0, 100_000)]
Rising = Annotated[str, Between(0.0, 1.0)]
"""A text of numbers of the interval, parted by spaces, each above the one before."""


class Field(NamedTuple):
    """The name, type and range of one field of a bounded dataclass."""

    name: str
    kind: type[float] | type[int] | type[bool] | type[str]
    interval: Between | None
    choices: tuple[str, ...]
    added: Added | None = None
    spec: SpecOf | None = None
    file: FilePath | None = None
    required: bool = False

    @property
    def key(self) -> str:
        """The field's name in specs, without the underscore that tells it from a hook."""
        return self.name.rstrip("_")

    def check(self, owner: str, value: object) -> object:
        """Return ``value`` as this field's type, or refuse it in one sentence.

        Raises:
            ValueError: the value has another type or lies outside the range.
        """
        fits, why = isinstance(value, int | float if self.kind is float else self.kind), ""
        if self.file and self.required and value == "":
            noun = "folder" if self.file.folder else "file"
            raise ValueError(f"{owner}.{self.key} must be the path of a {noun}, got ''")
        if isinstance(value, bool):
            fits = self.kind is bool
        if isinstance(value, int | float):
            low, high = self.interval or Between(-sys.float_info.max, sys.float_info.max)
            fits = fits and low <= value <= high and abs(value) <= sys.float_info.max
        if self.choices and value not in self.choices:
            hint = suggestion(str(value), self.choices)
            raise ValueError(f"{owner}.{self.key} must be {self.wanted()}, got {value!r}{hint}")
        if fits and self.interval and isinstance(value, str):
            numbers = _rising(value, self.interval)
            fits, value = bool(numbers), " ".join(map(repr, numbers)) or value
        if fits and self.spec and isinstance(value, str):
            try:
                value = self.spec.canonical(value)
            except ValueError as error:
                why = f": {error}"
        if why or not fits:
            raise ValueError(f"{owner}.{self.key} must be {self.wanted()}, got {value!r}{why}")
        if isinstance(value, int | float) and self.kind is float:
            return float(value) + 0.0  # minus zero is zero, and has its spec
        return value

    def wanted(self) -> str:
        """Say in words what the field may hold."""
        if self.spec:
            return self.spec.noun
        if self.choices:
            return "one of " + ", ".join(self.choices)
        noun = {float: "a number", int: "a whole number", bool: "True or False", str: "text"}
        if self.kind is str and self.interval:
            return f"rising numbers in {self.interval}, parted by spaces"
        return noun[self.kind] + (f" in {self.interval}" if self.interval else "")


_FIELDS: dict[type, tuple[Field, ...]] = {}


@dataclass(frozen=True)
class Bounded:
    """A dataclass that refuses a field of another type or outside its annotation's interval."""

    version: ClassVar[int | str] = 1  # raised when the same fields come to mean other numbers

    def __post_init__(self) -> None:
        for field in self.fields():
            value = field.check(type(self).__name__, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def fields(cls) -> Iterator[Field]:
        """Yield each field with its type and range; the tests draw illegal values from it."""
        if cls not in _FIELDS:  # annotations are read once, for every cell of a sweep asks
            hints = get_type_hints(cls, include_extras=True)
            _FIELDS[cls] = tuple(
                _field(field.name, hints[field.name])._replace(required=field.default is MISSING)
                for field in fields(cls)
            )
        yield from _FIELDS[cls]

    @classmethod
    def fault(cls) -> str:
        """Say what keeps specs from setting the fields of a class, after its name; "" if nothing.

        Every annotation states a field or a ``ClassVar``, of a type that specs can write, and a
        default that the field itself accepts.
        """
        own = inspect.get_annotations(cls)
        stated = [name for name, hint in own.items() if not _is_class_variable(hint)]
        params = cls.__dataclass_params__  # type: ignore[attr-defined]  # no type knows it
        if stated and "__dataclass_params__" not in vars(cls):
            return f" states {stated[0]} and must be a dataclass: put @dataclass(frozen=True) above"
        if not (params.frozen and params.eq):
            return " must be compared by its fields: put @dataclass(frozen=True) above it"
        try:
            known = tuple(cls.fields())
        except (TypeError, NameError, AttributeError) as error:
            return f": {error}"
        for field, each in zip(known, fields(cls), strict=True):
            if not each.init:
                return f".{field.key} must be one that a spec can set, got init=False"
            if each.default is not MISSING and not field.spec:
                try:
                    field.check("", each.default)
                except ValueError as error:
                    return str(error)
        return ""


def _field(name: str, hint: Any) -> Field:  # noqa: ANN401  an annotation can be any object
    marks = {type(mark): mark for mark in getattr(hint, "__metadata__", ())}
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(kind) is Literal:
        return Field(name, str, None, get_args(kind), marks.get(Added))
    if kind not in {float, int, bool, str}:
        raise TypeError(f"field {name!r} must be float, int, bool, str or Literal, got {kind}")
    if kind is not str and FilePath in marks:
        raise TypeError(f"field {name!r} is the path of a file and must be str, got {kind}")
    further = (marks.get(Added), marks.get(SpecOf), marks.get(FilePath))
    return Field(name, kind, marks.get(Between), (), *further)


def _is_class_variable(hint: object) -> bool:
    """Tell whether an annotation, or the text of one, is a ``ClassVar``."""
    text = hint if isinstance(hint, str) else ""
    return get_origin(hint) is ClassVar or hint is ClassVar or "ClassVar" in text.partition("[")[0]


def _rising(text: str, interval: Between) -> tuple[float, ...]:
    """Return the numbers in ``text``, or nothing if they are not rising numbers of the interval."""
    try:
        numbers = tuple(float(word) for word in text.split())
    except ValueError:
        return ()
    inside = all(interval.low <= number <= interval.high for number in numbers)
    return numbers if inside and all(a < b for a, b in pairwise(numbers)) else ()


def folded(name: str) -> str:
    """Return a name without its case, and with one sign for all that parts its words.

    >>> folded("Cross-Entropy"), folded("nce+mae")
    ('cross_entropy', 'nce_mae')
    """
    return re.sub(r"\W", "_", name.strip()).casefold()


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """Return ``"; did you mean 'elr'?"`` when a known name is near, else nothing."""
    words = {folded(word): word for word in known}
    near = get_close_matches(folded(name), words, n=1)
    return "".join(f"; did you mean {words[match]!r}?" for match in near)

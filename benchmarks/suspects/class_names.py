"""The classes of a dataset in a table that people fill in: by name or number, in one reading."""

import math
import re
from collections.abc import Sequence

from benchmarks.datasets import Dataset
from benchmarks.errors import some, suggestion

WHOLE = re.compile(r"(0|[1-9][0-9]{0,8})(\.0{1,9})?", re.ASCII)
MOST_LISTED = 20
"""The most classes whose names are listed in a sentence."""


def whole_number(text: str) -> int | None:
    """Return the whole number from 0 that a text is, or None.

    Spreadsheets and pandas write a column of whole numbers with blanks among them as ``3.0``. What
    could be read in another way, a sign, a leading zero, an exponent, is no number.

    >>> whole_number("3"), whole_number("3.0"), whole_number("03"), whole_number("3.5")
    (3, 3, None, None)
    """
    match = WHOLE.fullmatch(text)
    return int(match[1]) if match else None


def class_name(names: Sequence[str], label: int) -> str:
    """Return the name of a class, or ``?`` for one that is none, as no cell predicted any."""
    if label < 0:
        return "?"
    return names[label] if label < len(names) else str(label)


def class_of(text: str, dataset: Dataset) -> int:
    """Return the class that a reviewer's text names.

    A name comes first. A number is a class counted from 0, but where a class of the dataset is
    named by a number: there it is a name, or nothing.

    Raises:
        ValueError: it is no class, or could be several; the text says what is wanted.
    """
    names = [name.strip() for name in dataset.classes]
    labels = [label for label, name in enumerate(names) if name == text]
    number = whole_number(text)
    if not labels and number is not None and _numbered(names):
        labels = [label for label, name in enumerate(names) if _number(name) == number]
    elif not labels and number is not None and number < dataset.num_classes:
        return number
    if len(labels) == 1:
        return labels[0]
    if labels:
        raise ValueError(f"{len(labels)} classes have the name {text!r}")
    raise ValueError(f"corrected must be {_wanted(dataset)}, got {text[:40]!r}{_hint(text, names)}")


def numbers_are_names(dataset: Dataset) -> bool:
    """Return whether a number names a class of the dataset, and not the one of that number."""
    return _numbered(dataset.classes) and not _own_numbers(dataset)


def how_to_write(dataset: Dataset) -> str:
    """Say in a phrase how a class of the dataset is written."""
    if numbers_are_names(dataset):
        label, name = next(
            (k, name) for k, name in enumerate(dataset.classes) if _number(name) not in {None, k}
        )
        return (
            f"by its name, {_listed(dataset)}: a number is read as a name and not counted from 0, "
            f"so that {name} is the class {name}, which has the number {label} in the column given"
        )
    if _own_numbers(dataset):
        return f"by its number, which is its name, from 0 to {dataset.num_classes - 1}"
    return f"by its name, {_listed(dataset)}, or by its number, from 0 to {dataset.num_classes - 1}"


def _wanted(dataset: Dataset) -> str:
    if numbers_are_names(dataset):
        return (
            f"the name of a class, {_listed(dataset)} (as some names are numbers, a number is read "
            "as a name)"
        )
    return f"a class from 0 to {dataset.num_classes - 1} or its name"


def _listed(dataset: Dataset) -> str:
    return f"one of {some(dataset.classes, MOST_LISTED)}"


def _hint(text: str, names: Sequence[str]) -> str:
    number = _number(text)
    if number is None:
        return suggestion(text[:40], names)
    plain = f"{number:.0f}" if number == int(number) else ""
    return f"; did you mean {plain!r}?" if plain != text and whole_number(plain) is not None else ""


def _numbered(names: Sequence[str]) -> bool:
    """Return whether the name of a class can be read as a number."""
    return any(_number(name) is not None for name in names)


def _own_numbers(dataset: Dataset) -> bool:
    """Return whether every class is named by its own number, so that both readings are one."""
    return all(name == str(label) for label, name in enumerate(dataset.classes))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

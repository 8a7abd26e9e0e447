"""The facts of every method, read from ``methods.csv`` so that reports need no torch.

The file is written from the methods themselves by ``python -m benchmarks.catalogue``.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PATH = Path(__file__).with_name("methods.csv")
FAMILIES_PATH = Path(__file__).with_name("families.csv")
PASSPORTS = Path(__file__).with_name("passports.csv")


@dataclass(frozen=True)
class Facts:
    """The facts that a method's file states, as text; blank where there is no paper."""

    family: str
    label: str
    authors: str
    title: str
    venue: str
    year: str
    url: str
    summary: str
    bibtex: str
    colour: str = ""  # that a plugin's method asks for, as #rrggbb


@dataclass(frozen=True)
class Passport:
    """What is certain of a method, in words: see ``benchmarks/catalogue/passport.py``."""

    implemented: str
    settings: str
    checked: str
    reproduced: str

    def __str__(self) -> str:
        """Return the four facts on one line."""
        return "; ".join(f"{fact}: {said}" for fact, said in vars(self).items())


@cache
def catalogue() -> Mapping[str, Facts]:
    """Return the facts of our methods by name: by family, year and name."""
    with PATH.open(encoding="utf-8", newline="") as file:
        return {row.pop("method"): Facts(**row) for row in csv.DictReader(file)}


@cache
def families() -> Mapping[str, str]:
    """Return what the methods of each family have in common, in the order of tables."""
    with FAMILIES_PATH.open(encoding="utf-8", newline="") as file:
        return {row["family"]: row["meaning"] for row in csv.DictReader(file)}


@cache
def passports() -> Mapping[str, Passport]:
    """Return the passports of our methods by name, in the order of :func:`catalogue`."""
    with PASSPORTS.open(encoding="utf-8", newline="") as file:
        return {row.pop("method"): Passport(**row) for row in csv.DictReader(file)}

"""What is certain of each method: four facts, apart from one another.

*Implemented*: the whole method, or what its docstring says is left out. *Settings*: for which
datasets and noises the profile ``paper`` has published values. *Checked*: against whose code, at
which commit, and by how much they differ at most; ``stale`` where our code has changed since.
*Reproduced*: how many published results were trained again, and came out within their spread.
"""

import ast
import csv
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from inspect import getdoc
from pathlib import Path
from typing import Any

from methods import METHODS

COMPARED = Path(__file__).with_name("compared.csv")
"""Written by ``python -m tests.authors``."""

REPRODUCED = Path(__file__).with_name("reproduced.csv")
"""A row for each published result that was trained again; its ``verdict`` is ``yes`` or ``no``."""

PUBLISHED = Path(__file__).parents[1] / "profiles" / "paper.toml"

FOLDER = Path(__file__).parents[2] / "methods"


def passport(name: str) -> dict[str, str]:
    """Return the four facts of a method."""
    return {
        "implemented": _implemented(name),
        "settings": _settings([row for group in _published(name) for row in group["rows"]]),
        "checked": _checked(name),
        "reproduced": _reproduced(name),
    }


def _implemented(name: str) -> str:
    said = re.search(r"Left out: (.*?)(?:\n\n|$)", getdoc(METHODS[name]) or "", re.DOTALL)
    return f"without {' '.join(said[1].split()).rstrip('.')}" if said else "whole"


def _published(name: str) -> Sequence[Mapping[str, Any]]:
    """Return the groups of rows that the profile ``paper`` has of a method."""
    groups: Mapping[str, Sequence[Mapping[str, Any]]] = tomllib.loads(
        PUBLISHED.read_text(encoding="utf-8")
    )
    return groups.get(name, ())


def _settings(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say for which noises of which datasets there are rows.

    >>> row = {"dataset": "cifar10", "noise": "symmetric"}
    >>> _settings([row, {**row, "noise": ["clean"]}, {"dataset": ["mnist", "digits"]}])
    'cifar10 (clean, symmetric), digits (any noise), mnist (any noise)'
    """
    noises: dict[str, set[str]] = {}
    for row in rows:
        for dataset in _several(row.get("dataset", "any dataset")):
            noises.setdefault(dataset, set()).update(_several(row.get("noise", "any noise")))
    kinds = {  # any other kind is among any
        dataset: ["any noise"] if "any noise" in found else sorted(found)
        for dataset, found in noises.items()
    }
    said = (f"{dataset} ({', '.join(found)})" for dataset, found in sorted(kinds.items()))
    return ", ".join(said) or "none"


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _checked(name: str) -> str:
    row = next((row for row in _rows(COMPARED) if row["method"] == name), None)
    if row is None:
        return "the paper's formula; authors' code not compared"
    said = f"{row['repository']} at {row['commit']}"
    if row["code_sha256"] != code_digest(name):
        return f"the paper's formula; {said}: stale, our code has changed since {row['date']}"
    largest = max(row["value"], row["gradient"], key=float)
    return f"the paper's formula; {said}: at most {largest} in value and gradient, {row['date']}"


def _reproduced(name: str) -> str:
    verdicts = [row["verdict"] for row in _rows(REPRODUCED) if row["method"] == name]
    return f"{verdicts.count('yes')} of {len(verdicts)}" if verdicts else "none tried"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def code_digest(name: str) -> str:
    """Return a hash of a method's file and of the parts that it imports, docstrings aside."""
    code = "\n".join(line for path in _files(f"{name}.py") for line in _code(path))
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def _files(first: str) -> Iterator[Path]:
    """Yield a file of ``methods/`` and, each once, the parts that it and they import."""
    found, waiting = set[str](), [first]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            text = (FOLDER / name).read_text(encoding="utf-8")
            imported = re.findall(
                r"^from methods\.(parts\.\w+|loss_spec) import", text, re.MULTILINE
            )
            waiting += [f"{module.replace('.', '/')}.py" for module in imported]
    return (FOLDER / name for name in sorted(found))


def _code(path: Path) -> Iterator[str]:
    """Yield the lines of a file, without docstrings, comments of their own and blank ones."""
    text = path.read_text(encoding="utf-8")
    said = set[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    for number, line in enumerate(text.splitlines(), 1):
        if number not in said and line.strip() and not line.lstrip().startswith("#"):
            yield line

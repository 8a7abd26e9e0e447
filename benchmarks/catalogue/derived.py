"""What follows from the methods' files, and is committed beside them."""

import csv
import io
import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from benchmarks.catalogue import FAMILIES_PATH, PASSPORTS, PATH
from benchmarks.catalogue.passport import passport
from methods import METHODS
from methods.base import FAMILIES, hooks_of

ROOT = Path(__file__).parents[2]


def derived() -> dict[Path, str]:
    """Return the text of each file that follows from the methods, in whole or between marks."""
    return {
        PATH: _table({name: method.facts() for name, method in METHODS.items()}),
        FAMILIES_PATH: _table({name: {"meaning": m} for name, m in FAMILIES.items()}, "family"),
        PASSPORTS: _table({name: passport(name) for name in METHODS}),
        ROOT / "README.md": _between(ROOT / "README.md", _families()),
        ROOT / "methods" / "HOOKS.md": _between(ROOT / "methods" / "HOOKS.md", _hooks()),
    }


def _table(facts: Mapping[str, Mapping[str, str]], key: str = "method") -> str:
    text = io.StringIO()
    rows = [{key: name, **each} for name, each in facts.items()]
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _families() -> str:
    """Return a Markdown table of the methods of each family, linked to their papers."""
    lines = ["| family | methods |", "|---|---|"]
    for family, entries in groupby(METHODS.items(), key=lambda entry: entry[1].family):
        urls = {name: method.facts()["url"] for name, method in entries}
        names = ", ".join(
            f"[`{name}`]({url})" if url else f"`{name}`" for name, url in urls.items()
        )
        lines.append(f"| {family}: {FAMILIES[family]} | {names} |")
    return "\n".join(lines)


def _hooks() -> str:
    """Return a Markdown table of the methods that have the same hooks."""
    groups: dict[str, list[str]] = {}
    for name, method in METHODS.items():
        hooks = ", ".join(f"`{hook}`" for hook in hooks_of(method))
        groups.setdefault(hooks, []).append(name)
    rows = [f"| {', '.join(names)} | {hooks} |" for hooks, names in groups.items()]
    return "\n".join(["| methods | hooks |", "|---|---|", *rows])


def _between(path: Path, text: str) -> str:
    """Return a file's text with another part between its marks."""
    marks = r"(<!-- methods: .*? -->\n).*?(\n<!-- end of methods -->)"
    before = path.read_text(encoding="utf-8")
    after, count = re.subn(marks, lambda m: m[1] + text + m[2], before, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{path} has {count} parts between marks of methods, not one")
    return after

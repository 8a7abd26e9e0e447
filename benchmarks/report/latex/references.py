"""The papers of methods, as BibTeX and as they are cited."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from benchmarks.catalogue import Facts
from benchmarks.report.looks import base


class Reference(NamedTuple):
    """A paper: its key, its entry, and how wide styles cite it, such as ``Liu et al., 2020``."""

    key: str
    entry: str
    shown: str


def references(methods: Iterable[str], facts: Mapping[str, Facts]) -> dict[str, Reference]:
    """Return the paper of each method that comes from one.

    Of two papers with one key the later gets a letter.

    Args:
        methods: specs.
        facts: those of methods by name.
    """
    found: dict[str, Reference] = {}
    entries: dict[str, str] = {}  # by key
    for method in methods:
        fact = facts.get(base(method))
        if fact and fact.bibtex:
            key = fact.bibtex.partition("{")[2].partition(",")[0]
            while entries.setdefault(key, fact.bibtex) != fact.bibtex:
                key += "a"
            found[method] = Reference(key, _entry(fact.bibtex, key), _shown(fact))
    return found


def _entry(text: str, key: str) -> str:
    """Return an entry of one line with a line for each field."""
    kind = text.partition("{")[0]
    fields = text.partition(", ")[2].removesuffix("}")
    spaced = re.sub(r"\}, (?=(?:author|journal|booktitle|year|url) = \{)", "},\n  ", fields)
    return f"{kind}{{{key},\n  {spaced}\n}}\n"


def _shown(fact: Facts) -> str:
    family, *others = [name.rsplit(" ")[-1] for name in re.split(", | & ", fact.authors)]
    more = f" and {others[0]}" if len(others) == 1 else " et al." if others else ""
    return f"{family}{more}, {fact.year}"


def bibliography(found: Mapping[str, Reference]) -> str:
    """Return the file ``references.bib``: each paper once, by key."""
    entries = {reference.key: reference.entry for reference in found.values()}
    return "\n".join(entry for _, entry in sorted(entries.items()))

"""Tables as LaTeX that fits the text block of a venue, and the papers that they cite."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.catalogue import Facts, catalogue
from benchmarks.report.analysis import Analysis
from benchmarks.report.latex.columns import columns
from benchmarks.report.latex.layout import fitted
from benchmarks.report.latex.references import Reference, bibliography, references
from benchmarks.report.latex.signs import longest_word, width
from benchmarks.report.latex.writing import Printed, Row, written
from benchmarks.report.looks import BESIDE, COLOURS, PRIVILEGED, base
from benchmarks.report.phrases import listing, printable
from benchmarks.report.tables import ORACLE, Note, Table, stem
from benchmarks.report.venues import Venue

__all__ = ["Context", "bibliography", "context_of", "table"]


class Context(NamedTuple):
    """What the tables of a report are printed in."""

    suite: str
    about: str  # what all rows share
    venue: Venue
    facts: Mapping[str, Facts]
    references: Mapping[str, Reference]  # by method


def context_of(analysis: Analysis, venue: Venue) -> Context:
    """Return what the tables of an analysis are printed in."""
    run = analysis.run
    about = [
        listing([printable(name) for name in names]) if len(names) < 3 else f"{len(names)} {kind}s"
        for kind, names in (
            ("dataset", [run.images[name] for name in run.datasets]),
            ("model", sorted(set(run.cells["model"]))),
        )
    ]
    facts = {**run.facts, **catalogue()}
    suite = Path(run.suite).stem or "results"
    return Context(suite, ", ".join(about), venue, facts, references(run.methods, facts))


def table(name: str, own: Table, context: Context) -> str:
    """Return a table as a float, or as one that goes over pages.

    It needs the packages that its first lines name. Numbers line up by siunitx, of version 3; by
    invisible digits where words stand behind them, which it would print over each other.

    Args:
        name: of its file; with the suite it is the label.
        own: the table.
        context: what it is printed in.
    """
    own = _printed(own)
    order, families = _by_family(own, context)
    names = [printable(str(text)) for text in own.text.index]
    methods = own.methods if own.cited else [""] * len(names)
    cited = [context.references.get(method) for method in methods]
    rows = [Row(names[place], cited[place], families[place]) for place in order]
    text, marks = own.text.iloc[order], own.marks.iloc[order]
    head = printable(str(own.text.index.name or "Method"))
    widest = max([longest_word(head), *(width(row.shown) for row in rows)])
    shown, below = columns(replace(own, text=text, marks=marks))
    layout = fitted(widest, shown, context.venue)
    label = f"tab:{_plain(context.suite)}-{_plain(name)}"
    notes = [*own.notes, *([f"{below}."] if below else [])]
    return written(Printed(_caption(own, context), label, head, rows, notes), layout, context.venue)


def _printed(own: Table) -> Table:
    """Return the columns that are printed, with the notes that are not of others."""
    stems = {stem(str(name)): name for name in own.text.columns}
    chosen = [stems[name] for name in own.printed if name in stems] or list(own.text.columns)
    text = own.text[chosen]
    shown = " ".join([*map(str, chosen), *map(str, text.index), *text.astype(str).to_numpy().flat])
    others = tuple(f"{name}:" for name, column in stems.items() if column not in chosen)
    notes = [note.short if isinstance(note, Note) else note for note in own.notes]
    signs = (ORACLE, PRIVILEGED, BESIDE, "[")
    notes = [
        note
        for note in notes
        if note and not note.startswith(others) and (note[0] not in signs or note[0] in shown)
    ]
    return replace(own, text=text, marks=own.marks[chosen], notes=tuple(notes))


def _by_family(own: Table, context: Context) -> tuple[list[int], list[str]]:
    """Return the order of the rows and the family of each, if rows share families."""
    families = [
        context.facts[base(method)].family if base(method) in context.facts else ""
        for method in own.methods
    ]
    if not families or len(set(families)) > len(families) / 2:
        return list(range(len(own.text))), [""] * len(own.text)
    places = {family: place for place, family in enumerate(COLOURS)}
    return sorted(
        range(len(families)),
        key=lambda row: (places.get(families[row], len(places)), families[row]),
    ), families


def _caption(own: Table, context: Context) -> str:
    title = own.title or re.split(r"[.:] ", own.notes[0] if own.notes else "Results")[0]
    return f"{printable(title).removesuffix('.')} ({context.about})."


def _plain(name: str) -> str:
    """Return a name as a part of a label."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")

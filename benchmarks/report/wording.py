"""What a report says where nobody knows which labels are right: agreement, and not accuracy.

All of it is written for clean test labels; here it is put in the words of a run that has none, in
one place, so that no sentence can claim what was not measured. Names that users chose stay.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmarks.report.analysis import Analysis
from benchmarks.report.opening import FirstScreen
from benchmarks.report.render import Block, Picture, Words
from benchmarks.report.tables import Note, Table

_PHRASES = (
    (r"([Aa])ccuracy(?= (?:in percent )?on clean test labels)", r"\1greement"),
    (r"greement( in percent)? on clean test labels", r"greement\1 with the given test labels"),
    (r"clean test labels", "the given test labels"),
    (r"the share of wrong training labels", "the share of training labels changed"),
    (r"^Wrong labels \(%\)$", "Labels changed (%)"),
    (r"noisy (validation )?labels", r"given \1labels"),
    (r": clean knowledge, only to compare", ": it looks at these, only to compare"),
    (r"With wrong labels the first choice", "By agreement with the given labels the first choice"),
    (r"On mislabelled data", "On the labels as they are"),
    (r"No labels were corrupted\.", "Which labels are wrong is not known."),
    (r"One set of wrong labels for all seeds", "One set of labels for all seeds"),
    (r"weights and order, and not the noise", "weights and order, and not the labels"),
    (r"classified correctly", "predicted as their given label"),
    (r"of the true class", "of the given class"),
    (r"The error of the most", "The disagreement with the given labels of the most"),
    (r"the error of all images", "that of all images"),
    (r"their mean error", "their mean"),
    (r"mean error of the k most", "mean disagreement of the k most"),
    (r"^Error \(%\)", "Disagreement (%)"),
    (r"^Noise: ", "Labels: "),
    (r"\. Noise: ", ". Labels: "),
    (r"^Noise$", "Labels"),
    (r"by noise, at what cost", "by labels, at what cost"),
    (r"The most accurate method", "The method in closest agreement with the given labels"),
    (r"(more|less) accurate in", r"in \1 agreement in"),
    (r"(more|less) accurate", r"in \1 agreement with the given labels"),
    (r"[Tt]est accuracy", "agreement with the given test labels"),
    (r"\bacc\.", "agr."),
    (r"([Aa])ccuracies", r"\1greements"),
    (r"([Aa])ccuracy", r"\1greement"),
)  # fmt: skip
"""What is said of clean labels, and in its place of given ones; each applies to what is left."""

Said = Callable[[str], str]


def said_by(analysis: Analysis) -> Said:
    """Return what puts a text of the report in the words of a run: as it is, or of agreement."""
    run = analysis.run
    if not run.unknown:
        return _unchanged
    names = {*run.methods, *(look.label for look in analysis.looks.values()), *run.settings}
    names |= {*run.cells["dataset"], *run.cells["noise"], *run.cells["model"], *run.cells["recipe"]}
    names |= {name for classes in run.class_names.values() for name in classes}
    kept = sorted((name for name in names if _agreement(name) != name), key=len, reverse=True)
    return partial(_but, re.compile("|".join(map(re.escape, kept)) if kept else "(?!)"))


def _unchanged(text: str) -> str:
    return text


def _but(kept: re.Pattern[str], text: str) -> str:
    """Return a text in words of agreement but for some names."""
    places = [0, *(end for match in kept.finditer(text) for end in match.span()), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    return "".join(p if number % 2 else _agreement(p) for number, p in enumerate(pieces))


def _agreement(text: str) -> str:
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text)
    return text


def table(said: Said, own: Table) -> Table:
    """Return a table in these words: its headers, entries, rows, notes and title."""
    if said is _unchanged:
        return own
    rows, columns = _index(said, own.text.index), _index(said, own.text.columns)
    entries: list[list[object]] = own.text.to_numpy().tolist()
    entries = [[said(str(entry)) for entry in row] for row in entries]
    text = pd.DataFrame(entries, index=rows, columns=columns, dtype=object)
    return replace(
        own,
        text=text,
        marks=own.marks.set_axis(rows, axis=0).set_axis(columns, axis=1),
        notes=tuple(_note(said, note) for note in own.notes),
        title=said(own.title),
        printed=tuple(map(said, own.printed)),
    )


def _index(said: Said, names: pd.Index) -> pd.Index:
    """Return row or column names in these words."""
    words: list[str] = [said(str(name)) for name in names]
    title = said(str(names.name)) if names.name else names.name
    return pd.Index(words, dtype=object, name=title)


def _note(said: Said, note: str) -> str:
    return Note(said(note), said(note.short)) if isinstance(note, Note) else said(note)


def block(said: Said, own: Block) -> Block:
    """Return a part of a section in these words."""
    if isinstance(own, Table):
        return table(said, own)
    if isinstance(own, Picture):
        return own._replace(caption=said(own.caption))
    lines = "\n".join(map(said, own.split("\n")))
    return Words(lines) if isinstance(own, Words) else lines


def first_screen(said: Said, own: FirstScreen) -> FirstScreen:
    """Return the beginning of a report in these words."""
    return own._replace(
        about=said(own.about),
        summary=[said(line) for line in own.summary],
        guide=own.guide and table(said, own.guide),
    )


def figure(said: Said, own: Figure) -> None:
    """Put all that is written in a figure in these words."""
    if said is _unchanged:
        return
    for text in own.findobj(Text):
        if isinstance(text, Text) and (new := said(text.get_text())) != text.get_text():
            text.set_text(new)

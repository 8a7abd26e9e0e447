"""What a suite asked, answered: a table of differences from the reference, and what it says."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.errors import count, some
from benchmarks.report import claims, scaling, stats
from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.guide import HARD
from benchmarks.report.looks import PRIVILEGED, base, told
from benchmarks.report.phrases import (
    BLANK,
    MINUS,
    capitalised,
    change,
    listing,
    number,
    signed,
    span,
    unit,
)
from benchmarks.report.render import Block, Words, bullets
from benchmarks.report.scaling import LISTED
from benchmarks.report.tables import Table, margins
from benchmarks.report.vocabulary import Vocabulary

JUDGED = ("acc", "nll", "brier", "ece")
FEW_CANDIDATES = 2
"""The most candidates that get sentences and a table of their own."""
MOST_COLUMNS = 8
"""The most candidates that stand side by side in a table of settings."""
NAMED = 8
"""The most methods that a sentence names."""
MARKED = ("better", "worse", "out")
"""The outcomes that are marked in tables."""
SAME_NOTES = "Entries are as in the table above."

OUTCOMES = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "open": "no difference detected",
    "out": "no claim, for lost runs or a result within chance,",
}
"""The outcomes of a comparison, as sentences say them; entries of tables say ``open``."""

SCOPES = {
    claims.OVER_BOTH: "over seeds and test images together",
    claims.OVER_SPLITS: "over seeds, corrected for splits that overlap (Nadeau and Bengio 2003)",
    claims.OVER_SEEDS: "over seeds alone, so that they are of these test images",
}
"""What intervals are over, in words."""

Names = Mapping[str, str]
"""The names by which sentences call the methods."""


class Asked(NamedTuple):
    """What is judged: candidates against a reference, asked before the run or not."""

    reference: str
    candidates: list[str]
    confirmatory: bool
    names: Names
    vocabulary: Vocabulary  # for what is measured

    def words(self) -> str:
        """Return the question: ``label smoothing against hard labels``, ``6 methods against``..."""
        tried = [self.names[method] for method in self.candidates]
        compared = f"{len(tried)} methods" if len(tried) > FEW_CANDIDATES else listing(tried)
        if self._values():
            compared = f"{len(tried)} values of {tried[0].partition(' (')[0]}"
        return f"{compared} against {self.names[self.reference]}"

    def short(self, method: str) -> str:
        """Return the name of a candidate; of many values of one method the value."""
        name = self.names[method]
        return name.partition(" (")[2].removesuffix(")") or name if self._values() else name

    def _values(self) -> bool:
        """Tell whether the candidates are many values of one method."""
        kinds = {base(method) for method in self.candidates}
        return len(self.candidates) > FEW_CANDIDATES and len(kinds) == 1


def asked(analysis: Analysis) -> Asked | None:
    """Return what the suite asked; else every method against the first reference, if there is one.

    What stands beside from another folder is not judged where something of this one is.
    Candidates stand in the order of the ranking, many values of one method by size.
    """
    run, question = analysis.run, analysis.question
    if question:
        reference, candidates = question.reference, list(question.candidates)
    elif analysis.references and len(run.methods) > 1:
        reference = analysis.references[0]
        others = run.beside.methods if run.beside else ()
        here = [method for method in run.methods if method not in others and method != reference]
        candidates = here or [method for method in run.methods if method != reference]
    else:
        return None
    names = named(analysis, candidates)
    candidates.sort(key=list(analysis.ranking.index).index)
    if len({base(method) for method in candidates}) == 1:
        candidates.sort(key=lambda method: _numbers_first(names[method]))
    return Asked(reference, candidates, question is not None, names, run.words)


def named(analysis: Analysis, candidates: Sequence[str] = ()) -> Names:
    """Return labels as sentences use them; label smoothing with all its values among few."""
    specs = analysis.run.cells.drop_duplicates("method").set_index("method")["method_spec"]
    names = {method: look.label for method, look in analysis.looks.items()}
    for method, label in names.items():
        if base(method) == "cross_entropy":
            names[method] = HARD
        elif (
            base(method) == "label_smoothing" and len(candidates) <= LISTED and method in candidates
        ):
            values = str(specs.get(method, "")).partition("(")[2].removesuffix(")")
            names[method] = f"{label.partition(' (')[0]} ({values})" if values else label
    return names


def _numbers_first(name: str) -> tuple[list[float], str]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", name)], name


def effects(analysis: Analysis, about: Asked, metric: str) -> pd.DataFrame:
    """Return the rows of :meth:`Analysis.differences` of the candidates.

    The outcome is ``out`` where a candidate that lost runs or is within chance would be praised.
    """
    rows = analysis.differences(about.reference, metric)
    rows = rows[rows["method"].isin(about.candidates)]
    places = zip(rows["method"], rows["setting"], strict=True)
    out = np.array([method in analysis.excluded(setting) for method, setting in places], np.bool_)
    praised = rows["outcome"].isin(["better", "equivalent"])
    return rows.assign(outcome=rows["outcome"].mask(praised & out, "out"))


def verdict(analysis: Analysis) -> list[Block]:
    """Return sentences and tables: what was asked, and how each candidate differs where."""
    run = analysis.run
    about = asked(analysis)
    if run.last.empty:
        statuses = sorted(run.cells["status"].value_counts().items())
        became = listing([f"{number} {status}" for status, number in statuses])
        return [Words(f"No cell finished ({became}), so nothing can be said.")]
    if about is None:
        return [Words("No verdict: no method ran beside one that others are compared with.")]
    blocks: list[Block] = [Words(_opening(analysis, about))]
    methods = (about.reference, *about.candidates)
    names = {method: about.short(method) for method in methods}
    scaled = scaling.sentences(analysis, about.reference, about.candidates, names)
    if len(about.candidates) > FEW_CANDIDATES:
        return [*blocks, *_compare(analysis, about), *map(Words, scaled)]
    for method in about.candidates:
        one = about._replace(candidates=[method])
        blocks += [Words(f"{capitalised(one.words())}:")] if len(about.candidates) > 1 else []
        blocks += _judge(analysis, one)
    return [*blocks, *map(Words, scaled)]


def _opening(analysis: Analysis, about: Asked) -> str:
    if about.confirmatory:
        return f"Asked before the run, and so confirmatory: {about.words()}."
    wanted = analysis.run.question
    why = "Nothing was asked before the run"
    if wanted:
        ran = analysis.run.methods
        absent = [m for m in (wanted.reference, *wanted.candidates) if m not in ran]
        why = f"What the suite asks cannot be answered without {some(absent, NAMED)}"
    return f"{why}, so all that follows is exploratory: {about.words()}."


def _judge(analysis: Analysis, about: Asked) -> list[Block]:
    """Return what a single candidate did in each setting."""
    (method,) = about.candidates
    tests = {metric: effects(analysis, about, metric) for metric in JUDGED}
    if tests["acc"].empty:
        compared = analysis.compared(about.reference, "acc")
        pairs = int(compared.loc[compared["method"] == method, "n"].sum())
        settings = count(len(analysis.run.settings), "setting")
        return [
            Words(
                f"{capitalised(about.words())}: not enough seeds. A verdict needs "
                f"{stats.FEWEST_PAIRS} pairs in a setting; there are {count(pairs, 'pair')} in "
                f"{settings}."
            )
        ]
    gaps = effects(analysis, about, "gap_signed")
    said = [_headline(tests["acc"], about.vocabulary)]
    said.append(
        " ".join(
            _outcomes(about.vocabulary.metric(m).label, tests[m]) for m in ("nll", "brier")
        ).strip()
    )
    if len(tests["ece"]):
        said.append(_calibration(tests["ece"], gaps))
    words = bullets([each for each in said if each])
    return [Words(words), _of_settings(analysis, about, tests, gaps)]


def _headline(tests: pd.DataFrame, vocabulary: Vocabulary) -> str:
    said, acc = [], vocabulary.accuracy
    noisy = tests[tests["noisy"]]
    if len(noisy):
        words = (f"raised {acc}", f"lowered {acc}", f"left {acc} equivalent")
        phrases = _tally(noisy, (*words, "made no detected difference", OUTCOMES["out"]))
        said.append(f"{vocabulary.on_noise} it {phrases}.")
    words = (f"it raised {acc}", f"it lowered {acc}", f"{acc} was equivalent")
    texts = {
        **OUTCOMES,
        **dict(zip(OUTCOMES, (*words, "no difference was detected"), strict=False)),
    }
    for effect in rows_of(tests[~tests["noisy"]]):
        where = "clean labels" if effect.setting == "clean" else effect.setting
        said.append(f"On {where} {texts[effect.outcome]}.")
    return " ".join(said)


def _tally(tests: pd.DataFrame, words: Sequence[str]) -> str:
    """Return ``raised accuracy in 3 of 4 settings and made no detected difference in 1``."""
    counts = [int((tests["outcome"] == outcome).sum()) for outcome in OUTCOMES]
    said = [(phrase, n) for phrase, n in zip(words, counts, strict=True) if n]
    if len(tests) == 1:
        return f"{said[0][0]} in the one setting"
    whole = f" of {len(tests)} settings"
    return listing([f"{w} in {n}{'' if k else whole}" for k, (w, n) in enumerate(said)])


def _outcomes(label: str, tests: pd.DataFrame) -> str:
    if tests.empty:
        return ""
    return f"{label}: {_tally(tests, list(OUTCOMES.values()))}."


def _calibration(tests: pd.DataFrame, gaps: pd.DataFrame) -> str:
    words = ("fell", "rose", "stayed equivalent", "showed no detected change", OUTCOMES["out"])
    turned: dict[str, list[str]] = {"over- to underconfident": [], "under- to overconfident": []}
    for gap in rows_of(gaps):
        if gap.other > 0 > gap.own:
            turned["over- to underconfident"].append(gap.setting)
        elif gap.other < 0 < gap.own:
            turned["under- to overconfident"].append(gap.setting)
    said = [f"from {turn} in {some(where, NAMED)}" for turn, where in turned.items() if where]
    turns = f" Probabilities turned {', and '.join(said)}." if said else ""
    return f"ECE {_tally(tests, words)}.{turns}"


def _entry(metric: str, test: Any) -> str:  # noqa: ANN401  a row of a table
    """Return a difference with its interval and its outcome, as a table says it."""
    if test.difference == 0 and (test.sd == 0 or test.n == 1):
        return "equal"
    text = change(metric, test.difference, test.low, test.high).replace(unit(metric), "")
    same = " (the same in every pair)" if test.sd == 0 else ""
    return f"{text}{same} {test.outcome}".removesuffix(" out")


def _header(about: Asked, metric: str) -> str:
    shown = about.vocabulary.metric(metric)
    return f"{shown.label}{' (points)' if shown.percent else ''}"


def _of_settings(
    analysis: Analysis, about: Asked, tests: Mapping[str, pd.DataFrame], gaps: pd.DataFrame
) -> Table:
    """Return a row for each setting: the differences in each metric, and calibration."""
    settings = [s for s in analysis.run.settings if s in set(tests["acc"]["setting"])]
    text, marks = _filled(about, tests, settings, "setting")
    ends = {"ECE %, each": (tests["ece"], "ece", number)}
    ends[f"Conf. {MINUS} {about.vocabulary.acc}, each"] = (gaps, "gap_signed", signed)
    for header, (rows, metric, shown) in ends.items():
        each = {
            row.setting: f"{shown(metric, row.other)} to {shown(metric, row.own)}"
            for row in rows_of(rows)
        }
        text[header] = [each.get(setting, BLANK) for setting in settings]
        marks[header] = ""
    method = about.names[about.candidates[0]]
    notes = [*_notes(analysis, about, tests["acc"])]
    notes.append(f"Each: that of {about.names[about.reference]}, then that of {method}.")
    return Table(text, marks, pd.concat(tests.values()), tuple(notes), title=_title(about))


def _title(about: Asked, metric: str = "") -> str:
    """Return what a table of differences is called in a paper."""
    what = f"difference in {about.vocabulary.metric(metric).label}" if metric else "differences"
    return f"{capitalised(about.words())}: paired {what}, with 95% intervals and what they show"


def _filled(
    about: Asked, tests: Mapping[str, pd.DataFrame], rows: Sequence[str], by: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the texts and marks of a table with the differences of each metric across."""
    index = pd.Index(rows, name=capitalised(by))
    text = pd.DataFrame(BLANK, index=index, columns=[_header(about, metric) for metric in tests])
    marks = pd.DataFrame("", index=index, columns=text.columns)
    for metric, own in tests.items():
        for test in rows_of(own):
            place = getattr(test, by), _header(about, metric)
            text.loc[place] = _entry(metric, test)
            marks.loc[place] = test.outcome if test.outcome in MARKED else ""
    return text, marks


def _notes(analysis: Analysis, about: Asked, tests: pd.DataFrame) -> list[str]:
    """Say what the entries of a table of differences are, and by which tests they are judged."""
    corrected = "q (Benjamini-Hochberg) over all pairs of methods in a setting"
    if about.confirmatory:
        corrected = f"p after Holm over all {int(tests['tests'].max())} tests of a metric"
    scopes = [SCOPES[over] for over in SCOPES if over in set(tests["over"])]
    notes = [
        (
            f"Differences from {about.names[about.reference]} at the last epoch: mean over "
            f"{span(tests['n'])} seeds, 95% t intervals {' or '.join(scopes)}. Better, worse: by "
            f"paired t tests, {corrected}, at {stats.ALPHA:g}. Equivalent: two one-sided "
            f"tests exclude a difference beyond {listing(margins(analysis))}. Open: no "
            "difference detected, which does not say that there is none."
        ),
        "Every p value is in differences.csv.",
    ]
    out = {method for setting in analysis.run.settings for method in analysis.excluded(setting)}
    if out & set(about.candidates):
        notes.append(
            "Grey or small, and counted as out: better or equivalent by its test, but the method "
            "lost runs there or is within chance, so that nothing is claimed."
        )
    privileges = analysis.run.privileges
    judged = [m for m in (about.reference, *about.candidates) if m in privileges]
    if judged:
        given = [f"{about.names[m].removesuffix(PRIVILEGED)}: {privileges[m]}" for m in judged]
        kind = told([privileges[m] for m in judged])
        notes.append(f"{PRIVILEGED} given {kind} ({'; '.join(given)}).")
    thin = [name for name in analysis.run.settings if name not in set(tests["setting"])]
    if thin:
        notes.append(f"Not enough seeds to judge {listing(thin)}.")
    return notes


def _compare(analysis: Analysis, about: Asked) -> list[Block]:
    """Return a line for each metric, and a table with a row for each of many candidates."""
    tests = {metric: effects(analysis, about, metric) for metric in JUDGED}
    tests = {metric: rows for metric, rows in tests.items() if len(rows)}
    if not tests:
        return [Words("No setting has enough seeds of a candidate and of the reference.")]
    several = len(analysis.run.settings) > 1
    lines = [
        (_most if several else _of_one_setting)(metric, rows, about)
        for metric, rows in tests.items()
    ]
    blocks: list[Block] = [Words(bullets(lines)), _of_candidates(analysis, about, tests)]
    if several and len(about.candidates) <= MOST_COLUMNS:
        blocks += [
            _side_by_side(analysis, about, metric, tests[metric])
            for metric in ("acc", "ece")
            if metric in tests
        ]
    return blocks


def _of_one_setting(metric: str, tests: pd.DataFrame, about: Asked) -> str:
    said = []
    for outcome, words in OUTCOMES.items():
        won = set(tests.loc[tests["outcome"] == outcome, "method"])
        methods = [about.short(method) for method in about.candidates if method in won]
        if methods:
            told_ = outcome != "better" and len(about.candidates) <= LISTED
            those = f" ({', '.join(methods)})" if told_ else ""
            said.append(f"{words} for {len(methods)}{those}")
    return f"{about.vocabulary.metric(metric).label}, of {len(tests)} methods: {'; '.join(said)}."


def _most(metric: str, tests: pd.DataFrame, about: Asked) -> str:
    """Say which candidates are better in how many settings, the most first, and which are worse.

    Of many candidates it says how many they are; the table below has their names.
    """
    label, settings = about.vocabulary.metric(metric).label, tests["setting"].nunique()
    said, many = [], len(about.candidates) > LISTED
    for outcome in ("better", "worse"):
        won = tests[tests["outcome"] == outcome].groupby("method").size()
        won = won.reindex([method for method in about.candidates if method in won.index])
        won = won.sort_values(ascending=False, kind="stable")
        those = [f"{about.short(str(method))} in {n}" for method, n in won.items()]
        are = "is" if len(won) == 1 else "are"
        said.append(f"{len(won)} {are} {outcome}" if many else f"{outcome}: {some(those, LISTED)}")
    if many:
        each = f"of {tests['method'].nunique()} methods, in at least one of {settings} settings"
        return f"{label}: {each}, {' and '.join(said)}."
    return f"{label}, of {settings} settings: {'; '.join(said)}."


def _of_candidates(analysis: Analysis, about: Asked, tests: Mapping[str, pd.DataFrame]) -> Table:
    """Return a row for each candidate: its difference, or of several settings its outcomes."""
    counts = analysis.ranking[["done", "planned"]]
    if len(analysis.run.settings) == 1:
        order = [str(m) for m in analysis.ranking.index if m in about.candidates]
        text, marks = _filled(about, tests, order, "method")
    else:
        order = about.candidates
        text = pd.DataFrame(
            BLANK, index=order, columns=[about.vocabulary.metric(m).label for m in tests]
        )
        for metric, rows in tests.items():
            for method, own in rows.groupby("method"):
                text.loc[str(method), about.vocabulary.metric(metric).label] = _counted(own)
        marks = pd.DataFrame("", index=order, columns=text.columns)
    runs = counts.to_dict("index")
    text["Runs"] = [f"{runs[m]['done']}/{runs[m]['planned']}" for m in order]
    marks["Runs"] = ""
    index = pd.Index([about.short(method) for method in order], name="Candidate")
    first = next(iter(tests.values()))
    notes = (*_notes(analysis, about, first), "Runs: finished of attempted.")
    numbers = pd.concat(tests.values())
    text, marks = text.set_axis(index), marks.set_axis(index)
    return Table(text, marks, numbers, notes, title=_title(about))


def _counted(own: pd.DataFrame) -> str:
    """Return ``3 better, 1 worse, 2 open``, in how many settings each."""
    counts = own["outcome"].value_counts()
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if outcome in counts)


def _side_by_side(analysis: Analysis, about: Asked, metric: str, tests: pd.DataFrame) -> Table:
    """Return a metric's differences: a row for each setting, a column for each candidate."""
    settings = [s for s in analysis.run.settings if s in set(tests["setting"])]
    index = pd.Index(settings, name=_header(about, metric))
    text = pd.DataFrame(BLANK, index=index, columns=about.candidates)
    marks = pd.DataFrame("", index=index, columns=about.candidates)
    for test in rows_of(tests):
        text.loc[test.setting, test.method] = _entry(metric, test)
        marks.loc[test.setting, test.method] = test.outcome if test.outcome in MARKED else ""
    columns = [about.short(method) for method in about.candidates]
    text, marks = text.set_axis(columns, axis=1), marks.set_axis(columns, axis=1)
    return Table(text, marks, tests, (SAME_NOTES,), title=_title(about, metric))

"""What a suite asked, in words: which candidates differ from the reference, where, at what cost?"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from benchmarks.errors import count, some
from benchmarks.report import claims, stats
from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.looks import base
from benchmarks.report.phrases import (
    capitalised,
    chance,
    change,
    listing,
    number,
    p_value,
    signed,
    span,
    unit,
    with_test,
)
from benchmarks.schema import METRICS

JUDGED = ("acc", "nll", "brier")
FEW_CANDIDATES = 2
"""The most candidates that are judged setting by setting; more of them get a line each."""
NAMED = 8
"""The most methods that a sentence names."""

OUTCOMES = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "open": "no difference detected",
}

SCOPES = {
    claims.OVER_BOTH: "over seeds and test images together",
    claims.OVER_SPLITS: "over seeds, corrected for splits that overlap (Nadeau and Bengio 2003)",
    claims.OVER_SEEDS: "over seeds alone, so that they are of these test images",
}

Names = Mapping[str, str]
"""The names by which sentences call the methods."""


class Asked(NamedTuple):
    """What is judged: candidates against a reference, asked before the run or not."""

    reference: str
    candidates: list[str]
    confirmatory: bool
    names: Names


def asked(analysis: Analysis) -> Asked | None:
    """Return what the suite asked; else every method against the first reference, if there is one.

    Candidates stand in the order of their names, numbers in these by size.
    """
    run, question = analysis.run, analysis.question
    if question:
        reference, candidates = question.reference, list(question.candidates)
    elif analysis.references and len(run.methods) > 1:
        reference = analysis.references[0]
        candidates = [method for method in run.methods if method != reference]
    else:
        return None
    names = _names(analysis, candidates)
    candidates.sort(key=lambda method: _numbers_first(names[method]))
    return Asked(reference, candidates, question is not None, names)


def effects(analysis: Analysis, about: Asked, metric: str) -> pd.DataFrame:
    """Return the rows of :meth:`Analysis.differences` of the candidates."""
    rows = analysis.differences(about.reference, metric)
    return rows[rows["method"].isin(about.candidates)]


def verdict(analysis: Analysis) -> str:
    """Return paragraphs and lists in Markdown that also read well on a terminal."""
    run = analysis.run
    parts = [f"The sweep is {run.note}; what follows describes these."] if run.note else []
    about = asked(analysis)
    if run.last.empty:
        statuses = sorted(run.cells["status"].value_counts().items())
        became = listing([f"{number} {status}" for status, number in statuses])
        parts.append(f"No cell finished ({became}), so nothing can be said.")
    elif about is None:
        parts.append("No verdict: no method ran beside one that others are compared with.")
    else:
        parts += [_opening(analysis, about), *_protocol(analysis, about)]
        if len(about.candidates) > FEW_CANDIDATES:
            parts += _compare(analysis, about)
        else:
            for method in about.candidates:
                parts += _judge(analysis, about._replace(candidates=[method]))
        parts += _best(analysis, about)
    return "\n\n".join(parts) + "\n"


def _names(analysis: Analysis, candidates: Sequence[str]) -> Names:
    """Return labels; for label smoothing among the candidates all its values."""
    specs = analysis.run.cells.drop_duplicates("method").set_index("method")["method_spec"]
    names = {method: look.label for method, look in analysis.looks.items()}
    for method in names:
        if base(method) == "cross_entropy":
            names[method] = "hard labels"
        elif base(method) == "label_smoothing" and method in candidates:
            values = str(specs.get(method, "")).partition("(")[2].removesuffix(")")
            names[method] = f"label smoothing ({values})" if values else "label smoothing"
    return names


def _numbers_first(name: str) -> tuple[list[float], str]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", name)], name


def _opening(analysis: Analysis, about: Asked) -> str:
    tried = [about.names[method] for method in about.candidates]
    many = len(tried) > FEW_CANDIDATES
    compared = f"{count(len(tried), 'method') if many else listing(tried)} against "
    compared += about.names[about.reference]
    if about.confirmatory:
        return f"Asked before the run, and so confirmatory: {compared}."
    wanted = analysis.run.question
    why = "Nothing was asked before the run"
    if wanted:
        ran = analysis.run.methods
        absent = [m for m in (wanted.reference, *wanted.candidates) if m not in ran]
        why = f"What the suite asks cannot be answered without {some(absent, NAMED)}"
    return f"{why}, so all that follows is exploratory: {compared}."


def _judge(analysis: Analysis, about: Asked) -> list[str]:
    """Return what a single candidate did in each setting."""
    (method,) = about.candidates
    tests = {m: effects(analysis, about, m) for m in (*JUDGED, "ece")}
    title = f"{capitalised(about.names[method])} against {about.names[about.reference]}"
    if tests["acc"].empty:
        compared = analysis.compared(about.reference, "acc")
        pairs = int(compared.loc[compared["method"] == method, "n"].sum())
        settings = count(len(analysis.run.settings), "setting")
        return [
            (
                f"{title}: not enough seeds. A verdict needs {stats.FEWEST_PAIRS} pairs in a "
                f"setting; there are {count(pairs, 'pair')} over {settings}."
            )
        ]
    parts = [f"{title}. {_headline(tests['acc'])}"]
    lines = [_outcomes(about, metric, tests[metric]) for metric in JUDGED if len(tests[metric])]
    parts.append("\n".join(f"- {line}" for line in lines))
    if len(tests["ece"]):
        parts.append(_calibration(analysis, about, tests["ece"]))
    return [*parts, *_probably(analysis, method, about.reference)]


def _probably(analysis: Analysis, method: str, reference: str) -> list[str]:
    """Return how probable help and harm are in another such setting; nothing below eight."""
    rows = analysis.probabilities
    rows = rows[(rows["method"] == method) & (rows["reference"] == reference)]
    said = [
        f"{METRICS[c.metric].label} better {chance(c.better)}, within "
        f"{number(c.metric, analysis.margins[c.metric])}{unit(c.metric)} {chance(c.same)}, worse "
        f"{chance(c.worse)}"
        for c in rows_of(rows)
    ]
    if not said:
        return []
    n = min(rows["n"])
    head = f"Probabilities in another setting like these {n} (Bayesian signed-rank test): "
    return [f"{head}{'; '.join(said)}. They take settings as independent."]


def _compare(analysis: Analysis, about: Asked) -> list[str]:
    """Return a line for each of many candidates, or for each metric where there is one setting."""
    tests = {metric: effects(analysis, about, metric) for metric in (*JUDGED, "ece")}
    if len(analysis.run.settings) == 1:
        lines = [_of_one_setting(m, rows, about.names) for m, rows in tests.items() if len(rows)]
    else:
        lines = [_of_candidate(analysis, method, tests, about.names) for method in about.candidates]
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _of_one_setting(metric: str, tests: pd.DataFrame, names: Names) -> str:
    said = []
    for outcome, words in OUTCOMES.items():
        methods = [names[method] for method in tests.loc[tests["outcome"] == outcome, "method"]]
        if methods:
            those = "" if outcome == "better" else f" ({some(methods, NAMED)})"
            said.append(f"{words} for {len(methods)}{those}")
    return f"{METRICS[metric].label}, of {len(tests)}: {'; '.join(said)}."


def _of_candidate(
    analysis: Analysis, method: str, tests: Mapping[str, pd.DataFrame], names: Names
) -> str:
    said = []
    for metric, rows in tests.items():
        outcomes = rows.loc[rows["method"] == method, "outcome"]
        better, worse = ((outcomes == outcome).sum() for outcome in ("better", "worse"))
        counts = f"better in {better} and worse in {worse} of {len(outcomes)}"
        said.append(f"{METRICS[metric].label} {counts if len(outcomes) else 'not judged'}")
    status = analysis.run.cells.loc[analysis.run.cells["method"] == method, "status"]
    if lost := int((status != "done").sum()):
        said.append(f"{lost} of {count(len(status), 'run')} without a result")
    return f"{names[method]}: {'; '.join(said)}."


def _headline(tests: pd.DataFrame) -> str:
    said = []
    noisy = tests[tests["noisy"]]
    if len(noisy):
        words = ("raised accuracy", "lowered accuracy", "left accuracy equivalent")
        phrases = _tally(noisy, (*words, "made no detected difference"))
        said.append(f"On mislabelled data it {phrases}.")
    words = ("it raised accuracy", "it lowered accuracy", "accuracy was equivalent")
    texts = dict(zip(OUTCOMES, (*words, "no difference was detected"), strict=True))
    for effect in rows_of(tests[~tests["noisy"]]):
        where = "clean labels" if effect.setting == "clean" else effect.setting
        said.append(f"On {where} {texts[effect.outcome]}.")
    return " ".join(said)


def _tally(tests: pd.DataFrame, words: Sequence[str]) -> str:
    """Return ``raised accuracy in 3 of 4 settings and made no detected difference in 1``."""
    counts = [int((tests["outcome"] == outcome).sum()) for outcome in OUTCOMES]
    said = [(phrase, n) for phrase, n in zip(words, counts, strict=True) if n]
    whole = f" of {count(len(tests), 'setting')}"
    return listing([f"{w} in {n}{'' if k else whole}" for k, (w, n) in enumerate(said)])


def _protocol(analysis: Analysis, about: Asked) -> list[str]:
    tests = effects(analysis, about, "acc")
    if tests.empty:
        return []
    fewest = int(tests["n"].min())
    text = f"Paired t tests over {span(tests['n'])} seeds a setting at the last epoch; "
    if about.confirmatory:
        text += f"p after Holm over all {int(tests['tests'].max())} tests of a metric; "
    else:
        text += "q (Benjamini-Hochberg) over all pairs of methods in a setting; "
    scopes = [SCOPES[over] for over in SCOPES if over in set(tests["over"])]
    text += f"95% intervals in brackets, {' or '.join(scopes)}."
    least = stats.smallest_wilcoxon_p(fewest)
    if least > stats.ALPHA:
        text += (
            f" (A Wilcoxon signed-rank test of {fewest} pairs cannot fall below p = {least:g}, "
            "so it could never decide.)"
        )
    thin = [name for name in analysis.run.settings if name not in set(tests["setting"])]
    if thin:
        text += f" Not enough seeds to judge {listing(thin)}."
    return [text]


def _outcomes(about: Asked, metric: str, tests: pd.DataFrame) -> str:
    said = []
    for outcome, phrase in OUTCOMES.items():
        places = [
            f"{e['setting']} ({with_test(metric, e, _adjusted(about, e['p_adjusted']))})"
            for e in tests[tests["outcome"] == outcome].to_dict("records")
        ]
        if places:
            said.append(f"{phrase} in {len(places)} of {len(tests)}: {', '.join(places)}")
    return f"{METRICS[metric].label}: {'; '.join(said)}."


def _adjusted(about: Asked, p: float) -> str:
    return p_value(p, "p" if about.confirmatory else "q")


def _calibration(analysis: Analysis, about: Asked, tests: pd.DataFrame) -> str:
    words = ("fell", "rose", "stayed equivalent", "made no detected change")
    (method,) = about.candidates
    floors = analysis.floors
    gaps = effects(analysis, about, "gap_signed").set_index("setting")
    sides = f"{about.names[about.reference]} to {about.names[method]}"
    lines = [
        (
            f"Calibration: ECE {_tally(tests, words)}. From {sides}, in percent, each beside the "
            "floor that chance alone would leave its method:"
        ),
        "",
    ]
    for e in rows_of(tests):
        before, after = (floors.get((m, e.setting), math.nan) for m in (about.reference, method))
        text = f"- {e.setting}: ECE {_with_floor(e.other, before)} to {_with_floor(e.own, after)}"
        text += f", {change('ece', e.difference, e.low, e.high)}"
        if e.setting in gaps.index:
            text += _gap(gaps.loc[e.setting, "other"], gaps.loc[e.setting, "own"])
        lines.append(f"{text}.")
    return "\n".join(lines)


def _with_floor(ece: float, floor: float) -> str:
    text = number("ece", ece)
    return f"{text} (floor {number('ece', floor)})" if math.isfinite(floor) else text


def _gap(before: float, after: float) -> str:
    text = f"; confidence minus accuracy {signed('gap_signed', before)} to "
    text += signed("gap_signed", after)
    if before > 0 > after:
        text += " (from over- to underconfident)"
    elif before < 0 < after:
        text += " (from under- to overconfident)"
    return text


def _best(analysis: Analysis, about: Asked) -> list[str]:
    few = len(about.candidates) <= FEW_CANDIDATES
    rivals = about.candidates if few else [about.reference]
    lines = []
    for setting, row in analysis.scores("acc").iterrows():
        means = row.dropna()
        if len(means) > 1:
            lead = _lead(analysis, (str(setting), means), rivals, about.names)
            lines.append(f"- {setting}: {lead}.")
    if not lines:
        return []
    head = (
        f"Best accuracy in each setting, and its lead over "
        f"{listing([about.names[method] for method in rivals])} (exploratory; intervals are not "
        "widened for having picked the best afterwards):"
    )
    return ["\n".join([head, "", *lines])]


def _lead(
    analysis: Analysis, here: tuple[str, pd.Series], rivals: Sequence[str], names: Names
) -> str:
    setting, means = here
    best, *equals = (str(method) for method in means.index[(means == means.max()).to_numpy()])
    called = listing([names[method] for method in (best, *equals)])
    said = f"{called}, {number('acc', float(means[best]))}%"
    others = [m for m in rivals if m != best and m in means.index]
    if best in rivals:
        rest = means.drop([m for m in rivals if m in means.index])
        others = [str(rest.idxmax())] if len(rest) else others
    leads = []
    for rival in others:
        tests = analysis.compared(rival, "acc")
        tests = tests[(tests["method"] == best) & (tests["setting"] == setting)]
        for test in rows_of(tests):
            lead = change("acc", test.difference, test.low, test.high)
            leads.append(f"{lead} against {names[rival]}")
    return f"{said} ({'; '.join(leads)})" if leads else said

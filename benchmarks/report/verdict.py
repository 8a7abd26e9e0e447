"""The founding question in words: does label smoothing beat hard labels, where, at what cost?"""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.errors import count
from benchmarks.report import stats
from benchmarks.report.analysis import ROPES, Analysis, rows_of
from benchmarks.report.looks import base
from benchmarks.report.phrases import (
    capitalised,
    chance,
    change,
    listing,
    number,
    signed,
    span,
    unit,
    with_test,
)
from benchmarks.schema import METRICS

REFERENCE, CANDIDATE = "cross_entropy", "label_smoothing"
JUDGED = ("acc", "nll", "brier")
FEW_CANDIDATES = 2
"""The most candidates that are judged setting by setting; more of them get a line each."""

Names = Mapping[str, str]
"""The names by which sentences call the methods."""


def effects(
    analysis: Analysis, methods: Sequence[str], reference: str, metric: str
) -> pd.DataFrame:
    """Return what replacing the reference by each method did to a metric in every setting.

    Returns:
        the rows of :meth:`Analysis.differences`, with ``p_holm`` over these rows, and the
        ``outcome``: ``helped``, ``hurt`` or ``open`` (no difference shown).
    """
    rows = analysis.differences(reference, metric)
    rows = stats.corrected(rows[rows["method"].isin(methods)])
    up = METRICS[metric].better == "higher"
    better = np.where((rows["difference"] > 0) == up, "helped", "hurt")
    return rows.assign(outcome=np.where(stats.significant(rows["p_holm"]), better, "open"))


def verdict(analysis: Analysis) -> str:
    """Return paragraphs and lists in Markdown that also read well on a terminal."""
    run = analysis.run
    parts = [f"The sweep is {run.note}; what follows describes these."] if run.note else []
    references = [method for method in analysis.references if base(method) == REFERENCE]
    candidates = [method for method in run.methods if base(method) == CANDIDATE]
    absent = [n for n, have in ((CANDIDATE, candidates), (REFERENCE, references)) if not have]
    if run.last.empty:
        parts.append("No cell finished, so nothing can be said.")
    elif absent:
        parts.append(f"No verdict on label smoothing: the run has no {listing(absent)}.")
    else:
        (reference,) = references
        names = _names(analysis, candidates, reference)
        candidates = sorted(candidates, key=lambda method: _numbers_first(names[method]))
        if len(candidates) > 1:
            tried = listing([names[method] for method in candidates])
            parts.append(f"{len(candidates)} settings of label smoothing were tried: {tried}.")
        if len(candidates) > FEW_CANDIDATES:
            parts += _compare(analysis, candidates, reference, names)
        else:
            for method in candidates:
                parts += _judge(analysis, method, reference, names)
        parts += _best(analysis, candidates, names)
    return "\n\n".join(parts) + "\n"


def _names(analysis: Analysis, candidates: Sequence[str], reference: str) -> Names:
    """Return labels, and for candidates all their values."""
    specs = analysis.run.cells.drop_duplicates("method").set_index("method")["method_spec"]
    names = {method: look.label for method, look in analysis.looks.items()}
    names[reference] = "hard labels"
    for method in candidates:
        values = str(specs.get(method, "")).partition("(")[2].removesuffix(")")
        names[method] = f"label smoothing ({values})" if values else "label smoothing"
    return names


def _numbers_first(name: str) -> tuple[list[float], str]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", name)], name


def _judge(analysis: Analysis, method: str, reference: str, names: Names) -> list[str]:
    tests = {m: effects(analysis, [method], reference, m) for m in (*JUDGED, "ece")}
    title = f"{capitalised(names[method])} against {names[reference]}"
    if tests["acc"].empty:
        pairs = int((analysis.pairs(reference, "acc")["method"] == method).sum())
        settings = count(len(analysis.run.settings), "setting")
        return [
            (
                f"{title}: not enough seeds. A verdict needs {stats.FEWEST_PAIRS} pairs in a "
                f"setting; there are {count(pairs, 'pair')} over {settings}."
            )
        ]
    parts = [f"{title}. {_headline(tests['acc'])}", _protocol(analysis, tests["acc"])]
    lines = [_outcomes(metric, tests[metric]) for metric in JUDGED if len(tests[metric])]
    parts.append("\n".join(f"- {line}" for line in lines))
    if len(tests["ece"]):
        parts.append(_calibration(analysis, tests["ece"]))
    return [*parts, *_probably(analysis, method, reference)]


def _probably(analysis: Analysis, method: str, reference: str) -> list[str]:
    """Return how probable help and harm are in another such setting; nothing below eight."""
    rows = analysis.probabilities
    rows = rows[(rows["method"] == method) & (rows["reference"] == reference)]
    said = [
        f"{METRICS[c.metric].label} better {chance(c.better)}, within "
        f"{number(c.metric, ROPES[c.metric])}{unit(c.metric)} {chance(c.same)}, worse "
        f"{chance(c.worse)}"
        for c in rows_of(rows)
    ]
    if not said:
        return []
    n = min(rows["n"])
    head = f"Probabilities in another setting like these {n} (Bayesian signed-rank test): "
    return [f"{head}{'; '.join(said)}. They take settings as independent."]


def _compare(
    analysis: Analysis, candidates: Sequence[str], reference: str, names: Names
) -> list[str]:
    """Return one line for each candidate, corrected (Holm) over all of them and all settings."""
    cells = analysis.run.cells
    lines: dict[str, list[str]] = {method: [] for method in candidates}
    size = 0
    for metric in (*JUDGED, "ece"):
        tests = effects(analysis, candidates, reference, metric)
        size = max(size, len(tests))
        for method, said in lines.items():
            outcomes = tests.loc[tests["method"] == method, "outcome"]
            better, worse = ((outcomes == outcome).sum() for outcome in ("helped", "hurt"))
            counts = f"better in {better} and worse in {worse} of {len(outcomes)}"
            said.append(f"{METRICS[metric].label} {counts if len(outcomes) else 'not judged'}")
    for method, said in lines.items():
        status = cells.loc[cells["method"] == method, "status"]
        if lost := int((status != "done").sum()):
            said.append(f"{lost} of {count(len(status), 'run')} without a result")
    head = (
        f"Each against {names[reference]}, in settings: paired t tests over seeds at the last "
        f"epoch, Holm within each metric over all {size} of them."
    )
    listed = [f"- {names[method]}: {'; '.join(said)}." for method, said in lines.items()]
    return [head, "\n".join(listed)]


def _headline(tests: pd.DataFrame) -> str:
    said = []
    noisy = tests[tests["noisy"]]
    if len(noisy):
        phrases = _tally(noisy, ("raised accuracy", "lowered accuracy", "showed no difference"))
        said.append(f"On mislabelled data it {phrases}.")
    words = {"helped": "raised it", "hurt": "lowered it", "open": "showed no difference"}
    for effect in rows_of(tests[~tests["noisy"]]):
        where = "clean labels" if effect.setting == "clean" else effect.setting
        text = words[effect.outcome]
        said.append(f"On {where} it {text if len(noisy) else text.replace('it', 'accuracy')}.")
    return " ".join(said)


def _tally(tests: pd.DataFrame, words: tuple[str, str, str]) -> str:
    """Return ``raised accuracy in 3 of 4 settings and showed no difference in 1``."""
    counts = [int((tests["outcome"] == o).sum()) for o in ("helped", "hurt", "open")]
    said = [(phrase, n) for phrase, n in zip(words, counts, strict=True) if n]
    whole = f" of {count(len(tests), 'setting')}"
    return listing([f"{w} in {n}{'' if k else whole}" for k, (w, n) in enumerate(said)])


def _protocol(analysis: Analysis, tests: pd.DataFrame) -> str:
    fewest = int(tests["n"].min())
    text = (
        f"Paired t tests over {span(tests['n'])} seeds a setting, Holm within each metric over "
        f"{count(len(tests), 'setting')}, at the last epoch; 95% intervals in brackets."
    )
    least = stats.smallest_wilcoxon_p(fewest)
    if least > stats.ALPHA:
        text += (
            f" (A Wilcoxon signed-rank test of {fewest} pairs cannot fall below p = {least:g}, "
            "so it could never decide.)"
        )
    thin = [name for name in analysis.run.settings if name not in set(tests["setting"])]
    if thin:
        text += f" Not enough seeds to judge {listing(thin)}."
    return text


def _outcomes(metric: str, tests: pd.DataFrame) -> str:
    words = {"helped": "better in", "hurt": "worse in", "open": "no difference shown in"}
    said = []
    for outcome, phrase in words.items():
        chosen = tests[tests["outcome"] == outcome]
        if len(chosen):
            places = [f"{e['setting']} ({with_test(metric, e)})" for e in chosen.to_dict("records")]
            said.append(f"{phrase} {len(chosen)} of {len(tests)}: {', '.join(places)}")
    return f"{METRICS[metric].label}: {'; '.join(said)}."


def _calibration(analysis: Analysis, tests: pd.DataFrame) -> str:
    phrases = _tally(tests, ("fell", "rose", "showed no change"))
    floors = analysis.run.last.groupby("setting")["ece_floor"].mean()
    method, reference = tests[["method", "reference"]].iloc[0]
    gaps = effects(analysis, [method], reference, "gap_signed").set_index("setting")
    lines = [
        f"Calibration: ECE {phrases}. From hard labels to smoothed ones, in percent:",
        "",
    ]
    for e in rows_of(tests):
        text = f"- {e.setting}: ECE {number('ece', e.other)} to {number('ece', e.own)}"
        text += f" ({change('ece', e.difference, e.low, e.high)})"
        text += _over_floor(e.own, float(floors[e.setting]))
        if e.setting in gaps.index:
            text += _gap(gaps.loc[e.setting, "other"], gaps.loc[e.setting, "own"])
        lines.append(f"{text}.")
    return "\n".join(lines)


def _over_floor(ece: float, floor: float) -> str:
    if not math.isfinite(floor):
        return ""
    if ece <= floor:
        return f", at the floor of {number('ece', floor)} that chance alone leaves"
    return f", {number('ece', ece - floor)} points above the floor of {number('ece', floor)}"


def _gap(before: float, after: float) -> str:
    text = f"; confidence minus accuracy {signed('gap_signed', before)} to "
    text += signed("gap_signed", after)
    if before > 0 > after:
        text += " (from over- to underconfident)"
    elif before < 0 < after:
        text += " (from under- to overconfident)"
    return text


def _best(analysis: Analysis, candidates: Sequence[str], names: Names) -> list[str]:
    lines = []
    for setting, row in analysis.scores("acc").iterrows():
        means = row.dropna()
        if len(means) > 1:
            lead = _lead(analysis, (str(setting), means), candidates, names)
            lines.append(f"- {setting}: {lead}.")
    if not lines:
        return []
    head = (
        "Best accuracy in each setting, and its lead over label smoothing (intervals are not "
        "widened for having picked the best afterwards):"
    )
    return ["\n".join([head, "", *lines])]


def _lead(
    analysis: Analysis, here: tuple[str, pd.Series], candidates: Sequence[str], names: Names
) -> str:
    setting, means = here
    best, *equals = (str(method) for method in means.index[(means == means.max()).to_numpy()])
    called = listing([names[method] for method in (best, *equals)])
    said = f"{called}, {number('acc', float(means[best]))}%"
    rivals = [m for m in candidates if m != best and m in means.index]
    if best in candidates:
        others = means.drop([m for m in candidates if m in means.index])
        rivals = [str(others.idxmax())] if len(others) else rivals
    leads = []
    for rival in rivals:
        tests = analysis.tests(rival, "acc")
        tests = tests[(tests["method"] == best) & (tests["setting"] == setting)]
        for test in rows_of(tests):
            lead = change("acc", test.difference, test.low, test.high)
            leads.append(f"{lead} against {names[rival]}")
    return f"{said} ({'; '.join(leads)})" if leads else said

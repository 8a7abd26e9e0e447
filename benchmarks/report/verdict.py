"""The founding question in words: does label smoothing beat hard labels, where, at what cost?"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from benchmarks.report import across, stats
from benchmarks.report.across import FEWEST_PAIRS
from benchmarks.report.looks import base
from benchmarks.report.read import Run
from benchmarks.report.stats import Difference
from benchmarks.report.wording import chance, change, count, listing, number, p_value, signed, unit
from benchmarks.schema import METRICS

REFERENCE, CANDIDATE = "cross_entropy", "label_smoothing"
JUDGED = ("acc", "nll", "brier")
FEW_CANDIDATES = 2
"""So many are judged setting by setting; more of them in a line each."""


@dataclass(frozen=True)
class Effect:
    """What replacing the reference by the candidate did to one metric in one setting."""

    setting: str
    noisy: bool
    metric: str
    own: float
    reference: float
    difference: Difference
    p: float  # after Holm over the settings of the metric

    @property
    def outcome(self) -> str:
        """``helped``, ``hurt`` or ``open``: no difference shown."""
        if self.p >= stats.ALPHA:
            return "open"
        up = METRICS[self.metric].better == "higher"
        return "helped" if (self.difference.mean > 0) == up else "hurt"


def effects(run: Run, method: str, reference: str, metric: str) -> list[Effect]:
    """The effect in every setting that has at least three pairs, Holm over these settings."""
    named = across.pairs(run, method, reference, metric)
    found = []
    for setting in run.settings:
        rows = named[named["setting"] == setting]
        if len(rows) >= FEWEST_PAIRS:
            test = stats.paired_t(rows["difference"].to_numpy())
            own, other = float(rows["own"].mean()), float(rows["reference"].mean())
            noisy = bool(rows["noisy"].iloc[0])
            found.append(Effect(setting, noisy, metric, own, other, test, math.nan))
    adjusted = stats.holm([effect.difference.p for effect in found])
    return [
        Effect(e.setting, e.noisy, metric, e.own, e.reference, e.difference, p)
        for e, p in zip(found, adjusted, strict=True)
    ]


def verdict(run: Run) -> str:
    """Paragraphs and lists in Markdown that also read well on a terminal."""
    parts = [f"The sweep is {run.note}; what follows describes these."] if run.note else []
    references = [method for method in run.methods if base(method) == REFERENCE]
    candidates = [method for method in run.methods if base(method) == CANDIDATE]
    absent = [n for n, have in ((CANDIDATE, candidates), (REFERENCE, references)) if not have]
    if run.last.empty:
        parts.append("No cell finished, so nothing can be said.")
    elif absent:
        parts.append(f"No verdict on label smoothing: the run has no {listing(absent)}.")
    else:
        reference = references[0]  # the bare spec, if it is there
        names = Names(run, candidates, reference)
        candidates = sorted(candidates, key=names.order)
        if len(candidates) > 1:
            tried = listing([names.of(method) for method in candidates])
            parts.append(f"{len(candidates)} settings of label smoothing were tried: {tried}.")
        if len(candidates) > FEW_CANDIDATES:
            parts += _compare(run, candidates, reference, names)
        else:
            for method in candidates:
                parts += _judge(run, method, reference, names)
        parts += _best(run, candidates, names)
    return "\n\n".join(parts) + "\n"


class Names:
    """How the verdict calls the methods: specs with their values where several were tried."""

    def __init__(self, run: Run, candidates: Sequence[str], reference: str) -> None:
        specs = run.cells.drop_duplicates("method").set_index("method")["method_spec"]
        looks = run.looks
        self._names = {method: look.label for method, look in looks.items()}
        self._names[reference] = "hard labels"
        for method in candidates:
            full = str(specs.get(method, "")).partition("(")[2].removesuffix(")")
            self._names[method] = f"label smoothing ({full})" if full else "label smoothing"

    def of(self, method: str) -> str:
        """The name within a sentence."""
        return self._names[method]

    def order(self, method: str) -> tuple[list[float], str]:
        """Sort by the numbers in a name, then by the rest."""
        name = self._names[method]
        return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", name)], name

    def first(self, method: str) -> str:
        """The name at the start of a sentence."""
        name = self._names[method]
        return name[0].upper() + name[1:]


def _judge(run: Run, method: str, reference: str, names: Names) -> list[str]:
    judged = {metric: effects(run, method, reference, metric) for metric in (*JUDGED, "ece")}
    first = judged["acc"]
    title = f"{names.first(method)} against {names.of(reference)}"
    if not first:
        pairs = len(stats.pair(run.last, method, reference, "acc"))
        return [
            (
                f"{title}: not enough seeds. A verdict needs {FEWEST_PAIRS} pairs in a setting; "
                f"there are {count(pairs, 'pair')} over {count(len(run.settings), 'setting')}."
            )
        ]
    parts = [f"{title}. {_headline(first)}", _protocol(run, first)]
    lines = [_outcomes(metric, judged[metric]) for metric in JUDGED if judged[metric]]
    parts.append("\n".join(f"- {line}" for line in lines))
    if judged["ece"]:
        parts.append(_calibration(run, method, reference, judged["ece"]))
    return [*parts, *_probably(run, method, reference)]


def _probably(run: Run, method: str, reference: str) -> list[str]:
    """How probable help and harm are in another such setting; nothing below eight settings."""
    tried = [across.probability(run, method, reference, metric) for metric in ("acc", "ece")]
    said = [
        f"{METRICS[c.metric].label} better {chance(c.better)}, within "
        f"{number(c.metric, rope)}{unit(c.metric)} {chance(c.same)}, worse "
        f"{chance(c.worse)}"
        for c in tried
        if c is not None
        for rope in [across.ROPES[c.metric]]
    ]
    if not said:
        return []
    n = min(c.n for c in tried if c is not None)
    head = f"Probabilities in another setting like these {n} (Bayesian signed-rank test): "
    return [f"{head}{'; '.join(said)}. They take settings as independent."]


def _compare(run: Run, candidates: Sequence[str], reference: str, names: Names) -> list[str]:
    """One line for each candidate, Holm over all of them and all settings."""
    lines: dict[str, list[str]] = {method: [] for method in candidates}
    size = 0
    for metric in (*JUDGED, "ece"):
        found = {method: effects(run, method, reference, metric) for method in candidates}
        every = [replace(e, p=e.difference.p) for method in candidates for e in found[method]]
        size = max(size, len(every))
        adjusted = iter(stats.holm([e.p for e in every]))
        for method in candidates:
            own = [replace(e, p=next(adjusted)) for e in found[method]]
            better, worse = (sum(e.outcome == o for e in own) for o in ("helped", "hurt"))
            told = f"better in {better} and worse in {worse} of {len(own)}"
            lines[method].append(f"{METRICS[metric].label} {told if own else 'not judged'}")
    for method, said in lines.items():
        runs = run.cells[run.cells["method"] == method]
        if lost := int((runs["status"] != "done").sum()):
            said.append(f"{lost} of {count(len(runs), 'run')} without a result")
    head = (
        f"Each against {names.of(reference)}, in settings: paired t tests over seeds at the last "
        f"epoch, Holm within each metric over all {size} of them."
    )
    listed = [f"- {names.of(method)}: {'; '.join(said)}." for method, said in lines.items()]
    return [head, "\n".join(listed)]


def _headline(found: list[Effect]) -> str:
    said = []
    noisy = [effect for effect in found if effect.noisy]
    if noisy:
        phrases = _tally(noisy, ("raised accuracy", "lowered accuracy", "showed no difference"))
        said.append(f"On mislabelled data it {phrases}.")
    words = {"helped": "raised it", "hurt": "lowered it", "open": "showed no difference"}
    for effect in (effect for effect in found if not effect.noisy):
        where = "clean labels" if effect.setting == "clean" else effect.setting
        text = words[effect.outcome] if noisy else words[effect.outcome].replace("it", "accuracy")
        said.append(f"On {where} it {text}.")
    return " ".join(said)


def _tally(found: list[Effect], words: tuple[str, str, str]) -> str:
    """``raised accuracy in 3 of 4 settings and showed no difference in 1``."""
    counts = [sum(e.outcome == outcome for e in found) for outcome in ("helped", "hurt", "open")]
    said = [(phrase, n) for phrase, n in zip(words, counts, strict=True) if n]
    whole = f" of {count(len(found), 'setting')}"
    return listing([f"{w} in {n}{'' if k else whole}" for k, (w, n) in enumerate(said)])


def _protocol(run: Run, found: list[Effect]) -> str:
    sizes = sorted({effect.difference.n for effect in found})
    pairs = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    text = (
        f"Paired t tests over {pairs} seeds a setting, Holm within each metric over "
        f"{count(len(found), 'setting')}, at the last epoch; 95% intervals in brackets."
    )
    least = stats.smallest_wilcoxon_p(sizes[0])
    if least > stats.ALPHA:
        text += (
            f" (A Wilcoxon signed-rank test of {sizes[0]} pairs cannot fall below p = {least:g}, "
            "so it could never decide.)"
        )
    thin = [name for name in run.settings if name not in {e.setting for e in found}]
    if thin:
        text += f" Not enough seeds to judge {listing(thin)}."
    return text


def _outcomes(metric: str, found: list[Effect]) -> str:
    words = {"helped": "better in", "hurt": "worse in", "open": "no difference shown in"}
    said = []
    for outcome, phrase in words.items():
        chosen = [effect for effect in found if effect.outcome == outcome]
        if chosen:
            places = [
                f"{e.setting} ({change(metric, e.difference)}, {p_value(e.p)})" for e in chosen
            ]
            said.append(f"{phrase} {len(chosen)} of {len(found)}: {', '.join(places)}")
    return f"{METRICS[metric].label}: {'; '.join(said)}."


def _calibration(run: Run, method: str, reference: str, found: list[Effect]) -> str:
    phrases = _tally(found, ("fell", "rose", "showed no change"))
    floors = run.last.groupby("setting")["ece_floor"].mean()
    gaps = {e.setting: e for e in effects(run, method, reference, "gap_signed")}
    lines = [
        f"Calibration: ECE {phrases}. From hard labels to smoothed ones, in percent:",
        "",
    ]
    for e in found:
        text = f"- {e.setting}: ECE {number('ece', e.reference)} to {number('ece', e.own)}"
        text += f" ({change('ece', e.difference)})"
        text += _over_floor(e.own, float(floors[e.setting]))
        if e.setting in gaps:
            text += _gap(gaps[e.setting])
        lines.append(f"{text}.")
    return "\n".join(lines)


def _over_floor(ece: float, floor: float) -> str:
    if not math.isfinite(floor):
        return ""
    if ece <= floor:
        return f", at the floor of {number('ece', floor)} that chance alone leaves"
    return f", {number('ece', ece - floor)} points above the floor of {number('ece', floor)}"


def _gap(effect: Effect) -> str:
    before, after = signed("gap_signed", effect.reference), signed("gap_signed", effect.own)
    text = f"; confidence minus accuracy {before} to {after}"
    if effect.reference > 0 > effect.own:
        text += " (from over- to underconfident)"
    elif effect.reference < 0 < effect.own:
        text += " (from under- to overconfident)"
    return text


def _best(run: Run, candidates: Sequence[str], names: Names) -> list[str]:
    lines = []
    for setting in run.settings:
        rows = run.last[run.last["setting"] == setting].dropna(subset=["acc"])
        means = rows.groupby("method")["acc"].mean().reindex(run.methods).dropna()
        if len(means) > 1:
            lines.append(f"- {setting}: {_best_here(rows, means, candidates, names.of)}.")
    if not lines:
        return []
    head = (
        "Best accuracy in each setting, and its lead over label smoothing (intervals are not "
        "widened for having picked the best afterwards):"
    )
    return ["\n".join([head, "", *lines])]


def _best_here(
    rows: pd.DataFrame, means: pd.Series, candidates: Sequence[str], name: Callable[[str], str]
) -> str:
    best = str(means.idxmax())
    said = f"{name(best)}, {number('acc', float(means[best]))}%"
    rivals = [m for m in candidates if m != best and m in means.index]
    if best in candidates:
        others = means.drop([m for m in candidates if m in means.index])
        rivals = [str(others.idxmax())] if len(others) else rivals
    leads = []
    for rival in rivals:
        test = stats.paired_t(stats.pair(rows, best, rival, "acc")["difference"].to_numpy())
        if test.n:
            leads.append(f"{change('acc', test)} against {name(rival)}")
    return f"{said} ({'; '.join(leads)})" if leads else said

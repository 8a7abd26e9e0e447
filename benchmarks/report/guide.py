"""The guide: which method to take for which noise, at what cost, and what may be as good."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import some
from benchmarks.report.analysis import REFERENCES, Analysis
from benchmarks.report.looks import PRIVILEGED, base, told
from benchmarks.report.phrases import BLANK, capitalised, multiple, number
from benchmarks.report.tables import COST, Table, incomplete, unmarked

HARD = "hard labels"
"""What sentences call training with cross-entropy on the labels as they are."""

NAMED = 3
"""The most methods that an entry of the guide names."""
WRITTEN = 3
"""The most rates whose accuracies an entry writes one by one; of more it has both ends."""


@dataclass(frozen=True)
class Choice:
    """The first choice in one setting: best in accuracy of what finished and was told nothing.

    What lost runs or is within chance is never one; what has a privilege is one only
    where nothing else is left.
    """

    setting: str
    arena: str
    kind: str
    rate: float  # nominal; nan where the noise states none
    noisy: bool
    method: str
    acc: float
    cost: float
    equivalent: tuple[str, ...]  # shown not to differ by more than the margin
    unresolved: tuple[str, ...]  # neither shown to differ nor not to
    privileged: tuple[str, ...]  # shown to be better, by what others are not told
    reference: float  # the accuracy of the baseline; nan where it has none
    difference: float  # to the baseline, with its interval
    low: float
    high: float


def choices(analysis: Analysis) -> list[Choice]:
    """Return the first choice of each setting that has one, in the order of the run."""
    cells = analysis.run.cells.drop_duplicates("setting").to_dict("records")
    about = {cell["setting"]: cell for cell in cells}
    picks = [_choice(analysis, setting, about[setting]) for setting in analysis.run.settings]
    return [pick for pick in picks if pick]


def eligible(analysis: Analysis, setting: str) -> pd.Series:
    """Return the mean accuracy of each method that finished all its runs above chance, by name."""
    means = analysis.scores("acc").T[setting].dropna().sort_index()
    return means.drop([m for m in means.index if m in analysis.excluded(setting)])


def _choice(analysis: Analysis, setting: str, about: Mapping[Hashable, Any]) -> Choice | None:
    means = eligible(analysis, setting)
    given = means.index.isin(list(analysis.run.privileges))
    free = means if given.all() else means[~given]
    if free.empty:
        return None
    method = str(free.idxmax())
    tests = analysis.compared(method, "acc")
    tests = tests[(tests["setting"] == setting) & tests["method"].isin(means.index)]
    outcomes = tests.groupby("outcome")["method"].agg(tuple)
    against = dict.fromkeys(("difference", "low", "high"), math.nan)
    if analysis.baseline and analysis.baseline != method:
        own = analysis.compared(analysis.baseline, "acc")
        own = own[(own["setting"] == setting) & (own["method"] == method)]
        against = {name: float(own[name].sum(min_count=1)) for name in against}
    return Choice(
        setting=setting,
        arena=str(about["arena"]),
        kind=str(about["kind"]),
        rate=float(about["noise_rate"]),
        noisy=bool(about["noisy"]),
        method=method,
        acc=float(free.max()),
        cost=_cost(analysis, method),
        equivalent=outcomes.get("equivalent", ()),
        unresolved=outcomes.get("open", ()),
        privileged=tuple(m for m in outcomes.get("better", ()) if m in analysis.run.privileges),
        reference=_score(analysis, setting, analysis.baseline),
        **against,
    )


def _score(analysis: Analysis, setting: str, method: str | None) -> float:
    return float(analysis.scores("acc")[method][setting]) if method else math.nan


def _cost(analysis: Analysis, method: str) -> float:
    return float(analysis.ranking.to_dict("index")[method]["cost"])


def rows(picks: Sequence[Choice]) -> Iterator[tuple[str, list[Choice]]]:
    """Yield choices with a name for their noise: neighbouring rates of one method together."""

    def alike(pick: Choice) -> tuple[str, ...]:
        alone = not pick.noisy or math.isnan(pick.rate)
        return (pick.arena, pick.kind, pick.method, pick.setting if alone else "")

    for _, group in groupby(picks, alike):
        own = list(group)
        name = own[0].setting
        if len(own) > 1:
            rates = f"{100 * own[0].rate:.6g} to {100 * own[-1].rate:.6g}%"
            name = ", ".join(part for part in (own[0].arena, f"{own[0].kind} {rates}") if part)
        yield name, own


def reference_name(analysis: Analysis) -> str:
    """Return the name of what the first choices are set beside; nothing if it did not run."""
    method = analysis.baseline or ""
    return HARD if base(method) == REFERENCES[0] else analysis.label(method) if method else ""


def table(analysis: Analysis, picks: Sequence[Choice]) -> Table:
    """Return the guide: a row for each noise and range of rates with one first choice."""
    words = analysis.run.words
    baseline, costs = reference_name(analysis), [pick.cost for pick in picks]
    lines, names = [], []
    for name, own in rows(picks):
        names.append(name)
        line = {
            "First choice": analysis.label(own[0].method),
            f"{words.headline} %": _series([pick.acc for pick in own]),
            **({"Cost": multiple(own[0].cost)} if np.isfinite(costs).any() else {}),
            "Not resolved from it": _beside(analysis, own),
        }
        if any(pick.privileged for pick in picks):
            line[f"Better by {told(analysis.run.privileges.values())}"] = _rated(
                analysis, own, [pick.privileged for pick in own]
            )
        if baseline:
            line[f"{capitalised(baseline)} %"] = _series([pick.reference for pick in own])
        lines.append(line)
    text = pd.DataFrame(lines, index=pd.Index(names, name=words.noise))
    numbers = pd.DataFrame([asdict(pick) for pick in picks], columns=list(Choice.__annotations__))
    for column in ("equivalent", "unresolved", "privileged"):
        numbers[column] = [" ".join(methods) for methods in numbers[column]]
    title = (
        f"The {words.most_accurate} by {words.noise.lower()}, at what cost, and what is not "
        "resolved from it"
    )
    return replace(unmarked(text, numbers, _notes(analysis, picks)), title=title)


def _series(values: Sequence[float]) -> str:
    """Return the accuracies of a row, of many rates the first and the last."""
    texts = [number("acc", value) for value in values]
    return " / ".join(texts) if len(texts) <= WRITTEN else f"{texts[0]} to {texts[-1]}"


def _beside(analysis: Analysis, own: Sequence[Choice]) -> str:
    """Return what may be as good as the first choice, and what is."""
    open_ = _rated(analysis, own, [pick.unresolved for pick in own])
    same = _rated(analysis, own, [pick.equivalent for pick in own])
    texts = [] if open_ == BLANK else [open_]
    texts += [] if same == BLANK else [f"equivalent: {same}"]
    return "; ".join(texts) or BLANK


def _rated(analysis: Analysis, own: Sequence[Choice], named: Sequence[Sequence[str]]) -> str:
    """Name methods, the best first, each with its rates where it is not there at all of the row."""
    order = [str(method) for method in analysis.ranking.index]
    texts = []
    for method in sorted({m for methods in named for m in methods}, key=order.index):
        at = [100 * p.rate for p, methods in zip(own, named, strict=True) if method in methods]
        where = "" if len(at) == len(own) else f" ({', '.join(f'{rate:.6g}' for rate in at)}%)"
        texts.append(f"{analysis.label(method)}{where}")
    return some(texts, NAMED) if texts else BLANK


def _notes(analysis: Analysis, picks: Sequence[Choice]) -> Iterator[str]:
    yield from incomplete(analysis)
    yield (
        f"First choice: the best mean {analysis.run.words.accuracy} at the last epoch, picked on "
        "the same data. Not resolved from it: what is shown neither to be worse nor to be as good; "
        f"equivalent: what is shown to be as good within {number('acc', analysis.margins['acc'])} "
        "points."
    )
    if np.isfinite([pick.cost for pick in picks]).any():
        yield f"{COST}."
    out = {method for s in analysis.run.settings for method in analysis.excluded(s)}
    if out:
        labels = [analysis.label(method) for method in analysis.run.methods if method in out]
        yield (
            "Never a first choice in a setting where they lost runs or are within chance: "
            f"{some(labels, 2 * NAMED)}."
        )
    if analysis.knowledge:
        yield (
            f"{PRIVILEGED} given {told(analysis.run.privileges.values())} "
            f"({'; '.join(analysis.knowledge)}), and so a first choice only where nothing else is "
            "left; called better only where tests show it."
        )

"""What a reader needs first: what a report is about, a summary in plain words, and the guide."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from benchmarks.errors import count, some
from benchmarks.report import guide
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.guide import Choice
from benchmarks.report.looks import BESIDE, told
from benchmarks.report.phrases import capitalised, listing, multiple, number, printable, span
from benchmarks.report.tables import Table
from benchmarks.report.verdict import OUTCOMES, Asked, Names, asked, effects, named
from benchmarks.store.plan_file import fields_of

NAMED = 4
"""The most methods, kinds of noise or the like that a sentence of the summary names."""
LISTED = 8
"""The most methods that the first line names."""
CHEAP = 1.1
"""Up to so many times the cost of hard labels a method counts as costing no more."""


class FirstScreen(NamedTuple):
    """The beginning of a report, of which the last two end the output on a terminal as well."""

    title: str
    about: str  # what was trained on what, in short sentences
    summary: list[str]  # at most five sentences in plain words
    guide: Table | None  # nothing where no method finished
    beside: tuple[str, ...] = ()  # what stands beside from another folder, and what does not


def first_screen(analysis: Analysis) -> FirstScreen:
    """Return title, first line, summary and guide of a report."""
    question, picks = asked(analysis), guide.choices(analysis)
    table = guide.table(analysis, picks) if picks else None
    return FirstScreen(
        title=_title(analysis, question),
        about=" ".join(_about(analysis, question)),
        summary=[*_summary(analysis, question, picks)],
        guide=table,
        beside=tuple(beside(analysis.run)),
    )


def _title(analysis: Analysis, question: Asked | None) -> str:
    run = analysis.run
    what = question.words() if question else count(len(run.methods), "method")
    datasets = some([run.images[name] for name in run.datasets], NAMED)
    suite = f"{printable(run.suite)}: " if run.suite else ""
    return printable(f"{suite}{what if suite else capitalised(what)} on {datasets}")


def _about(analysis: Analysis, question: Asked | None) -> Iterator[str]:
    run, names = analysis.run, named(analysis, question.candidates if question else ())
    yield _question(question, run)
    yield f"Data: {some(_datasets(run), NAMED)}."
    yield f"Model: {some(sorted(set(run.cells['model'])), NAMED)}."
    recipes = [_recipe(run, name) for name in sorted(set(run.cells["recipe"]))]
    yield f"Recipe: {some(recipes, NAMED)}."
    yield f"{run.words.noise}: {some(_noises(run), 2 * NAMED)}."
    labels = [names[method] for method in run.methods]
    few = len(labels) <= LISTED
    yield f"Methods: {', '.join(labels) if few else len(labels)}."
    yield f"Seeds: {_seeds(run)}."
    yield from _made(run)
    yield from beside(run)


def beside(run: Run) -> Iterator[str]:
    """Say what stands beside from another folder, and which settings have nothing from it."""
    if run.beside:
        cells, methods = run.beside.cells, len(run.beside.methods)
        yield (
            f"{BESIDE}: {count(cells, 'cell')} of {count(methods, 'method')} from "
            f"the folder {printable(run.beside.name)}, with the same labels, model and recipe."
        )
        yield from map(printable, run.beside.left_out)


def _question(question: Asked | None, run: Run) -> str:
    if question is None or not question.confirmatory:
        these = " of these methods" if run.question else ""
        return f"No question was asked{these} before the run."
    tried = [question.short(method) for method in question.candidates]
    those = listing(tried) if len(tried) <= LISTED else f"{len(tried)} other methods"
    does = "Does" if len(tried) == 1 else "Do"
    return f"Question: {does} {those} differ from {question.names[question.reference]}?"


def _datasets(run: Run) -> list[str]:
    sizes = run.cells.groupby("dataset")[["n_train", "n_test"]].max()
    names = [run.images[str(name)] for name in sizes.index]
    return [
        f"{name}, {trained:,.0f} images to train on and {tested:,.0f} to test on"
        for name, (trained, tested) in zip(names, sizes.to_numpy(float), strict=True)
    ]


def _recipe(run: Run, name: str) -> str:
    """Return the name of a recipe with what tells it from others, as far as that is known."""
    known = fields_of(run.recipes.get(name, ""))[1]
    epochs = known.get("epochs", run.curves.loc[run.curves["recipe"] == name, "epoch"].max())
    facts = [f"{epochs} epochs"] if epochs == epochs else []  # noqa: PLR0124  nan
    if "optimizer" in known:
        facts.append(f"{known['optimizer']} with learning rate {known.get('lr')}")
        facts.append(f"batches of {known.get('batch')}")
    short = re.sub(r"\bepochs=\d+(, )?", "", name).replace(", )", ")").removesuffix("()")
    return f"{short} ({', '.join(facts)})" if facts else short


def _noises(run: Run) -> list[str]:
    """Return ``clean``, ``symmetric 20, 40 and 60%`` and so on."""
    said: list[str] = []
    rows = run.cells.drop_duplicates("panel").sort_values(["noisy", "kind", "x"])
    for kind, own in rows.groupby("kind", sort=False):
        if own["noise_rate"].isna().any() or not own["noisy"].any():
            said += map(printable, own["panel"])
        else:
            rates = listing([f"{100 * rate:.6g}" for rate in own["noise_rate"]])
            said.append(f"{printable(str(kind))} {rates}%")
    return said


def _seeds(run: Run) -> str:
    seeds = sorted(set(run.cells["seed"]))
    whole = len(seeds) > 1 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"{len(seeds)} ({span(seeds) if whole else some(seeds)})"


def _made(run: Run) -> Iterator[str]:
    """Say when and by which code the cells were trained."""
    own = run.cells
    if run.beside:
        own = own[~own["method"].isin(run.beside.methods)]
    costs = run.costs[run.costs["cell_id"].isin(own["cell_id"])]
    days = sorted({stamp[:10] for stamp in costs["finished_utc"]} - {""})
    commits = sorted(set(costs["commit"]) - {""})
    code = f"commit {some(commits, 2)}" if commits else ""
    when = (days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}") if days else ""
    if when or code:
        yield f"Trained: {', '.join(filter(None, (when, code)))}."


def _summary(analysis: Analysis, question: Asked | None, picks: Sequence[Choice]) -> Iterator[str]:
    """Yield at most five sentences: what to take, what it costs, and what the question found."""
    names = named(analysis, question.candidates if question else ())
    if not picks:
        yield "No method finished with more than chance, so there is nothing to recommend."
        return
    noisy = [pick for pick in picks if pick.noisy]
    if noisy:
        yield _first_choices(analysis, noisy, names)
        yield from _cheap(analysis, noisy, names)
    if clean := [pick for pick in picks if not pick.noisy]:
        yield _without_noise(clean, names)
    if question:
        yield from _answer(analysis, question)


def _first_choices(analysis: Analysis, noisy: Sequence[Choice], names: Names) -> str:
    """Say which method is the most accurate under which noise, and how hard labels fare there."""
    won: dict[str, list[str]] = {}
    for name, own in guide.rows(noisy):
        won.setdefault(own[0].method, []).append(name)
    if len(won) == 1:
        text = f"is {names[noisy[0].method]}"
        if given := analysis.run.privileges.get(noisy[0].method):
            text += f" (given {told([given])})"
        whose = ": its"
    else:
        most = sorted(won.items(), key=lambda item: -len(item[1]))
        said = [f"{names[method]} ({some(places, NAMED)})" for method, places in most]
        text = f"depends on the noise: {some(said, NAMED, '; ')}"
        whose = ". Its"
    others = [pick for pick in noisy if pick.method != analysis.baseline]
    costs = {multiple(pick.cost) for pick in noisy if math.isfinite(pick.cost)}
    if others and len(costs) == 1:
        times = costs.pop()
        text += f", at {'the' if times == '1' else f'{times} times the'} cost of hard labels"
    text += f"{whose} {analysis.run.words.accuracy} is {_range([pick.acc for pick in noisy])}%"
    hard = [pick.reference for pick in noisy if math.isfinite(pick.reference)]
    if others and hard:
        text += f", that of {guide.reference_name(analysis)} {_range(hard)}%"
    return f"{analysis.run.words.with_noise} {text}."


def _range(values: Sequence[float]) -> str:
    """Return the least and the largest accuracy."""
    low, high = number("acc", min(values)), number("acc", max(values))
    return low if low == high else f"{low} to {high}"


def _cheap(analysis: Analysis, noisy: Sequence[Choice], names: Names) -> Iterator[str]:
    """Say what is best among what costs no more than hard labels, where the first choice does."""
    cheap = analysis.costs.index[analysis.costs["cost"] <= CHEAP].difference(
        list(analysis.run.privileges)
    )
    best: list[Choice] = []
    for pick in noisy:
        if not pick.cost > CHEAP:
            continue
        means = guide.eligible(analysis, pick.setting)
        means = means[means.index.isin(cheap)]
        if len(means):
            best.append(replace(pick, method=str(means.idxmax()), acc=float(means.max())))
    said = []
    for method in dict.fromkeys(pick.method for pick in best):
        own = [pick for pick in best if pick.method == method]
        places = [name for name, _ in guide.rows(own)]
        said.append(f"{names[method]} for {_few(places)} ({_range([p.acc for p in own])}%)")
    if said:
        those = _few(said)
        yield f"Where that costs more than hard labels, the best at no more cost is {those}."


def _without_noise(clean: Sequence[Choice], names: Names) -> str:
    said = []
    for pick in clean:
        where = f"{pick.arena}: " if pick.arena else ""
        beside = [names[method] for method in (*pick.equivalent, *pick.unresolved)]
        text = f"{where}{names[pick.method]}, {number('acc', pick.acc)}%"
        are = "is" if len(beside) == 1 and beside[0] != guide.HARD else "are"
        said.append(f"{text}; {_few(beside)} {are} not shown to be worse" if beside else text)
    return f"Without wrong labels the first choice is {some(said, NAMED, '; ')}."


def _answer(analysis: Analysis, question: Asked) -> Iterator[str]:
    """Say what became of the question: accuracy, memorisation and calibration."""
    words = analysis.run.words
    accuracy, ece = (effects(analysis, question, metric) for metric in ("acc", "ece"))
    if accuracy.empty:
        yield f"{capitalised(question.words())}: not enough seeds to judge."
    elif len(question.candidates) > 1:
        yield _of_many(analysis, question, accuracy)
    else:
        own, other = (question.names[m] for m in (question.candidates[0], question.reference))
        said = f"{_counts(accuracy, (words.more, words.less))}"
        place = [*analysis.ranking["acc"].dropna().index].index(question.candidates[0]) + 1
        said += f"; it ranks {place} of {len(analysis.run.methods)} by mean {words.accuracy}"
        yield f"{capitalised(own)} against {other}: {said}{_memory(analysis, question)}."
        if len(ece):
            yield f"Its calibration error (ECE): {_counts(ece, ('lower', 'higher'))}."


def _counts(tests: pd.DataFrame, words: tuple[str, str]) -> str:
    """Return ``more accurate in 3 of 5 settings (by 2.5 to 4.3 points) and ...``."""
    outcomes = dict(zip(OUTCOMES, (*words, "equivalent"), strict=False))
    said: list[str] = []
    for outcome, each in (OUTCOMES | outcomes).items():
        sizes = 100 * tests.loc[tests["outcome"] == outcome, "difference"].abs()
        if sizes.empty:
            continue
        whole = "" if said else f" of {len(tests)} settings"
        ends = dict.fromkeys(f"{end:.1f}" for end in (sizes.min(), sizes.max()))
        points = f" (by {' to '.join(ends)} points)" if outcome in {"better", "worse"} else ""
        where = "the one setting" if len(tests) == 1 else f"{len(sizes)}{whole}"
        said.append(f"{each} in {where}{points}")
    return listing(said)


def _memory(analysis: Analysis, question: Asked) -> str:
    shares = analysis.ranking["mem_frac"]
    own, other = (shares[m] for m in (question.candidates[0], question.reference))
    if not (math.isfinite(own) and math.isfinite(other)):
        return ""
    return (
        f" and memorises {number('mem_frac', own)}% of the wrong labels, "
        f"{question.names[question.reference]} {number('mem_frac', other)}%"
    )


def _of_many(analysis: Analysis, question: Asked, tests: pd.DataFrame) -> str:
    """Say which candidates are more accurate and which less, in how many settings."""
    order = [str(method) for method in analysis.ranking.index]
    settings, tried = tests["setting"].nunique(), len(question.candidates)
    words, said = analysis.run.words, []
    for outcome, than in (("better", words.more_accurate), ("worse", words.less_accurate)):
        won = tests[tests["outcome"] == outcome].groupby("method").size()
        won = won.reindex([method for method in order if method in won.index])
        won = won.sort_values(ascending=False, kind="stable")
        those = [
            question.short(str(m)) + (f" in {n}" if settings > 1 else "") for m, n in won.items()
        ]
        many = (
            f"{len(those)} of {tried} {'is' if len(those) == 1 else 'are'}" if those else "none is"
        )
        named_ = f" ({some(those, NAMED)})" if those else ""
        said.append(f"{many} {than}{named_}")
    where = f"in at least one of {settings} settings " if settings > 1 else ""
    text = f"{capitalised(question.words())}: {where}{' and '.join(said)}"
    return f"{text}."


def _few(names: Sequence[str]) -> str:
    """Return names as a sentence lists them, of many the first."""
    return listing([*names]) if len(names) <= NAMED else some(names, NAMED)

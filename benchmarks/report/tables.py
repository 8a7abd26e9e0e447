"""The tables of a report, and the sentences beside them: rankings, settings, tests, detection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from benchmarks.errors import RefusedError, count
from benchmarks.question import MARGINS
from benchmarks.report import stats
from benchmarks.report.analysis import JUDGED, REFERENCES, Analysis, rows_of
from benchmarks.report.data import of_one_truth
from benchmarks.report.looks import BESIDE, PRIVILEGED, told
from benchmarks.report.phrases import (
    BLANK,
    DEPENDENT,
    MINUS,
    capitalised,
    chance,
    change,
    listing,
    mean_over,
    multiple,
    number,
    p_value,
    signed,
    span,
    unit,
    with_half,
)
from benchmarks.schema import METRICS


class Note(str):
    """A note of which a paper prints another, shorter text, or none if it is blank."""

    __slots__ = ("short",)
    short: str

    def __new__(cls, text: str, short: str) -> Self:
        """Return a note with what is printed of it."""
        note = super().__new__(cls, text)
        note.short = short
        return note


ORACLE = "†"
BY_SETTING = ("acc", "ece", "nll", "brier")
"""The metrics that get a table of their own, settings across."""
COMPARED = {
    "acc": "{0.headline} %",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE %",
    "mem_frac": "Memorised %",
}
"""The columns of the ranking in which the best is marked, and what is not known to be worse; to be
filled with the words of a run."""
PRINTED = ("Rank", "{0.headline}", "ECE", "NLL", "Memorised", "Cost")
"""The columns of the ranking that a paper has room for beside the method; in a paper its rows may
be grouped by family, so the rank is told."""
NEAR = 0.01
"""The distance below the best of its seed and setting at which a run still counts as near."""
COST = (
    "Cost: passes of images through networks to train, as a multiple of what hard labels take; a "
    "pass backwards counts as two forwards"
)
SCORES = {
    "loss": "loss at the end",
    "loss_mean": "mean loss over epochs",
    "margin_mean": "mean margin over epochs",
    "own": "the method's own",
}
"""The scores of training labels, in words."""
OUTCOMES = ("better", "same", "worse")
"""What stands between slashes in a table of probabilities."""
IDLE = 1.5
"""The load, in processes, up to which a machine counts as idle while one cell trains."""
SURE = 0.95
"""A probability over settings that is marked."""
INTERVALS = Note(
    "Fewer than three seeds, and seeds that all agree, leave the interval unknown; one that would "
    "leave the possible values is shown by its ends, in brackets.",
    "[low, high]: the ends of an interval that would leave the possible values.",
)
FLOORS = Note(
    "After the slash: the floor, which a perfectly calibrated model with the confidences of this "
    "method in this setting would show by chance.",
    "Floor: what a perfectly calibrated model with the confidences of the method would show.",
)
NO_TEST = (
    "Fewer than three pairs, and pairs that all differ by the same, have neither an interval nor a "
    "test."
)


@dataclass(frozen=True)
class Table:
    """A table: its text, the numbers behind it, and the notes below it.

    ``text`` has labels as its index. ``marks`` has the same shape: those of
    :meth:`Analysis.marks`, or nothing. The rest is for print.
    """

    text: pd.DataFrame
    marks: pd.DataFrame
    numbers: pd.DataFrame
    notes: tuple[str, ...]
    title: str = ""  # in one sentence; else the first of the notes
    parts: tuple[str, ...] = ()  # the names of what stands between slashes in an entry
    printed: tuple[str, ...] = ()  # the columns that are printed, by stem; by default all
    methods: tuple[str, ...] = ()  # of the rows
    cited: bool = False  # whether their papers are cited


def stem(header: str) -> str:
    """Return the header of a column without unit and mark.

    >>> stem(f"best epoch{ORACLE} %"), stem(f"Conf. {MINUS} acc.")
    ('best epoch', 'Conf. - acc.')
    """
    return header.removesuffix(" %").removesuffix(ORACLE).replace(MINUS, "-")


def unmarked(text: pd.DataFrame, numbers: pd.DataFrame, notes: Iterable[str] = ()) -> Table:
    """Return a table in which no entry is marked."""
    return Table(text, pd.DataFrame("", text.index, text.columns), numbers, tuple(notes))


def labelled(analysis: Analysis, table: Table) -> Table:
    """Return the table with the labels of methods, marked where privileged, in place of specs."""
    methods = tuple(map(str, table.text.index))
    index = pd.Index([analysis.label(method) for method in methods], name="Method")
    text, marks = table.text.set_axis(index), table.marks.set_axis(index)
    return replace(table, text=text, marks=marks, methods=methods)


def incomplete(analysis: Analysis) -> tuple[str, ...]:
    """Return what every table says first of an unfinished sweep, or of another one beside it."""
    note, beside = analysis.run.note, analysis.run.beside
    from_there = f"{BESIDE} from {beside.name}." if beside else ""
    return (*([f"{capitalised(note)}."] if note else []), *([from_there] if beside else []))


def all_notes(analysis: Analysis, *notes: str) -> tuple[str, ...]:
    """Return the notes of a table between those on what is missing and on privileges."""
    kind = told(analysis.run.privileges.values())
    given = f"{PRIVILEGED} given {kind} ({'; '.join(analysis.knowledge)})."
    return (*incomplete(analysis), *notes, *([given] if analysis.knowledge else []))


def _everyone(analysis: Analysis) -> str:
    """Name those who have tried the settings behind means over settings."""
    return "every method of the question" if analysis.question else "every method"


def ranking(analysis: Analysis) -> Table:
    """Return one row per method, best accuracy first; methods without a whole seed come last."""
    numbers = analysis.ranking
    text = pd.DataFrame(index=numbers.index)
    words = analysis.run.words
    headers = {metric: header.format(words) for metric, header in COMPARED.items()}
    text[headers["acc"]] = _entries("acc", numbers["acc"], numbers["acc_half"])
    if numbers["acc_val"].notna().any():
        text["val. epoch %"] = [number("acc", v) for v in numbers["acc_val"]]
    if numbers["acc_label_wave"].notna().any():
        text["Label Wave %"] = [number("acc", v) for v in numbers["acc_label_wave"]]
    if numbers["acc_oracle"].notna().any():
        text[f"best epoch{ORACLE} %"] = [number("acc", v) for v in numbers["acc_oracle"]]
    text["Rank"] = [_or_blank(v, f"{v:.1f}") for v in numbers["rank"]]
    for metric in ("nll", "brier", "ece"):
        text[headers[metric]] = _entries(metric, numbers[metric], numbers[f"{metric}_half"])
    text[f"Conf. {MINUS} {words.acc}"] = [signed("gap_signed", v) for v in numbers["gap_signed"]]
    if not analysis.run.unknown or numbers["mem_frac"].notna().any():
        text[headers["mem_frac"]] = [number("mem_frac", v) for v in numbers["mem_frac"]]
    if numbers["cost"].notna().any():
        text["Cost"] = [multiple(value) for value in numbers["cost"]]
    if numbers["state"].notna().any():
        text["State MB"] = [_or_blank(value, f"{value:.3g}") for value in numbers["state"]]
    if len(analysis.timings):
        timed = analysis.timings.reindex(numbers.index)
        text["Seconds"] = [_or_blank(t.seconds, _timed(t)) for t in rows_of(timed)]
        text["Memory MB"] = [_or_blank(value, f"{value:.0f}") for value in timed["memory"]]
    text["Runs"] = [f"{a}/{b}" for a, b in zip(numbers["done"], numbers["planned"], strict=True)]
    settings, seeds = len(analysis.shared_settings), span(numbers["seeds"])
    printed = tuple(name.format(words) for name in PRINTED)
    title = (
        f"Test metrics after the last epoch, {mean_over(settings)} and over "
        f"{_seeds_in_words(seeds)}, with the half width of its 95% t interval over seeds"
    )
    table = Table(
        text, _ranking_marks(analysis, text, headers), numbers, _ranking_notes(analysis, numbers)
    )
    return labelled(analysis, replace(table, title=title, printed=printed, cited=True))


def _ranking_marks(
    analysis: Analysis, text: pd.DataFrame, headers: Mapping[str, str]
) -> pd.DataFrame:
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    for metric in (metric for metric, header in headers.items() if header in text):
        for method, mark in analysis.marks(metric).items():
            marks.loc[method, headers[metric]] = mark
    return marks


def with_columns(table: Table, columns: Sequence[str]) -> Table:
    """Return a table of which these columns are printed, in their order, where there are any.

    Raises:
        RefusedError: it has no such column.
    """
    known = {stem(str(name)).casefold(): stem(str(name)) for name in table.text.columns}
    for name in columns:
        if name.casefold() not in known:
            raise RefusedError(
                f"a column of the ranking must be one of {', '.join(known.values())}; got {name!r}"
            )
    chosen = tuple(known[name.casefold()] for name in columns)
    return replace(table, printed=chosen or table.printed)


def _seeds_in_words(seeds: str) -> str:
    return f"{seeds} {'seed' if seeds == '1' else 'seeds'}"


def _timed(row: Any) -> str:  # noqa: ANN401  a row of a table
    return f"{row.seconds:.3g} [{row.low:.3g}, {row.high:.3g}]"


def _entries(metric: str, means: pd.Series, halves: pd.Series) -> list[str]:
    pairs = zip(means.astype(float), halves.astype(float), strict=True)
    return [with_half(metric, mean, half) for mean, half in pairs]


def _ranking_notes(analysis: Analysis, numbers: pd.DataFrame) -> tuple[str, ...]:
    shared = analysis.shared_settings
    seeds = span(numbers["seeds"])
    whole = "A seed counts where it finished in every setting."
    notes = [
        Note(
            f"Last epoch. {capitalised(mean_over(len(shared)))}, taken within each seed first, "
            f"then over {_seeds_in_words(seeds)}; ± is the half width of the 95% t interval over "
            f"seeds. {whole}",
            "" if numbers["done"].eq(numbers["planned"]).all() else whole,
        ),
        INTERVALS,
        _marked(analysis, ("acc", "nll", "brier", "ece")),
        (
            f"Rank: by {analysis.run.words.accuracy} within a setting and seed (1 is best), mean "
            "over both; a run that failed is last."
        ),
        "Runs: finished of attempted.",
    ]
    if numbers["cost"].notna().any():
        notes.append(f"{COST}.")
    if numbers["state"].notna().any():
        notes.append(
            "State: what a cell keeps from step to step: weights, their moving averages, moments "
            "of the optimiser and what the method notes of images; without activations."
        )
    if len(analysis.timings):
        load = analysis.run.timings["load"].astype(float).max()
        beside = f", beside other work (load up to {load:.1f})" if load > IDLE else ""
        notes.append(
            "Seconds: of training one cell alone, in a process of its own; median with the least "
            f"and the most of {span(analysis.timings['repetitions'].astype(int))} repetitions"
            f"{beside}. Memory: what that took beyond the process itself."
        )
    notes += _left_out(analysis)
    if numbers["acc_oracle"].notna().any():
        notes.append(
            f"{ORACLE} selected with {analysis.run.words.test_labels}: not attainable in practice."
        )
    return all_notes(analysis, *notes)


def _left_out(analysis: Analysis) -> Iterator[str]:
    """Say which settings are in no mean, and why."""
    tried = analysis.tried_settings
    if unknown := [name for name in tried if name not in analysis.shared_settings]:
        yield f"Left out, because nobody knows which labels are right: {listing(unknown)}."
    if others := [name for name in analysis.run.settings if name not in tried]:
        yield f"Left out, because not {_everyone(analysis)} has tried it: {listing(others)}."


def margins(analysis: Analysis) -> list[str]:
    """Say of each metric which differences are practically none."""
    return [
        f"{number(m, margin)}{unit(m)} of {analysis.run.words.metric(m).label}"
        for m, margin in analysis.margins.items()
    ]


def _marked(analysis: Analysis, metrics: Sequence[str]) -> str:
    """Say what the marks of a table mean, and within which margins."""
    words = analysis.run.words
    margins = [
        f"{number(m, analysis.margins[m])}{unit(m) or f' of {words.metric(m).label}'}"
        for m in metrics
    ]
    within = " or ".join(dict.fromkeys(margins))
    return Note(
        "Bold: best mean, of equal ones each. Underlined: equivalent to it, as two one-sided "
        f"tests exclude a difference beyond {within}. Italics: not "
        "resolved from it, neither different nor equivalent. Unmarked: worse (paired t tests over "
        f"seeds at {stats.ALPHA:g}; q over all pairs of methods, Holm's p where the suite asked). "
        "That the best is picked on the same data, no test allows for. "
        "Grey or small: methods that lost runs or are within chance; they get no mark.",
        "Bold: best mean. Underlined: equivalent to it. Italics: not resolved from it. Grey: lost "
        f"runs, or within chance. (Paired t tests over seeds at {stats.ALPHA:g}, adjusted; "
        f"equivalent is within {within}.)",
    )


def by_setting(analysis: Analysis, metric: str = "acc") -> Table:
    """Return one metric at the last epoch: methods in the order of the ranking, settings across."""
    run, means = analysis.run, analysis.setting_means(metric)
    owed = run.cells.groupby("setting")["seed"].nunique()
    order, settings = list(analysis.ranking.index), list(run.settings)
    text = pd.DataFrame(BLANK, index=order, columns=settings)
    marks = pd.DataFrame("", index=order, columns=settings)
    for method, setting in run.cells[["method", "setting"]].drop_duplicates().to_numpy():
        text.loc[method, setting] = f"{BLANK} [0/{owed[setting]}]"
    entries = _entries(metric, means["mean"], means["half"])
    if metric == "ece":
        means = means.assign(
            floor=[analysis.floors[row.method, row.setting] for row in rows_of(means)]
        )
    for entry, row in zip(entries, rows_of(means), strict=True):
        lost = "" if row.n == owed[row.setting] else f" [{row.n}/{owed[row.setting]}]"
        floor = f" / {number('ece', row.floor)}" if metric == "ece" else ""
        text.loc[row.method, row.setting] = entry + floor + lost
    for setting in settings:
        for method, mark in analysis.marks(metric, setting).items():
            marks.loc[method, setting] = mark
    seeds, words = span(owed), run.words
    notes = _setting_notes(analysis, metric, seeds)
    title = (
        f"{words.metric(metric).label}{_in_unit(metric)} {words.measured_on(metric)} after the "
        f"last epoch, mean over {_seeds_in_words(seeds)} with the half width of its 95% t interval"
    )
    parts = ("ECE", "floor") if metric == "ece" else ()
    return labelled(analysis, Table(text, marks, means, notes, title=title, parts=parts))


def _in_unit(metric: str) -> str:
    return " in percent" if METRICS[metric].percent else " in nats" if metric == "nll" else ""


def _setting_notes(analysis: Analysis, metric: str, seeds: str) -> tuple[str, ...]:
    words = analysis.run.words
    shown, lost = words.metric(metric), "[finished/attempted] where some did not finish."
    return all_notes(
        analysis,
        Note(
            f"{shown.label}{_in_unit(metric)} {words.measured_on(metric)} at the last epoch "
            f"({shown.meaning}), mean over n = {_seeds_in_words(seeds)} ± half width of the 95% t "
            f"interval; {lost}",
            lost,
        ),
        _marked(analysis, (metric,)),
        INTERVALS,
        *([FLOORS] if metric == "ece" else []),
    )


def detection(analysis: Analysis) -> Table | None:
    """Return how well each score ranks wrong labels first; ``None`` where no score was kept."""
    rows = analysis.run.detection.dropna(subset=["auroc", "ap"])
    if rows.empty:
        return None
    by = ["method", "score"]
    rows = rows.assign(chance=rows["mislabelled"] / rows["n_train"])
    seeds = rows.groupby([*by, "seed"])[["auroc", "ap", "missed", "chance"]].mean().reset_index()
    numbers = stats.t_intervals(seeds, by, "auroc")
    numbers = numbers.rename(columns={"mean": "auroc", "half": "auroc_half", "n": "seeds"})
    for name in ("ap", "missed"):
        found = numbers[by].merge(stats.t_intervals(seeds, by, name), "left", by)
        numbers[name], numbers[f"{name}_half"] = found["mean"], found["half"]
    numbers["chance"] = seeds.groupby(by)["chance"].mean().to_numpy()
    numbers["auroc"] = stats.tied_series(numbers["auroc"])
    numbers = numbers.sort_values("auroc", ascending=False, kind="stable").reset_index(drop=True)
    budget = bool(numbers["missed"].notna().any())  # earlier versions did not tell
    text = pd.DataFrame(
        {
            "Score": [SCORES.get(name, name.replace("_", " ")) for name in numbers["score"]],
            "AUROC": _fractions(numbers["auroc"], numbers["auroc_half"]),
            "Average precision": _fractions(numbers["ap"], numbers["ap_half"]),
            "AP by chance": [f"{value:.3f}" for value in numbers["chance"]],
            **({"Missed": _fractions(numbers["missed"], numbers["missed_half"])} if budget else {}),
        }
    ).set_axis(numbers["method"].tolist())
    note = (
        "Mean over noisy settings within each seed, then over seeds, ± half width of the 95% t "
        "interval. 1 is perfect; the average precision by chance is the share of wrong labels."
    )
    if budget:
        note += (
            " Missed: of the wrong labels, the share that is not among as many of the highest "
            "scores; by chance the share of right labels."
        )
    notes = (*incomplete(analysis), note, INTERVALS)
    title = "How well scores of training labels rank the wrong ones first"
    return labelled(analysis, replace(unmarked(text, numbers, notes), title=title))


def _fractions(means: pd.Series, halves: pd.Series) -> list[str]:
    pairs = zip(means, halves, strict=True)
    return [_fraction(mean, half) for mean, half in pairs]


def _fraction(mean: float, half: float) -> str:
    """Return a number from 0 to 1 with its interval, cut to these where it would leave them."""
    if not np.isfinite(half):
        return f"{mean:.3f}" if np.isfinite(mean) else BLANK
    low, high = mean - half, mean + half
    if low >= 0 and high <= 1:
        return f"{mean:.3f} ± {half:.3f}"
    return f"{mean:.3f} [{max(low, 0):.3f}, {min(high, 1):.3f}]"


def aggregate(analysis: Analysis) -> Table:
    """Return each method over the settings that all have tried, in the order of the ranking."""
    numbers = analysis.ranking[["rank"]].copy()
    text = pd.DataFrame(index=numbers.index)
    text["Rank"] = [_or_blank(v, f"{v:.1f}") for v in numbers["rank"]]
    text[f"IQM {analysis.run.words.accuracy} %"] = _bracketed(
        numbers, "iqm", analysis.interquartile_means
    )
    near = analysis.profiles(np.array([NEAR]))
    numbers["near"] = [float(near[m].value[0]) if m in near else np.nan for m in numbers.index]
    text["Near the best %"] = [_or_blank(v, f"{100 * v:.0f}") for v in numbers["near"]]
    for reference in analysis.references:
        chances, name = analysis.improvements(reference), f"better_than_{reference}"
        text[f"Beats {analysis.label(reference)} %"] = _bracketed(numbers, name, chances)
    table = unmarked(text, numbers, _aggregate_notes(analysis))
    title = (
        f"{analysis.run.words.headline} over {count(len(analysis.shared_settings), 'setting')} "
        "together: ranks, interquartile means, and how often a method beats another"
    )
    return labelled(analysis, replace(table, title=title))


def _bracketed(numbers: pd.DataFrame, name: str, values: pd.DataFrame) -> list[str]:
    """Add values and their intervals to the numbers, and return both as percentages."""
    columns = [name, f"{name}_low", f"{name}_high"]
    numbers[columns] = values.reindex(numbers.index).to_numpy(np.float64)
    texts = []
    for value, low, high in numbers[columns].to_numpy():
        ends = [number("acc", end) for end in (max(low, 0.0), min(high, 1.0))]
        interval = f" [{', '.join(ends)}]" if np.isfinite(low) else ""
        texts.append(number("acc", value) + interval)
    return texts


def _or_blank(value: float, text: str) -> str:
    return text if np.isfinite(value) else BLANK


def _aggregate_notes(analysis: Analysis) -> tuple[str, ...]:
    settings, words = len(analysis.shared_settings), analysis.run.words
    return all_notes(
        analysis,
        (
            f"{words.headline} at the last epoch over {count(settings, 'setting')} that "
            f"{_everyone(analysis)} has tried. Rank: within a setting and seed, mean over "
            f"both. IQM: interquartile mean of {words.accuracies}, as they are, over settings "
            "within each seed, then mean over seeds that finished in every one. Near the best: "
            f"share of runs at most {100 * NEAR:g} point below the best of the same setting and "
            f"seed. Beats: chance to be {words.more_accurate} on the same seed, mean over "
            "settings, ties half."
        ),
        (
            "Brackets: 95% t intervals over seeds, of one value over settings for each seed, as a "
            "seed goes through all settings. There is none of fewer than three seeds, and none "
            "where all seeds agree."
        ),
    )


def over_settings(analysis: Analysis) -> str:
    """Return Friedman's test and the groups of methods that do not differ, or why not."""
    ranks = analysis.ranks
    if isinstance(ranks, str):
        return ranks
    groups = [listing([analysis.label(method) for method in clique]) for clique in ranks.cliques]
    alike = "; ".join(groups) if groups else "none, every pair differs"
    p = ranks.friedman_p
    return (
        f"{analysis.run.words.headline} over {ranks.n} settings: Friedman's test that all methods "
        f"rank alike, {p_value(p) if np.isfinite(p) else 'not for two methods'}. Groups that "
        "pairwise Wilcoxon signed-rank tests (Holm over all "
        f"{len(ranks.methods) * (len(ranks.methods) - 1) // 2} pairs) cannot tell apart: {alike}. "
        f"{DEPENDENT}"
    )


def probabilities(analysis: Analysis) -> Table | None:
    """Return Bayesian comparisons with every reference; ``None`` below eight settings."""
    numbers = analysis.probabilities
    if numbers.empty:
        return None
    words = analysis.run.words
    headers = {
        (reference, metric): f"{words.metric(metric).label}, against {analysis.label(reference)}"
        for reference in analysis.references
        for metric in JUDGED
    }
    order = [method for method in analysis.run.methods if method in set(numbers["method"])]
    text = pd.DataFrame(BLANK, index=order, columns=list(headers.values()))
    marks = pd.DataFrame("", index=order, columns=list(headers.values()))
    for row in rows_of(numbers):
        place = row.method, headers[row.reference, row.metric]
        text.loc[place] = " / ".join(map(chance, (row.better, row.same, row.worse)))
        marks.loc[place] = "best" if row.better > SURE else ""
    margins = [
        f"{number(m, analysis.margins[m])}{unit(m)} of {words.metric(m).label}" for m in JUDGED
    ]
    note = (
        "Probability that a method is better / practically the same / worse on another setting "
        f"like these {span(numbers['n'])}: Bayesian signed-rank test of the mean differences "
        f"of settings. Practically the same: within {listing(margins)}. Bold: better with a "
        f"probability above {SURE:g}. {DEPENDENT}"
    )
    table = Table(text, marks, numbers, all_notes(analysis, note), parts=OUTCOMES)
    title = (
        "Probability that a method is better than another, practically the same, or worse in "
        "another setting"
    )
    return labelled(analysis, replace(table, title=title))


def datasets(analysis: Analysis) -> Table | None:
    """Return a value per dataset: what is left of a difference when its settings count as one."""
    run = analysis.run
    names = sorted(set(of_one_truth(run.last)["dataset"]))
    if not analysis.references or len(names) < 2:
        return None
    reference = analysis.references[0]
    numbers = analysis.by_dataset(reference, "acc")
    others = [method for method in run.methods if method != reference]
    text = pd.DataFrame(BLANK, index=others, columns=[*names, "Over datasets"])
    for row in rows_of(numbers):
        text.loc[row.method, row.dataset] = change("acc", row.difference)
    for test in rows_of(stats.paired_tests(numbers, ["method"])):
        text.loc[test.method, "Over datasets"] = change("acc", test.difference, test.low, test.high)
    note = (
        f"{run.words.headline} less that of {analysis.label(reference)}, mean over the settings of "
        f"a dataset; then mean and 95% t interval over {len(names)} datasets, one value each, "
        "because settings that share a dataset are not independent. A difference that this "
        f"interval does not show may belong to one dataset. {NO_TEST}"
    )
    text = text.rename(columns=run.images)
    table = unmarked(text, numbers, (*incomplete(analysis), note))
    title = f"{run.words.headline} less that of {analysis.label(reference)}, dataset by dataset"
    return labelled(analysis, replace(table, title=title))


def neighbours(analysis: Analysis) -> Table | None:
    """Return neighbours in the ranking: their difference, and how many seeds find one point."""
    numbers = analysis.neighbours
    if not (numbers["n"] >= stats.FEWEST_PAIRS).any():
        return None
    rows = list(rows_of(numbers))
    text = pd.DataFrame(
        {
            "Next": [analysis.label(row.next) for row in rows],
            "Difference": [change("acc", row.difference, row.low, row.high) for row in rows],
            "q": [_or_blank(row.p_adjusted, _short(row.p_adjusted)) for row in rows],
            "Detectable": [number("acc", row.detectable) for row in rows],
            "Seeds for 1 point": [_seeds(row.seeds, row.detectable) for row in rows],
        }
    ).set_axis(numbers["method"].tolist())
    note = (
        "Each method and the next in the ranking: paired difference in "
        f"{analysis.run.words.accuracy}, mean over settings within each seed, with its 95% t "
        "interval; q over all pairs of methods. Detectable: the least true difference (points) "
        f"that so many seeds find with a chance of {100 * stats.POWER:.0f}%, in a single test. "
        "Seeds for 1 point: how many find a true difference of 1 point with that chance, whatever "
        f"difference is seen; a rough guide, as the spread is estimated from few seeds. {NO_TEST}"
    )
    table = unmarked(text, numbers, all_notes(analysis, note))
    title = "Each method against the next in the ranking, and the seeds that find one point"
    return labelled(analysis, replace(table, title=title))


def _short(p: float) -> str:
    return p_value(p).removeprefix("p ").removeprefix("= ")


def _seeds(needed: float, detectable: float) -> str:
    """Return how many seeds it takes, or that no reasonable number will do."""
    if not np.isfinite(detectable):  # no spread to judge by
        return BLANK
    return f"{needed:.0f}" if np.isfinite(needed) else f"over {stats.MOST_SEEDS:,}"


def detectable(analysis: Analysis) -> str:
    """Return what a single setting's seeds could not have shown, in one sentence a metric."""
    differences = analysis.all_differences
    if differences.empty:
        return (
            f"No setting has {stats.FEWEST_PAIRS} seeds of a method and of a reference "
            f"({listing(list(REFERENCES))}), so nothing can be said of single settings."
        )
    reference = analysis.references[0]
    own = differences[differences["reference"] == reference]
    lines = []
    for metric in MARGINS:
        rows = own[(own["metric"] == metric) & (own["detectable"] > 0)]  # 0: the same runs
        if len(rows):
            lines.append(f"- {_missed(analysis, metric, rows)}")
    return "\n".join(lines)


def _missed(analysis: Analysis, metric: str, rows: pd.DataFrame) -> str:
    reference = analysis.label(analysis.references[0])
    low, middle, high = (
        number(metric, float(rows["detectable"].quantile(q))) for q in (0.1, 0.5, 0.9)
    )
    return (
        f"{analysis.run.words.metric(metric).label}: with n = {span(rows['n'])} seeds in a single "
        f"setting, a true difference from {reference} below {middle}{unit(metric)} would have been "
        f"missed more often than one time in five (median of {count(len(rows), 'comparison')}; "
        f"{low} to {high} for four in five of them), before any correction for their number."
    )

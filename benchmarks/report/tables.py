"""The ranking, each metric in each setting and the detection of wrong labels, as tables."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.looks import PRIVILEGED
from benchmarks.report.phrases import (
    BLANK,
    MINUS,
    capitalised,
    count,
    listing,
    number,
    signed,
    span,
    with_half,
)
from benchmarks.schema import METRICS

ORACLE = "†"
BY_SETTING = ("acc", "ece", "nll", "brier")
"""The metrics that get a table of their own, settings across."""
COMPARED = {
    "acc": "Accuracy %",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE %",
    "mem_frac": "Memorised %",
}
"""The columns of the ranking in which the best is marked, and what ties with it."""


@dataclass(frozen=True)
class Table:
    """A table: its text, the numbers behind it, and the notes below it.

    ``text`` has labels as its index. ``marks`` has the same shape: ``best``, ``tied`` or nothing.
    """

    text: pd.DataFrame
    marks: pd.DataFrame
    numbers: pd.DataFrame
    notes: tuple[str, ...]


def unmarked(text: pd.DataFrame, numbers: pd.DataFrame, notes: Iterable[str] = ()) -> Table:
    """Return a table in which no entry is marked."""
    return Table(text, pd.DataFrame("", text.index, text.columns), numbers, tuple(notes))


def labelled(analysis: Analysis, table: Table) -> Table:
    """Return the table with the labels of methods, marked where privileged, in place of specs."""
    labels = [analysis.label(str(method)) for method in table.text.index]
    index = pd.Index(labels, name="Method")
    text, marks = table.text.set_axis(index), table.marks.set_axis(index)
    return Table(text, marks, table.numbers, table.notes)


def incomplete(analysis: Analysis) -> tuple[str, ...]:
    """Return what every table of an unfinished sweep says first."""
    note = analysis.run.note
    return (f"{capitalised(note)}.",) if note else ()


def privilege_notes(analysis: Analysis) -> tuple[str, ...]:
    """Return the footnote on methods that were given clean knowledge, if there are any."""
    given = analysis.knowledge
    return (f"{PRIVILEGED} given clean knowledge ({'; '.join(given)}).",) if given else ()


def ranking(analysis: Analysis) -> Table:
    """Return one row per method, best accuracy first; methods without a whole seed come last."""
    numbers = analysis.ranking
    text = pd.DataFrame(index=numbers.index)
    text["Accuracy %"] = _entries("acc", numbers["acc"], numbers["acc_half"])
    if numbers["acc_val"].notna().any():
        text["val. epoch %"] = [number("acc", v) for v in numbers["acc_val"]]
    if numbers["acc_oracle"].notna().any():
        text[f"best epoch{ORACLE} %"] = [number("acc", v) for v in numbers["acc_oracle"]]
    text["Rank"] = [f"{v:.1f}" if v == v else BLANK for v in numbers["rank"]]  # noqa: PLR0124
    for metric in ("nll", "brier", "ece"):
        halves = numbers[f"{metric}_half"]
        text[COMPARED[metric]] = _entries(metric, numbers[metric], halves)
    text[f"Conf. {MINUS} acc."] = [signed("gap_signed", v) for v in numbers["gap_signed"]]
    text["Memorised %"] = [number("mem_frac", v) for v in numbers["mem_frac"]]
    if numbers["backward"].notna().any():
        text["Passes"] = _passes(numbers)
    text["Runs"] = [f"{a}/{b}" for a, b in zip(numbers["done"], numbers["planned"], strict=True)]
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    for metric, header in COMPARED.items():
        for method, mark in analysis.marks(metric).items():
            marks.loc[method, header] = mark
    return labelled(analysis, Table(text, marks, numbers, _ranking_notes(analysis, numbers)))


def _entries(metric: str, means: pd.Series, halves: pd.Series) -> list[str]:
    pairs = zip(means.astype(float), halves.astype(float), strict=True)
    return [with_half(metric, mean, half) for mean, half in pairs]


def _passes(numbers: pd.DataFrame) -> list[str]:
    pairs = zip(numbers["forward"], numbers["backward"], strict=True)
    return [f"{a:.3g} + {b:.3g}" if a == a else BLANK for a, b in pairs]  # noqa: PLR0124


def _ranking_notes(analysis: Analysis, numbers: pd.DataFrame) -> tuple[str, ...]:
    shared = analysis.shared_settings
    seeds = span(numbers["seeds"])
    notes = [
        *incomplete(analysis),
        (
            f"Last epoch. Mean over {count(len(shared), 'setting')}, taken within each seed first, "
            f"then over {seeds} {'seed' if seeds == '1' else 'seeds'}; ± is the half width of the "
            "95% t interval over seeds. A seed counts where it finished in every setting."
        ),
        (
            "Bold: best mean. Underlined: no paired t test over seeds tells it from the best "
            f"(p ≥ {stats.ALPHA:g}, Holm over the other {len(numbers) - 1} methods of the column)."
        ),
        "Rank: mean over settings of the rank by accuracy. Runs: finished of attempted.",
    ]
    if numbers["backward"].notna().any():
        notes.append(
            "Passes: images sent forwards and backwards through networks to train, per training "
            "image and epoch: the compute that each method takes."
        )
    left_out = [name for name in analysis.run.settings if name not in shared]
    if left_out:
        notes.append(f"Left out, because not every method has tried it: {listing(left_out)}.")
    if numbers["acc_oracle"].notna().any():
        notes.append(f"{ORACLE} selected with clean test labels: not attainable in practice.")
    return (*notes, *privilege_notes(analysis))


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
    places = zip(means["method"], means["setting"], means["n"], entries, strict=True)
    for method, setting, n, entry in places:
        whole = n == owed[setting]
        text.loc[method, setting] = entry if whole else f"{entry} [{n}/{owed[setting]}]"
    for setting in settings:
        for method, mark in analysis.marks(metric, setting).items():
            marks.loc[method, setting] = mark
    table = Table(text, marks, means, _setting_notes(analysis, metric, span(owed)))
    return labelled(analysis, table)


def _setting_notes(analysis: Analysis, metric: str, seeds: str) -> tuple[str, ...]:
    shown = METRICS[metric]
    unit = " in percent" if shown.percent else " in nats" if metric == "nll" else ""
    best = {"higher": "highest", "lower": "lowest"}.get(shown.better, "best")
    return (
        *incomplete(analysis),
        (
            f"{shown.label}{unit} on clean test labels at the last epoch ({shown.meaning}), mean "
            f"over n = {seeds} {'seed' if seeds == '1' else 'seeds'} ± half width of the 95% t "
            f"interval; [finished/attempted] where some did not finish. Bold: {best}. Underlined: "
            f"not told from it by a paired t test (p ≥ {stats.ALPHA:g}, Holm within the column)."
        ),
        *privilege_notes(analysis),
    )


def detection(analysis: Analysis) -> Table | None:
    """Return how well each score ranks wrong labels first; ``None`` where no score was kept."""
    rows = analysis.run.detection.dropna(subset=["auroc", "ap"])
    if rows.empty:
        return None
    by = ["method", "score"]
    rows = rows.assign(chance=rows["mislabelled"] / rows["n_train"])
    seeds = rows.groupby([*by, "seed"])[["auroc", "ap", "chance"]].mean().reset_index()
    numbers = stats.t_intervals(seeds, by, "auroc")
    numbers = numbers.rename(columns={"mean": "auroc", "half": "auroc_half", "n": "seeds"})
    ap = stats.t_intervals(seeds, by, "ap")
    numbers["ap"], numbers["ap_half"] = ap["mean"], ap["half"]
    numbers["chance"] = seeds.groupby(by)["chance"].mean().to_numpy()
    numbers = numbers.sort_values("auroc", ascending=False, kind="stable").reset_index(drop=True)
    text = pd.DataFrame(
        {
            "Score": numbers["score"],
            "AUROC": _fractions(numbers["auroc"], numbers["auroc_half"]),
            "Average precision": _fractions(numbers["ap"], numbers["ap_half"]),
            "AP by chance": [f"{value:.3f}" for value in numbers["chance"]],
        }
    ).set_axis(numbers["method"].tolist())
    notes = (
        *incomplete(analysis),
        (
            "Mean over noisy settings within each seed, then over seeds, ± half width of the 95% t "
            "interval. 1 is perfect; the average precision by chance is the share of wrong labels."
        ),
    )
    return labelled(analysis, unmarked(text, numbers, notes))


def _fractions(means: pd.Series, halves: pd.Series) -> list[str]:
    pairs = zip(means, halves, strict=True)
    return [f"{m:.3f}" + (f" ± {h:.3f}" if h == h else "") for m, h in pairs]  # noqa: PLR0124

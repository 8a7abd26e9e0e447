"""Two results folders, cell by cell: what changed, by how much, and whether chance explains it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.catalogue import Facts
from benchmarks.errors import DataMissingError, RefusedError, count, some
from benchmarks.outputs import why_no_folder
from benchmarks.report import render, stats
from benchmarks.report.data import Run, load, planned
from benchmarks.report.looks import order_methods, resolve
from benchmarks.report.pairing import KEYS, NoiseChange, pair_changed, pair_same
from benchmarks.report.phrases import BLANK, listing, p_value, with_test
from benchmarks.report.tables import NO_TEST, Table
from benchmarks.report.vocabulary import MIXED, Vocabulary
from benchmarks.schema import ONE_SPLIT, table_path

COMPARED = ("acc", "nll", "brier", "ece")
TESTED = (
    *("method", "setting", "metric", "n", "a", "b"),
    *("difference", "sd", "low", "high", "p", "p_holm"),
)
"""The columns of the table of tests."""
NAMED = 10
"""The most missing cells that are named; the others are counted."""


@dataclass(frozen=True)
class Comparison:
    """Two results folders: their pairs of cells, the tests, and the cells without a partner.

    ``pairs`` has a row per cell with ``metric_a`` and ``metric_b``; ``tests`` one per method,
    setting and metric: the mean of each side, ``difference`` (B less A) with its ``sd``, ``low``
    and ``high``, ``p``, and ``p_holm`` over the rows of the metric. ``pooled`` has the same
    columns, with a row for each method of several settings and metric: means over settings within
    each seed, then over the ``n`` seeds.
    """

    pairs: pd.DataFrame
    tests: pd.DataFrame
    pooled: pd.DataFrame
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    facts: Mapping[str, Facts]  # of methods that the catalogue lacks
    words: Vocabulary  # for what is measured
    noise_changed: bool = False  # else both cells of a pair have the same labels

    @property
    def numbers(self) -> pd.DataFrame:
        """The tests in one table, those over all settings first."""
        return pd.concat([self.pooled, self.tests], ignore_index=True)

    def markdown(self) -> str:
        """Return the table of changes with its notes."""
        return render.markdown(self._table())

    def plain(self) -> str:
        """Return the table of changes with its notes, for a terminal."""
        table = self._table()
        return "\n".join([render.plain(table), "", *table.notes])

    def _table(self) -> Table:
        looks = resolve(self.tests["method"], {}, self.facts)
        groups = dict(list(self.numbers.groupby(["method", "setting"], sort=False)))
        text = [_line(self.words, str(setting), rows) for (_, setting), rows in groups.items()]
        labels = [looks[str(method)].label for method, _ in groups]
        shown = pd.DataFrame(text, index=pd.Index(labels, name="Method"))
        changed = [
            rows.loc[stats.significant(rows["p_holm"]), "metric"] for rows in groups.values()
        ]
        marks = [
            dict.fromkeys(shown, "")
            | {self.words.metric(metric).label: "best" for metric in metrics}
            for metrics in changed
        ]
        return Table(shown, pd.DataFrame(marks, shown.index), self.numbers, self._notes())

    def _notes(self) -> tuple[str, ...]:
        columns = [(self.pairs[f"{m}_a"], self.pairs[f"{m}_b"]) for m in COMPARED]
        equal = np.logical_and.reduce([(a == b) | (a.isna() & b.isna()) for a, b in columns])
        labels = f" and {self.words.noisy} labels"
        notes = [
            (
                f"{count(len(self.pairs), 'pair')} of finished cells, {int(equal.sum())} of them "
                f"with equal {listing([self.words.metric(m).label for m in COMPARED])} to the last "
                "digit."
            ),
            (
                f"B less A on the same seeds{'' if self.noise_changed else labels}, "
                "mean with its 95% t interval; "
                f"marked (bold, or * on a terminal): paired t test, p < {stats.ALPHA:g} after Holm "
                f"over the {count(len(self.tests) // len(COMPARED), 'row')} of the column. "
                f"{NO_TEST}"
            ),
        ]
        if len(self.pooled):
            notes.append(
                "All settings of a method: mean over its settings within each seed, then over "
                "seeds, which share weights and order across settings. A seed counts where both "
                "finished in all of them, and is a pair; Holm over the "
                f"{count(len(self.pooled) // len(COMPARED), 'method')}."
            )
        if self.noise_changed:
            notes[1:1] = self._changes()
        sides = (("A", "B", self.only_a), ("B", "A", self.only_b))
        notes += [_missing(have, lack, cells) for have, lack, cells in sides if cells]
        return tuple(notes)

    def _changes(self) -> list[str]:
        """Say of each noise what it became, and how many labels are wrong in each."""
        text = (
            "What changed is the noise; a pair agrees in dataset, model, recipe, method and seed."
        )
        notes = [text]
        for (before, after), rows in self.pairs.groupby(["noise_a", "noise_b"], sort=False):
            wrong_a, wrong_b = (100 * rows[f"noise_rate_realised_{side}"].mean() for side in "ab")
            same = int((rows["noise_sha256_a"] == rows["noise_sha256_b"]).sum())
            equal = f"; {count(same, 'pair')} with equal labels" if same else ""
            shares = ("", "")
            if np.isfinite([wrong_a, wrong_b]).all():
                shares = f", with {wrong_a:.1f}% of the labels wrong,", f", with {wrong_b:.1f}%"
            notes.append(f"{before} in A{shares[0]} became {after} in B{shares[1]}{equal}.")
        return notes


def _missing(have: str, lack: str, cells: tuple[str, ...]) -> str:
    named = some(cells, NAMED, "; ")
    return f"{count(len(cells), 'cell')} finished in {have} without a partner in {lack}: {named}."


def _line(words: Vocabulary, setting: str, rows: pd.DataFrame) -> dict[str, str]:
    line = {"Setting": setting, "Pairs": str(int(rows["n"].max()))}
    for row in rows.to_dict("records"):
        metric = str(row["metric"])
        line[words.metric(metric).label] = (
            with_test(metric, row, p_value(row["p_holm"])) if row["n"] else BLANK
        )
    return line


def compare(first: Path, second: Path, change: NoiseChange | None = None) -> Comparison:
    """Pair the finished cells of two folders at their last epochs.

    Args:
        first: the folder A.
        second: the folder B.
        change: which noise became which; without it, both cells of a pair have the same one.

    Raises:
        DataMissingError: a folder does not exist, or has no ``results.csv``.
        RefusedError: the metrics of the two, or the labels of a pair, are not the same, or it is
            not clear which noise became which, or there is no pair; or a folder is refused by
            :func:`load`.
    """
    for folder in (first, second):
        if reason := why_no_folder(folder):
            raise DataMissingError(f"{folder} {reason}")
        if not table_path(folder, "results.csv").is_file():
            raise DataMissingError(f"{folder / 'results.csv'} is missing: there is no run in it")
    runs = [load(first), load(second)]
    _refuse_other_metrics(runs, (first, second))
    kept = ("cell_id", "setting", "panel", "noise_sha256", "noise_rate_realised", *COMPARED)
    a, b = (run.last[[*KEYS, *kept]] for run in runs)
    cells = pair_changed(a, b, change, (first, second)) if change else pair_same(a, b)
    only_a, only_b = (cells["cell_id_b"].isna(), cells["cell_id_a"].isna())
    pairs = cells[~only_a & ~only_b].reset_index(drop=True)
    if pairs.empty:
        raise RefusedError(
            f"{first} and {second} have no finished cell in common"
            + (" that agrees in all but the noise" if change else "")
        )
    if change:
        _refuse_other_split(pairs, (first, second))
    unlike = pairs[pairs["noise_sha256_a"] != pairs["noise_sha256_b"]]
    if len(unlike) and not change:
        raise RefusedError(
            f"{first} and {second} were trained on different labels at "
            f"{_name(unlike.to_dict('records')[0])}: they cannot be compared; where the labels are "
            "what changed, --pair method compares before and after"
        )
    alone_a, alone_b = (
        tuple(map(_name, cells[only].to_dict("records"))) for only in (only_a, only_b)
    )
    words = runs[0].words if runs[0].words == runs[1].words else MIXED
    facts, long = {**runs[0].facts, **runs[1].facts}, _long(pairs)
    known = pairs[~pairs["dataset"].isin({*runs[0].unknown, *runs[1].unknown})]
    which = " with clean labels" * (0 < len(known) < len(pairs))
    means = _pooled(_long(known) if which else long, which)  # what is of both is no mean
    tests, pooled = _tested(long), _tested(means)
    return Comparison(
        pairs, tests, pooled, alone_a, alone_b, facts, words, noise_changed=bool(change)
    )


def _refuse_other_metrics(runs: list[Run], folders: tuple[Path, Path]) -> None:
    specs = [sorted(set(run.last["metric_spec"])) for run in runs]
    if specs[0] != specs[1] and specs[0] and specs[1]:
        sides = [f"{f} has metrics {listing(s)}" for f, s in zip(folders, specs, strict=True)]
        raise RefusedError(
            f"{' and '.join(sides)}: `collect` brings a folder with parts up to date"
        )


def _refuse_other_split(pairs: pd.DataFrame, folders: tuple[Path, Path]) -> None:
    """Refuse pairs that were tested on other images, which labels that changed do not tell."""
    plans = [plan for folder in folders if (plan := planned(folder))]
    versions = [plan.schema for plan in plans]
    apart = any(v < ONE_SPLIT for v in versions) and any(v >= ONE_SPLIT for v in versions)
    if apart and (pairs["dataset"] == "digits").any():
        raise RefusedError(
            f"{folders[0]} and {folders[1]} were written by results versions {versions[0]} and "
            f"{versions[1]}, which test digits on other images: train the earlier one again"
        )


def _name(row: Mapping[Hashable, object]) -> str:
    return ", ".join(str(row[key]) for key in KEYS[:-1]) + f", seed {row['seed']}"


def _long(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each pair and metric, with its values in B (``own``) and A (``other``)."""
    place = {method: k for k, method in enumerate(order_methods(pairs["method"]))}
    ordered = pairs.assign(place=pairs["method"].map(place)).sort_values(["place", "setting"])
    sides = [
        ordered[["method", "setting", "seed"]].assign(
            metric=metric, own=ordered[f"{metric}_b"], other=ordered[f"{metric}_a"]
        )
        for metric in COMPARED
    ]
    rows = pd.concat(sides, ignore_index=True)
    return rows.assign(difference=rows["own"] - rows["other"])


def _tested(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return a test of each method, setting and metric, corrected (Holm) within the metric."""
    tests = stats.paired_tests(pairs, ["method", "setting", "metric"])
    tests = stats.corrected(tests, together=["metric"])
    return tests.rename(columns={"other": "a", "own": "b"})[list(TESTED)]


def _pooled(pairs: pd.DataFrame, which: str) -> pd.DataFrame:
    """Return pairs of means over settings, of methods that have several.

    Args:
        pairs: those of the settings.
        which: what their name says of them, behind their number.
    """
    settings = pairs.groupby("method", sort=False)["setting"].nunique()
    settings = settings[settings > 1]
    means = stats.mean_over_settings(pairs, ["method", "metric"])
    names = means["method"].map(settings)
    return means.assign(setting=[f"all {n:.0f} settings{which}" for n in names])[names.notna()]

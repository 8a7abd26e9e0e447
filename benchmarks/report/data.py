"""A results folder as checked tables, with names for its settings."""

import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from msgspec.structs import asdict

from benchmarks.catalogue import Facts
from benchmarks.errors import RefusedError, bounded
from benchmarks.inputs import InputError
from benchmarks.question import Question
from benchmarks.report import history
from benchmarks.report.beside import Beside, Folder, joined
from benchmarks.report.lists import LISTS, fault_of_lists
from benchmarks.report.looks import base, order_methods
from benchmarks.report.vocabulary import KNOWN, MIXED, UNKNOWN, Vocabulary
from benchmarks.schema import (
    KEYS,
    LATER_COLUMNS,
    LOG_BOUND,
    SCHEMA_VERSION,
    TABLES,
    TEMPERATURE_FITS,
    TIMINGS,
    TIMINGS_NAME,
    table_path,
)
from benchmarks.store import PlanFile, PlannedCell, read_plan
from benchmarks.store.plan_file import fields_of
from benchmarks.store.tables import content_of

READ = ("results.csv", "curves.csv", "bins.csv", "detection.csv")
LATER = (
    *("losses.csv", "transitions.csv", "pairs.csv", "ensembles.csv"),
    *("confusion.csv", "risk_coverage.csv", "precision_recall.csv", "costs.csv"),
    "estimates.csv",
)
"""The tables that are empty where a folder of an earlier version lacks the file."""
TEXT = {
    *(set(KEYS) - {"noise_rate", "seed"}),
    *("method_spec", "profile", "privileges", "precision", "noise_sha256", "truth"),
    *("metric_spec", "status", "reason", "selection", "score"),
    *("reference", "metric", "labels", "estimator", "quantity", "over"),
    *(column for lists in LISTS.values() for column in lists),
    *("device", "driver", "host", "cpu", "system", "torch", "python", "packages", "commit"),
    *("finished_utc", "earlier"),
}
COLUMNS = TABLES | {TIMINGS_NAME: TIMINGS}
_WORDS = {"pdn": "part-dependent", "pmd": "margin-dependent", "pair_flip": "pair flip"}
"""What noises with short names are called."""
_LEAST = {"seed": 0, "n_train": 1, "n_test": 1}
"""The least value of columns of whole numbers."""
_VALUE = r"\w+=(?:'[^']*'|[^,()]*)"
_RESTRICTED = (
    *("results", "curves", "bins", "detection", "losses", "transitions"),
    *("confusion", "risk_coverage", "precision_recall", "estimates", "plan"),
)
"""The tables that a choice of methods and settings leaves less of."""
ARENA = ("dataset", "model", "recipe")
"""The columns that stay the same along one curve over noise rates."""


@dataclass(frozen=True)
class Run:
    """The tables of one results folder, with the columns that :func:`_with_names` adds.

    A setting is dataset, noise, model and recipe; its ``panel`` is its name without the arena.
    A kind is a noise without its rate, ``x`` the nominal rate (the realised one where the
    noise has no nominal rate). All but ``results`` hold finished cells only, and ``bins`` only
    the selection ``last``. From ``losses`` to ``precision_recall`` a row pools seeds, ``costs`` has
    cell ids only. ``plan`` has the cells that were asked for or have a row: none where the folder
    has no plan.
    """

    results: pd.DataFrame
    curves: pd.DataFrame
    bins: pd.DataFrame
    detection: pd.DataFrame
    losses: pd.DataFrame
    transitions: pd.DataFrame
    pairs: pd.DataFrame
    ensembles: pd.DataFrame
    confusion: pd.DataFrame
    risk_coverage: pd.DataFrame
    precision_recall: pd.DataFrame
    estimates: pd.DataFrame  # of datasets without clean labels
    costs: pd.DataFrame
    timings: pd.DataFrame  # as they are: cells trained alone, again and again
    plan: pd.DataFrame
    methods: tuple[str, ...]
    settings: tuple[str, ...]
    planned: int | None
    absent: tuple[str, ...] = ()  # of LATER
    facts: Mapping[str, Facts] = field(default_factory=dict)  # of methods the catalogue lacks
    beside: Beside | None = None  # what is from another folder
    question: Question | None = None  # that was asked before the first run
    classes: Mapping[str, int] = field(default_factory=dict)  # by dataset, where they are known
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # likewise
    licences: Mapping[str, str] = field(default_factory=dict)  # likewise
    spelled: Mapping[str, str] = field(default_factory=dict)  # datasets as they are built again
    history: pd.DataFrame = field(default_factory=pd.DataFrame)  # of earlier runs of the suite
    plugins: tuple[str, ...] = ()  # files of entries, where there is a plan
    suite: str = ""  # the name of what was run, where there is a plan
    recipes: Mapping[str, str] = field(default_factory=dict)  # spelled out, where they are known

    def restricted(self, methods: Collection[str], settings: Collection[str]) -> "Run":
        """Return the run without all other methods and settings."""
        tables = {}
        for name in _RESTRICTED:
            rows = getattr(self, name)
            inside = rows["method"].isin([*methods, ""]) & rows["setting"].isin(settings)
            tables[name] = rows[inside]
        return replace(
            self,
            **tables,
            methods=tuple(method for method in self.methods if method in methods),
            settings=tuple(setting for setting in self.settings if setting in settings),
            planned=None if self.planned is None else len(tables["plan"]),
        )

    @cached_property
    def images(self) -> dict[str, str]:
        """What sentences call each dataset: of features, the images and the network.

        Features that would be called alike keep their specs.
        """
        names = {name: _in_words(name, self.spelled.get(name, name)) for name in self.datasets}
        uses = Counter(names.values())
        return {name: said if uses[said] == 1 else name for name, said in names.items()}

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """The datasets, by name."""
        return tuple(sorted(set(self.cells["dataset"])))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row per cell, whatever became of it."""
        return self.results.drop_duplicates("cell_id")

    def at(self, selection: str) -> pd.DataFrame:
        """Return the finished cells at one selection."""
        rows = self.results
        return rows[(rows["status"] == "done") & (rows["selection"] == selection)]

    @cached_property
    def last(self) -> pd.DataFrame:
        """The headline: finished cells after their last epoch."""
        return self.at("last")

    @cached_property
    def privileges(self) -> dict[str, str]:
        """The privileges of each method that has any."""
        given = self.cells[self.cells["privileges"] != ""]
        knowledge = given.groupby("method", sort=False)["privileges"].unique()
        return {str(method): ", ".join(sorted(kinds)) for method, kinds in knowledge.items()}

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """The datasets without clean labels: what is measured is agreement with the given ones."""
        cells = self.cells
        return tuple(sorted(set(cells.loc[cells["truth"] == "unknown", "dataset"])))

    @property
    def words(self) -> Vocabulary:
        """What texts call what is measured."""
        if not self.unknown:
            return KNOWN
        return UNKNOWN if {*self.unknown} == {*self.cells["dataset"]} else MIXED

    @cached_property
    def note(self) -> str:
        """The words ``incomplete: 120 of 150 cells``; nothing when every planned cell has a row."""
        if self.planned is None or len(self.cells) >= self.planned:
            return ""
        return f"incomplete: {len(self.cells)} of {self.planned} cells"


def of_one_truth(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that one mean may hold: those with clean labels, or all where none has any.

    Accuracy, and agreement with labels that nobody knows to be right, are not one quantity.
    """
    known = cells[cells["truth"] != "unknown"]
    return cells if known.empty else known


def load(folder: Path, other: Path | None = None) -> Run:
    """Read and check the CSVs of ``folder``, and count the cells of its plan.

    Args:
        folder: a results folder.
        other: one whose methods are to stand beside, where their cells compare.

    Raises:
        RefusedError: a file is missing, empty or has other columns than the schema names; or the
            other folder has no cell that compares.
    """
    (tables, plan), beside = _read(folder), None
    if other:
        tables, beside = joined(Folder(tables, plan), _read(other), other.resolve().name)
        if not beside.cells:
            why = " ".join(beside.left_out) or "every method in it is here, too."
            raise RefusedError(f"{other} has nothing to stand beside {folder}: {why}")
    results, costs = tables["results.csv"], tables.pop("costs.csv")
    wanted = _wanted(plan, set(results["cell_id"])) if plan else []
    tables["plan"] = pd.DataFrame(map(asdict, wanted), columns=list(KEYS))
    varying = _varying_columns([results, tables["plan"]])
    called = _without_shared({*results["noise"], *tables["plan"]["noise"]})
    named = {name: _with_names(table, results, varying, called) for name, table in tables.items()}
    results = named["results.csv"]
    _refuse_contradictions(results, folder / "results.csv")
    done = set(results.loc[results["status"] == "done", "cell_id"])
    finished = {name: named[name][named[name]["cell_id"].isin(done)] for name in READ}
    bins = finished["bins.csv"]
    ordered = results.sort_values(["arena", "noisy", "kind", "x", "setting"])
    return Run(
        results=results,
        curves=finished["curves.csv"],
        bins=bins[bins["selection"] == "last"],
        detection=finished["detection.csv"],
        losses=named["losses.csv"],
        transitions=named["transitions.csv"],
        pairs=named["pairs.csv"],
        ensembles=named["ensembles.csv"],
        confusion=named["confusion.csv"],
        risk_coverage=named["risk_coverage.csv"],
        precision_recall=named["precision_recall.csv"],
        estimates=named["estimates.csv"],
        costs=costs,
        timings=checked_table(folder, TIMINGS_NAME),
        plan=named["plan"],
        methods=order_methods(results["method"]),
        settings=tuple(dict.fromkeys(ordered["setting"])),
        planned=len(wanted) + (beside.cells if beside else 0) if plan else None,
        beside=beside,
        absent=tuple(name for name in LATER if not table_path(folder, name).is_file()),
        facts=plan.method_facts if plan else {},
        question=plan.question if plan else None,
        classes=plan.classes if plan else {},
        class_names=plan.class_names if plan else {},
        licences=plan.licences if plan else {},
        spelled={cell.dataset: cell.specs.dataset for cell in wanted},
        plugins=plan.plugins if plan else (),
        suite=plan.suite if plan else "",
        recipes={cell.recipe: cell.specs.recipe for cell in wanted},
        history=_history(folder, suite_of(folder, plan), set(results["method"])),
    )


def _in_words(name: str, spelled: str) -> str:
    """Return ``features of cifar10 by random_conv`` for vectors that a network computed."""
    kind, known = fields_of(spelled)
    backbone = str(known.get("backbone", "")).partition("(")[0]
    if kind != "embedded" or not backbone or "dataset" not in known:
        return name
    return f"features of {known['dataset']} by {backbone}"


def _read(folder: Path) -> Folder:
    tables = {name: checked_table(folder, name) for name in (*READ, *LATER)}
    results = tables["results.csv"] = _without_bounds(tables["results.csv"])
    if results.empty:
        raise RefusedError(f"{folder / 'results.csv'} has no rows: no cell has ended yet")
    return Folder(tables, planned(folder))


def outcomes(folder: Path) -> pd.DataFrame:
    """Return a row for each cell that ended, at its last epoch and whatever became of it.

    Beside the columns of ``results.csv`` it has what :func:`_with_names` adds, and ``auroc``: how
    well the last loss tells wrong labels. Of a folder with no more than ``results.csv`` and
    ``detection.csv``.

    Raises:
        RefusedError: a file is missing or has other columns than the schema names.
    """
    results, detection = (checked_table(folder, name) for name in ("results.csv", "detection.csv"))
    results = _without_bounds(results)
    called = _without_shared(set(results["noise"]))
    named = _with_names(results, results, _varying_columns([results]), called)
    _refuse_contradictions(named, folder / "results.csv")
    last = named[named["selection"] == "last"].reset_index(drop=True)
    found = detection.loc[detection["score"] == "loss"].drop_duplicates("cell_id")
    aurocs = found.set_index("cell_id")["auroc"]
    return last.assign(auroc=last["cell_id"].map(aurocs).astype("float64"))


def costs(folder: Path) -> pd.DataFrame:
    """Return the table ``costs.csv`` of a folder, empty where an earlier version wrote none.

    Raises:
        RefusedError: it has other columns than the schema names.
    """
    return checked_table(folder, "costs.csv")


def checked_table(folder: Path, name: str) -> pd.DataFrame:
    """Return a table of a folder, empty where an earlier version wrote none.

    Raises:
        RefusedError: it is missing, or has other columns than the schema names.
    """
    path = table_path(folder, name)
    if not path.is_file():
        if name in LATER or name == TIMINGS_NAME:
            return pd.DataFrame(columns=list(COLUMNS[name]))
        raise RefusedError(f"{path} is missing: a report needs {', '.join(READ)}")
    types = dict.fromkeys(TEXT, "str")
    try:
        content = io.BytesIO(content_of(path))
        table = pd.read_csv(content, dtype=types, keep_default_na=False, na_values=[""])
    except InputError:
        raise
    except (ValueError, OSError, EOFError, zlib.error) as error:  # of pandas, and of gzip
        reason = " ".join(str(error).split())  # the parser of pandas ends with a new line
        raise RefusedError(f"{path} cannot be read: {reason}") from None
    wanted = set(COLUMNS[name])
    have = {str(column) for column in table}
    missing, foreign = sorted(wanted - have - LATER_COLUMNS), sorted(have - wanted)
    if missing or foreign:
        faults = [f"lacks {', '.join(missing)}"] if missing else []
        unknown = " ".join(", ".join(foreign)[:200].split())  # a name may hold a new line
        faults += [f"has the unknown {unknown}"] if foreign else []
        raise RefusedError(
            f"{path} does not have this version's columns: it {' and '.join(faults)}"
        )
    _refuse_text_and_infinity(table, path)
    _refuse_impossible(table, path)
    absent = {name: "" if name in TEXT else math.nan for name in sorted(wanted - have)}
    table = table.assign(**absent)
    text = [column for column in table if column in TEXT]
    table = table.assign(**{column: table[column].fillna("") for column in text})
    if fault := fault_of_lists(table, name):
        raise RefusedError(f"{path} {fault}")
    return table


def _without_bounds(results: pd.DataFrame) -> pd.DataFrame:
    """Return results without the numbers of temperatures that ended at a bound.

    They mean nothing, and one of them is an NLL in the hundreds; ``ts_at_bound`` counts them.
    """
    for fit in TEMPERATURE_FITS:
        names = [f"ts_{fit}_{name}" for name in ("T", "nll", "brier", "ece", "ece_floor")]
        inside = results[names[0]].between(math.exp(1e-6 - LOG_BOUND), math.exp(LOG_BOUND - 1e-6))
        ends = ~inside & results[names[0]].notna()
        results = results.assign(**{name: results[name].mask(ends) for name in names})
    return results


def _refuse_text_and_infinity(table: pd.DataFrame, path: Path) -> None:
    for column in table.columns.difference([*TEXT]) if len(table) else ():
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise RefusedError(f"{path} has text in its column of numbers {column}")
        if np.isinf(table[column]).any():
            raise RefusedError(f"{path} has an infinite number in its column {column}")


def _refuse_impossible(table: pd.DataFrame, path: Path) -> None:
    """Refuse an accuracy that is no share, and parts of numbers that are whole."""
    for column in table.columns.intersection([*_LEAST, "acc"]):
        values = table[column].dropna()
        least, most = _LEAST.get(column, 0), 1 if column == "acc" else 2**63
        wrong = ~values.between(least, most)
        if column in _LEAST:
            wrong |= values % 1 != 0
        if wrong.any():
            noun = "a number in [0, 1]" if column == "acc" else f"a whole number from {least}"
            row, value = wrong.idxmax(), values[wrong].iloc[0]
            raise RefusedError(f"{path}, row {row}: {column} must be {noun}, got {value:g}")


def _refuse_contradictions(results: pd.DataFrame, path: Path) -> None:
    names = sorted(set(results["profile"]) - {""})
    if len(names) > 1:
        raise RefusedError(
            f"{path} holds cells of the profiles {bounded(' and '.join(names))}, which "
            "must not stand in one table: keep each in a folder of its own"
        )
    keys = ["setting", "method", "seed", "selection"]
    twice = results[results.duplicated(keys)]
    if len(twice):
        row = twice.iloc[0]
        raise RefusedError(
            f"{path} has two rows for {bounded(row['method'])}, {bounded(row['setting'])}, seed "
            f"{row['seed']}: a report cannot tell which to show"
        )


def _varying_columns(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns of an arena that vary among what ran and what is planned."""
    return [name for name in ARENA if len({value for t in tables for value in t[name]}) > 1]


def _with_names(
    table: pd.DataFrame, results: pd.DataFrame, varying: list[str], called: Mapping[str, str]
) -> pd.DataFrame:
    """Add ``setting``, ``arena``, ``panel``, ``kind``, ``x`` and the flag ``noisy``."""
    arena = [", ".join(values) for values in table[varying].to_numpy()]
    rate = table["noise_rate"].astype("float64")
    place = ["dataset", "noise"]
    realised = results.groupby(place)["noise_rate_realised"].mean().rename("x")
    x = rate.fillna(table[place].join(realised, on=place)["x"].astype("float64"))
    rated = rate.notna()
    short = [called.get(noise, noise) for noise in table["noise"]]
    names = pd.Series(short, table.index, "object").where(rated, table["noise"])
    noise = [noise_label(name, value) for name, value in zip(names, rate, strict=True)]
    return table.assign(
        arena=arena,
        setting=[f"{a}, {b}" if a else b for a, b in zip(arena, noise, strict=True)],
        panel=noise,
        kind=[kind(name) if known else name for name, known in zip(names, rated, strict=True)],
        x=x,
        noisy=table["noise"] != "clean",
    )


def _without_shared(noises: Collection[str]) -> dict[str, str]:
    """Return each noise without the values, but its rate, that all of its name have.

    >>> list(_without_shared(["pdn(rate=0.2, spread=1)", "pdn(rate=0.4, spread=1)"]).values())
    ['pdn(rate=0.2)', 'pdn(rate=0.4)']
    >>> list(_without_shared(["pdn(rate=0.2)", "pdn(rate=0.2, spread=1)"]).values())
    ['pdn(rate=0.2)', 'pdn(rate=0.2, spread=1)']
    """
    values = {noise: set(re.findall(_VALUE, noise.partition("(")[2])) for noise in noises}
    names = {}
    for noise, own in values.items():
        alike = [those for other, those in values.items() if base(other) == base(noise)]
        kept = [v for v in re.findall(_VALUE, noise) if v in own - set.intersection(*alike)]
        rate = [v for v in own if v.startswith("rate=") and v not in kept]
        names[noise] = f"{base(noise)}({', '.join([*rate, *kept])})" if own else noise
    return names


@cache
def kind(noise: str) -> str:
    """Return a noise without its rate, as one panel over rates shows it.

    >>> kind("symmetric(rate=0.4)"), kind("symmetric(rate=0.4, exact=True)"), kind("clean")
    ('symmetric', 'symmetric(exact=True)', 'clean')
    """
    without = re.sub(r"\brate=[^,)]*(, )?", "", noise)
    short = without.replace(", )", ")").removesuffix("()")
    return short.replace(base(short), _WORDS.get(base(short), base(short)), 1)


def noise_label(noise: str, rate: float) -> str:
    """Return the short name of a noise; one without a rate keeps its spec.

    >>> noise_label("symmetric(rate=0.4)", 0.4), noise_label("clean", 0.0)
    ('symmetric 40%', 'clean')
    """
    short = noise if math.isnan(rate) else kind(noise)
    return noise if short == noise else f"{short} {100 * rate:.6g}%"


def planned(folder: Path) -> PlanFile | None:
    """Return the plan of a folder of any version so far, ``None`` if it has none."""
    return (
        read_plan(folder, range(1, SCHEMA_VERSION + 1)) if (folder / "plan.json").exists() else None
    )


def suite_of(folder: Path, plan: PlanFile | None) -> str:
    """Return the name of a folder's suite in a history: without a plan, that of the folder."""
    return plan.suite if plan else folder.absolute().name


def _history(folder: Path, suite: str, methods: Container[str]) -> pd.DataFrame:
    path = history.path_of(folder)
    if path is None:
        return pd.DataFrame()
    rows = history.read(path)
    return history.of_suite(rows[[method in methods for method in rows["method"]]], suite)


def _wanted(plan: PlanFile, ended: Container[str]) -> list[PlannedCell]:
    """Return the cells that should have a row: those asked for, and those that have one."""
    return [cell for cell in plan.cells if cell.requested or cell.cell_id in ended]

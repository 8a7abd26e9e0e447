"""Two runs, cell by cell: what is missing or not the same, and what the gates say of the rest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.errors import RefusedError, count, some
from benchmarks.regress.baseline import Baseline, with_draws
from benchmarks.regress.gates import (
    EQUIVALENCE_LEVEL,
    FLAGGED,
    TRACKED,
    Judged,
    Tracked,
    Verdict,
    confirmed,
    gate_cells,
    gate_methods,
)
from benchmarks.regress.judgement import (
    ALL,
    LABELS,
    Cell,
    Fault,
    Finding,
    How,
    Judgement,
    judgement,
)
from benchmarks.regress.moderation import Floats
from benchmarks.regress.sample import Sample
from benchmarks.report.data import costs, outcomes
from benchmarks.report.pairing import pair_same
from benchmarks.report.stats import FEWEST_PAIRS
from benchmarks.schema import table_path
from benchmarks.store.tables import content_of

SAME = {
    "noise_sha256": "trained on other labels",
    "split_sha256": "trained on another part of the images",
    "weights_sha256": "begun with other initial weights",
    "n_train": "trained on another number of images",
    "n_test": "tested on another number of images",
}
"""What must not differ at the same seed, and what is said where it does."""
PLACE = ["method", "setting"]


def judge(
    folder: Path, baseline: Baseline, again: Path | None = None, why_not: str = ""
) -> Judgement:
    """Compare a run with its baseline.

    Args:
        folder: of the run.
        baseline: the other side.
        again: a folder with flagged cells of the run at reserve seeds.
        why_not: why there is none, for whoever reads of flagged cells.

    Raises:
        RefusedError: one of them cannot be read, or their metrics have different definitions.
    """
    sides = (str(folder), baseline.name)
    if _same_bytes(folder, baseline.folder):
        cells = outcomes(folder)
        names = cells[PLACE].drop_duplicates().itertuples(index=False)
        told = [Cell(str(method), str(setting), Verdict.PASS) for method, setting in names]
        return judgement(sides, "same bytes", _seeds(cells["seed"]), (told, [], []))
    base = baseline.draws(outcomes(baseline.folder))
    new = with_draws(outcomes(folder), folder)
    own = _seeds(new["seed"])
    if again:
        new = _with_reserve(new, with_draws(outcomes(again), again), baseline.reserve)
    _refuse_other_metrics(base, new, sides)
    cells, remarks = _with_comparable_weights(_together(base, new), (folder, baseline.folder))
    plan = _planned(cells, baseline, own)
    faults = [*_lacking(cells, plan), *_changed_status(cells), *_not_the_same(cells)]
    values = _Values(cells, plan)
    findings = [*values.methods(), *values.cells()]
    places = cells[PLACE].drop_duplicates().itertuples(index=False)
    told = [Cell(str(method), str(setting), Verdict.PASS) for method, setting in places]
    how: How = "paired" if plan.pairs else "unpaired"
    remarks += _made_otherwise(folder, baseline.folder)
    notes = (*_notes(cells, plan, baseline), *remarks, *_doubts(findings, baseline, why_not))
    return judgement(sides, how, plan.new, (told, [*faults, *values.lost()], findings), notes)


def _same_bytes(first: Path, second: Path) -> bool:
    names = ("results.csv", "detection.csv")
    return all(_content(first, name) == _content(second, name) for name in names)


def _content(folder: Path, name: str) -> bytes | None:
    path = table_path(folder, name)
    return content_of(path) if path.is_file() else None


def _seeds(values: "pd.Series[int]") -> tuple[int, ...]:
    return tuple(sorted({int(value) for value in values}))


def _refuse_other_metrics(base: pd.DataFrame, new: pd.DataFrame, sides: tuple[str, str]) -> None:
    specs = [sorted(set(side["metric_spec"]) - {""}) for side in (new, base)]
    if specs[0] != specs[1] and all(specs):
        told = [f"{name} has metrics {some(own)}" for name, own in zip(sides, specs, strict=True)]
        raise RefusedError(
            f"{' and '.join(told)}: `collect` brings a folder with parts up to date, and "
            "`regress accept` a baseline"
        )


def _with_reserve(new: pd.DataFrame, again: pd.DataFrame, reserve: Sequence[int]) -> pd.DataFrame:
    """Return the cells of a run and, at reserve seeds that it lacks, those of another folder."""
    more = again[again["seed"].isin(reserve) & ~again["cell_id"].isin(new["cell_id"])]
    return pd.concat([new, more.assign(setting=np.nan)], ignore_index=True)


def _together(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return both sides of each cell and seed, suffixes ``_a`` and ``_b``; settings of one name."""
    kept = ["cell_id", "dataset", "noise", "model", "recipe", "method", "seed", "setting"]
    kept += ["status", "reason", *SAME, *(metric.id for metric in TRACKED)]
    cells = pair_same(base[kept], new[kept])
    keys = [cells[name] for name in ("dataset", "noise", "model", "recipe")]
    names = cells["setting_b"].astype(object).fillna(cells["setting_a"])
    first = names.where(cells["setting_b"].notna()).groupby(keys).transform("first")
    return cells.assign(setting=first.fillna(names))


def _with_comparable_weights(
    cells: pd.DataFrame, folders: tuple[Path, Path]
) -> tuple[pd.DataFrame, list[str]]:
    """Return cells without initial weights that another machine draws otherwise, and a note.

    Their last bits depend on the instructions of the processor and on the version of torch.
    """
    machines = [
        set(costs(one)[["cpu", "torch"]].dropna().itertuples(index=False)) for one in folders
    ]
    new, base = machines
    if not new or not base or new <= base or not _differs(cells, "weights_sha256").any():
        return cells, []
    note = (
        "Initial weights differ in their bytes, as those of another processor or torch may: they "
        "are taken for the same."
    )
    return cells.assign(weights_sha256_b=""), [note]


MADE_WITH = ("python", "torch", "packages", "cpu", "device")
"""What may move a number without any change of the code."""


def _made_otherwise(folder: Path, base: Path) -> Iterator[str]:
    """Yield a sentence on the versions and hardware of two runs, where both are known to differ."""
    tables = [costs(one) for one in (folder, base)]
    known = [name for name in MADE_WITH if all((table[name] != "").any() for table in tables)]
    new, old = (_made_with(table[known]) for table in tables)
    if new != old:
        yield (
            f"The run was made with {some(sorted(new - old))}, and the baseline with "
            f"{some(sorted(old - new))}."
        )


def _made_with(table: pd.DataFrame) -> set[str]:
    """Return the names and versions of what a run was made with."""
    return {
        f"{name} {part}" if name in {"python", "torch"} else part
        for name in table
        for value in set(table[name]) - {""}
        for part in value.split(", ")
    }


class _Plan(NamedTuple):
    """Which seeds are compared: paired where at least three are on both sides."""

    pairs: bool
    base: tuple[int, ...]
    new: tuple[int, ...]
    reserve: tuple[int, ...]
    own: tuple[int, ...]  # that the run itself was trained at


def _planned(cells: pd.DataFrame, baseline: Baseline, seeds: tuple[int, ...]) -> _Plan:
    base, new = (
        _seeds(cells.loc[cells[f"status_{side}"].notna(), "seed"].astype("int64")) for side in "ab"
    )
    reserve = baseline.reserve if spare(seeds, baseline) else ()
    first, own = ([s for s in side if s not in reserve] for side in (base, new))
    shared = tuple(seed for seed in own if seed in first)
    known = tuple(seed for seed in reserve if seed in base and seed in new)
    if len(shared) >= FEWEST_PAIRS:
        return _Plan(True, shared, shared, known, seeds)
    return _Plan(False, tuple(first), tuple(own), known, seeds)


def spare(seeds: Sequence[int], baseline: Baseline) -> bool:
    """Return whether reserve seeds are there that had no part in flagging a run of these seeds."""
    return bool(baseline.reserve) and not set(seeds) <= set(baseline.reserve)


def _fault(place: object, cause: str, verdict: Verdict, seeds: tuple[int, ...] = ()) -> Fault:
    """Return what is said of a method in a setting, which ``groupby`` gives as a tuple."""
    method, setting = place if isinstance(place, tuple) else (place, "")
    return Fault(
        method=str(method), setting=str(setting), cause=cause, verdict=verdict, seeds=seeds
    )


def _lacking(cells: pd.DataFrame, plan: _Plan) -> Iterator[Fault]:
    """Yield the cells that one side lacks."""
    for place, rows in cells.groupby(PLACE, sort=False):
        old, new = (rows[f"status_{side}"].notna() for side in "ab")
        gone = old & ~new & rows["seed"].isin({*plan.new, *plan.reserve}.intersection(plan.own))
        if not new.any():
            yield _fault(place, "missing, and the baseline has it", Verdict.FAIL)
        elif not old.any():
            yield _fault(place, "new: the baseline does not have it", Verdict.PASS)
        elif plan.pairs and gone.any():
            yield _fault(place, "missing", Verdict.FAIL, _seeds(rows.loc[gone, "seed"]))


def _changed_status(cells: pd.DataFrame) -> Iterator[Fault]:
    """Yield the cells that no longer end well, and those that do so now."""
    for row in cells[cells["status_b"].notna()].to_dict("records"):
        place, seeds = (row["method"], row["setting"]), (int(row["seed"]),)
        before, after = row["status_a"], row["status_b"]
        if after not in {"done", before}:
            yield _fault(place, f"{after} ({row['reason_b']})", Verdict.FAIL, seeds)
        elif after == "done" and before in {"diverged", "failed"}:
            cause = f"ends well, and had {before} in the baseline"
            yield _fault(place, cause, Verdict.CHANGED, seeds)


def _differs(cells: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Return which rows have this of both sides, and not the same; what is blank is not known."""
    old, new = cells[f"{column}_a"], cells[f"{column}_b"]
    return old.notna() & new.notna() & (old != "") & (new != "") & (old != new)


def _not_the_same(cells: pd.DataFrame) -> Iterator[Fault]:
    """Yield what differs at the same seed and must not, with every seed of a cell in one line."""
    for column, cause in SAME.items():
        other = cells[_differs(cells, column)]
        for place, rows in other.groupby(PLACE, sort=False):
            yield _fault(place, f"{cause} at the same seed", Verdict.FAIL, _seeds(rows["seed"]))


class _Values:
    """The metrics of the cells that both sides have, as arrays ``(cells, seeds)``."""

    def __init__(self, cells: pd.DataFrame, plan: _Plan) -> None:
        groups = cells.groupby(PLACE, sort=False)
        ended = [groups[f"status_{side}"].transform(lambda s: (s == "done").any()) for side in "ab"]
        both = cells[ended[0].astype(bool) & ended[1].astype(bool)]
        self._places = both[[*PLACE, "dataset"]].drop_duplicates(PLACE).reset_index(drop=True)
        number = {tuple(key): k for k, key in enumerate(self._places[PLACE].to_numpy().tolist())}
        keys = zip(both["method"], both["setting"], strict=True)
        self._rows = both.assign(place=[number[key] for key in keys])
        self._plan = plan
        self._method, self._names = pd.factorize(self._places["method"])
        self._dataset = pd.factorize(self._places["dataset"])[0]
        self._usable = {side: self._rows[f"status_{side}"] == "done" for side in "ab"}
        other = np.logical_or.reduce([_differs(self._rows, column) for column in SAME])
        self._usable = {side: own & ~other for side, own in self._usable.items()}
        self._both = {metric: self._sides(metric, plan.base, plan.new) for metric in TRACKED}
        self._same = self._identical()

    def _sides(
        self, metric: Tracked, base: Sequence[int], new: Sequence[int]
    ) -> tuple[Floats, Floats]:
        """Return a metric of both sides, nan where a cell has not ended well or is no pair."""
        return self._matrix(metric.id, "a", base), self._matrix(metric.id, "b", new)

    def _matrix(self, metric: str, side: str, seeds: Sequence[int]) -> Floats:
        rows = self._rows[self._usable[side] & self._rows["seed"].isin(seeds)]
        column = {seed: k for k, seed in enumerate(seeds)}
        table = np.full((len(self._places), len(seeds)), np.nan)
        table[rows["place"], rows["seed"].map(column)] = rows[f"{metric}_{side}"]
        return table

    def _identical(self) -> NDArray[np.bool_]:
        """Return which cells have every number again, to the last digit, at every seed."""
        if not self._plan.pairs:
            return np.zeros(len(self._places), np.bool_)
        same = np.ones(len(self._places), np.bool_)
        for metric in TRACKED:
            old, new = self._both[metric]
            same &= ((old == new) | (np.isnan(old) & np.isnan(new))).all(1)
        return same

    def _sample(self, metric: Tracked, old: Floats, new: Floats) -> Sample:
        sides = (metric.worse(new), metric.worse(old))
        return Sample(*sides, self._method, self._dataset, self._plan.pairs)

    def lost(self) -> list[Fault]:
        """Return the metrics that cells of the baseline had and those of the run have not."""
        faults = []
        for metric in TRACKED:
            old, new = self._both[metric]
            gone = np.isfinite(old).any(1) & ~np.isfinite(new).any(1)
            cause = f"it has no {LABELS[metric.id]} any more"
            places = self._places[gone][PLACE].itertuples(index=False, name=None)
            faults += [_fault(place, cause, Verdict.FAIL) for place in places]
        return faults

    def methods(self) -> list[Finding]:
        """Return what gate A says of methods with several settings, unless nothing has changed."""
        contrasts, rows = {}, {}
        for metric in TRACKED:
            old, new = self._both[metric]
            known = np.isfinite(old).any(1) & np.isfinite(new).any(1)
            settings = np.bincount(self._method[known], minlength=len(self._names))
            moved = np.bincount(self._method[known & ~self._same], minlength=len(self._names))
            chosen = known & ((settings > 1) & (moved > 0))[self._method]
            if chosen.any():
                names, contrasts[metric] = self._sample(metric, old, new).rows(chosen).methods()
                rows[metric] = [chosen & (self._method == name) for name in names]
        gate = gate_methods(contrasts)
        return [
            one for metric in gate for one in self._findings(metric, gate[metric], rows[metric])
        ]

    def cells(self) -> list[Finding]:
        """Return what gate B says of cells that have changed, on the reserve where it is there."""
        contrasts, places, reserves = {}, {}, {}
        for metric in TRACKED:
            old, new = self._both[metric]
            known = np.isfinite(old).any(1) & np.isfinite(new).any(1) & ~self._same
            if known.any():
                contrasts[metric] = self._sample(metric, old, new).rows(known).cells()
                places[metric] = [np.arange(len(known)) == k for k in np.flatnonzero(known)]
                again = self._sides(metric, self._plan.reserve, self._plan.reserve)
                reserves[metric] = self._sample(metric, *again).rows(known)
        flagged = gate_cells(contrasts)
        gate = confirmed(flagged, lambda metric, rows: reserves[metric].rows(rows).cells())
        findings = []
        for metric, own in gate.items():
            told = self._findings(metric, own, places[metric])
            counts = reserves[metric].seeds()
            was = flagged[metric].verdict == FLAGGED
            findings += [
                msgspec.structs.replace(one, flagged=True, reserve=int(n), again=_finite(change))
                if again
                else one
                for one, n, change, again in zip(told, counts, own.again, was, strict=True)
            ]
        return findings

    def _mean(self, own: NDArray[np.bool_], side: Floats, other: Floats) -> float:
        """Return the mean of a side of some cells, at the seeds that a test of them rests on."""
        known = np.isfinite(side + other if self._plan.pairs else side)
        for dataset in np.unique(self._dataset[own]):
            rows = own & (self._dataset == dataset)
            known[rows] &= known[rows].all(0)
        known = known if known[own].any(1).all() else np.isfinite(side)
        return float(np.nanmean(np.where(known, side, np.nan)[own], axis=1).mean())

    def _findings(
        self, metric: Tracked, judged: Judged, rows: Sequence[NDArray[np.bool_]]
    ) -> Iterator[Finding]:
        """Yield a finding for each row of a gate; ``rows`` are the cells that it is of."""
        old, new = self._both[metric]
        half = judged.tests.half(EQUIVALENCE_LEVEL)
        for k, own in enumerate(rows):
            first = self._places[own].iloc[0]
            cell = own.sum() == 1
            limits = metric.cell if cell else metric.method
            change = float(judged.tests.change[k])
            yield Finding(
                gate="cell" if cell else "method",
                method=str(first["method"]),
                setting=str(first["setting"]) if cell else ALL,
                settings=int(own.sum()),
                metric=metric.id,
                n=int(np.isfinite(new[own]).all(0).sum()),
                base=self._mean(own, old, new),
                new=self._mean(own, new, old),
                change=change,
                low=_finite(change - half[k]),
                high=_finite(change + half[k]),
                p=_finite(judged.p[k]),
                margin=limits.margin,
                bound=limits.bound,
                verdict=Verdict(judged.verdict[k]),
            )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _notes(cells: pd.DataFrame, plan: _Plan, baseline: Baseline) -> Iterator[str]:
    """Yield what the reader should know of the seeds."""
    base = _seeds(cells.loc[cells["status_a"].notna(), "seed"])
    further = [seed for seed in plan.own if seed not in base]
    fewer = [seed for seed in base if seed not in {*plan.own, *baseline.reserve}]
    if not plan.pairs:
        yield (
            f"The baseline has seeds {some(plan.base)} and the run {some(plan.new)}: fewer than "
            f"{FEWEST_PAIRS} in common, so they are compared unpaired, which sees less."
        )
    elif further:
        yield f"Seeds {some(further)} are not in the baseline and are left out; the rest are pairs."
    if plan.pairs and fewer:
        yield f"The run does not have seeds {some(fewer)} of the baseline."


def _doubts(findings: Sequence[Finding], baseline: Baseline, why_not: str) -> Iterator[str]:
    """Yield what could not be told, and what would help."""
    if named := {(one.method, one.setting) for one in findings if one.waits}:
        advice = (
            f"seeds {some(baseline.reserve)}, the reserve of the baseline, have not been trained"
            if baseline.reserve
            else "the baseline keeps no reserve (`regress accept --reserve`)"
        )
        reason = f" ({why_not})" if why_not and baseline.reserve else ""
        cells = count(len(named), "cell")
        yield f"{cells} may have become worse, and other seeds have to show it: {advice}{reason}."
    if any(one.verdict == Verdict.INCONCLUSIVE for one in findings):
        yield "INCONCLUSIVE is no pass: with so few seeds a loss beyond the bounds may be hidden."

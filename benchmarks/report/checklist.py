"""The first questions of a distrustful reviewer, each answered from the rows of this run."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.errors import count
from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run, of_one_truth
from benchmarks.report.looks import PRIVILEGED, base, told
from benchmarks.report.phrases import listing, signed, span

FEWEST_SEEDS = 5
SAME = ["dataset", "noise", "seed"]
"""The columns of cells whose noisy labels must be the same, whatever the method."""


_OWN_RULES = {"label_wave": "Label Wave"}
"""The selections beside validation by which a method may stop itself, and what stops it."""


class Item(NamedTuple):
    """A statement on a run, whether it holds (``None``: unknown), and the evidence in the data."""

    statement: str
    holds: bool | None
    evidence: str


def checklist(analysis: Analysis) -> list[Item]:
    """Return every check in reading order; those that the data cannot decide included."""
    run = analysis.run
    return [
        *(_complete(run), _last_epoch(run), _variants(run), _privileges(analysis)),
        *(_same_labels(run), _noise_varies(run), _realised(run)),
        *(_whole_test_set(run), _one_definition(run), _floors(run), _ties(run)),
        *(_seeds(run), _same_seeds(run), _settings(run), _datasets(run), _baseline(run)),
        *(_equal_training(run), _equal_compute(analysis), _one_code(run), _one_machine(run)),
    ]


def _some(names: Iterable[object], most: int = 4) -> str:
    texts = [str(name) for name in names]
    return listing(texts if len(texts) <= most else [*texts[:most], f"{len(texts) - most} more"])


def _complete(run: Run) -> Item:
    status = run.cells["status"].value_counts()
    planned = len(run.cells) if run.planned is None else run.planned
    counts = [f"{n} {name}" for name, n in sorted(status.items())]
    if planned > len(run.cells):
        counts.append(f"{planned - len(run.cells)} not run")
    whole = int(status.get("done", 0)) == planned
    return Item("Every planned cell finished", whole, f"of {planned}: {listing(counts)}")


def _last_epoch(run: Run) -> Item:
    statement = "The headline is the last epoch, not the best on test"
    ends = run.curves.groupby("cell_id")["epoch"].max()
    known = run.last[run.last["cell_id"].isin(ends.index)]
    if known.empty:
        return Item(statement, None, "no curve was kept")
    early, said = known[known["epoch"] != known["cell_id"].map(ends)], []
    rest = early
    for selection, why in (("val", f"{run.words.noisy} validation labels"), *_OWN_RULES.items()):
        chosen = rest["cell_id"].map(run.at(selection).set_index("cell_id")["epoch"])
        stops = (rest["epoch"] == chosen).groupby(rest["method"]).transform("all")
        if stops.any():
            said.append(f"{int(stops.sum())} where {why} stopped them")
        rest = rest[~stops]
    best = of_one_truth(run.at("oracle")).set_index("cell_id")["acc"]
    gain = float((best - run.last.set_index("cell_id")["acc"]).mean())
    if len(rest):
        said.append(f"{len(rest)} before it, for no known reason")
    at_end = f"{count(len(known) - len(early), 'cell')} of {len(known)} at their last epoch"
    text = listing([at_end, *said])
    if np.isfinite(gain):
        text += f"; the best epoch on test would read {signed('acc', gain)} points"
    return Item(statement, rest.empty, text)


def _variants(run: Run) -> Item:
    sizes = pd.Series([base(method) for method in run.methods]).value_counts(sort=False)
    several = [f"{name} {n}" for name, n in sizes.items() if n > 1]
    profiles = sorted(set(run.cells["profile"]))
    text = f"profile {listing(profiles)}; "
    text += f"variants shown: {_some(several)}" if several else "one variant of each"
    return Item("Every method has as many tries as any other", len(set(sizes)) == 1, text)


def _privileges(analysis: Analysis) -> Item:
    given = analysis.knowledge
    kind = told(analysis.run.privileges.values())
    text = f"given {kind}: {_some(given)}" if given else "none declares a privilege"
    return Item("No method was given clean or outside knowledge", not given, text)


def _same_labels(run: Run) -> Item:
    kinds = run.cells.groupby(SAME)["noise_sha256"].nunique()
    unlike = [f"{noise}, seed {seed}" for _, noise, seed in kinds.index[kinds > 1]]
    text = f"one set of labels in {int((kinds == 1).sum())} of {len(kinds)} pairs of noise and seed"
    text += f"; not in {_some(unlike)}" if unlike else ""
    return Item(f"Every method saw the same {run.words.noisy} labels", not unlike, text)


def _noise_varies(run: Run) -> Item:
    statement = "Seeds draw their noise anew"
    noisy = run.cells[run.cells["noisy"]]
    groups = noisy.groupby("setting").agg({"seed": "nunique", "noise_sha256": "nunique"})
    groups = groups[groups["seed"] > 1]
    if groups.empty:
        return Item(statement, None, "no noisy setting has two seeds")
    fixed = list(groups.index[groups["noise_sha256"] < groups["seed"]])
    text = f"as many sets of labels as seeds in {count(len(groups), 'noisy setting')}"
    if fixed:
        text = f"the labels of {_some(fixed)} are the same for several seeds: their intervals do "
        text += "not contain the noise"
    return Item(statement, not fixed, text)


def _realised(run: Run) -> Item:
    statement = "The realised noise rate is the nominal one"
    noisy = run.cells[run.cells["noisy"] & run.cells["noise_rate"].notna()]
    if noisy.empty:
        return Item(statement, None, "no noise with a nominal rate")
    noisy = noisy[noisy["noise_rate_realised"].notna() | (noisy["truth"] != "unknown")]
    if noisy.empty:
        return Item(statement, None, "nobody knows which labels were wrong before")
    noisy = noisy.drop_duplicates(["setting", "seed", "noise_rate_realised"])
    rate = noisy["noise_rate"].clip(0.0, 1.0)
    gap = noisy["noise_rate_realised"] - noisy["noise_rate"]
    noisy = noisy.assign(gap=gap, variance=rate * (1 - rate) / noisy["n_train"])
    off = list(noisy.loc[noisy["gap"].abs() > 4 * np.sqrt(noisy["variance"]), "setting"])
    groups = noisy.groupby("setting", sort=False)
    means = groups["gap"].mean()
    chance = 4 * np.sqrt(groups["variance"].mean() / groups.size())
    off = list(dict.fromkeys([*off, *means.index[means.abs() > chance]]))
    worst = str(means.abs().idxmax())
    text = f"over seeds {worst} is furthest off, {signed('acc', float(means[worst]))} points; "
    text += f"beyond chance in {_some(off) if off else 'none'}"
    return Item(statement, not off, text)


def _whole_test_set(run: Run) -> Item:
    statement = "Every test image was evaluated"
    sizes = run.last.groupby("dataset")["n_test"].agg(["min", "max"])
    counted = run.bins.groupby("cell_id")["count"].sum()
    known = run.last[run.last["cell_id"].isin(counted.index)]
    if known.empty:
        return Item(statement, None, "no reliability diagram was kept")
    short = int((known["cell_id"].map(counted) != known["n_test"]).sum())
    same = bool((sizes["min"] == sizes["max"]).all())
    images = [f"{run.images[str(name)]}, {n:.0f} images" for name, n in sizes["max"].items()]
    text = f"{_some(images)}; {count(short, 'cell')} with fewer in its bins"
    return Item(statement, same and not short, text)


def _one_definition(run: Run) -> Item:
    specs = sorted(set(run.cells["metric_spec"]))
    precisions = sorted(set(run.cells["precision"]))
    of_models = run.cells.groupby("model")["precision"].nunique()
    text = f"metrics {listing(specs)}; trained in {listing(precisions)}, evaluated in float32"
    of_gpu = run.costs.loc[run.costs["device"].str.startswith("cuda"), "cell_id"]
    rounded = run.cells["precision"].eq("bfloat16") & run.cells["cell_id"].isin(of_gpu)
    text += " (TF32 on a GPU where trained in bfloat16)" * bool(rounded.any())
    same = len(specs) == int(of_models.max()) == 1
    return Item("One definition of metrics, one precision", same, text)


def _floors(run: Run) -> Item:
    statement = "Every ECE has its floor and stands with NLL and Brier score"
    rows = run.last.dropna(subset=["ece"])
    if rows.empty:
        return Item(statement, None, "no ECE")
    with_all = rows[["ece_floor", "acc", "nll", "brier"]].notna().all(axis=1)
    below = float((rows["ece"] <= rows["ece_floor"]).mean())
    text = f"{int(with_all.sum())} of {count(len(rows), 'cell')}; mean floor "
    text += (
        f"{100 * rows['ece_floor'].mean():.1f} points; {100 * below:.0f}% of ECEs at or below it"
    )
    return Item(statement, bool(with_all.all()), text)


def _ties(run: Run) -> Item:
    tied = run.last["ties"] / run.last["n_test"]
    if tied.dropna().empty:
        return Item("Predictions are not decided by ties", None, "ties were not counted")
    text = (
        f"tied test images: {int(run.last['ties'].sum())}, at most {100 * tied.max():.2g}% a cell"
    )
    return Item("Predictions are not decided by ties", bool(tied.max() < 0.01), text)


def _seeds(run: Run) -> Item:
    n = run.last.groupby(["method", "setting"])["seed"].nunique()
    owed = run.cells.groupby(["method", "setting"]).size()
    n = n.reindex(owed.index, fill_value=0)
    fewer = int((n < FEWEST_SEEDS).sum())
    text = f"n = {span(n)}; fewer in {fewer} of {count(len(n), 'group')}"
    return Item(f"At least {FEWEST_SEEDS} seeds behind every mean", fewer == 0, text)


def _same_seeds(run: Run) -> Item:
    seeds = run.last.groupby(["setting", "method"])["seed"].agg(lambda s: str(sorted(s)))
    kinds = seeds.groupby("setting").nunique()
    tried = run.cells.groupby("setting")["method"].nunique()
    finished = seeds.groupby("setting").size().reindex(tried.index, fill_value=0)
    odd = [n for n in run.settings if kinds.get(n, 0) != 1 or finished[n] < len(run.methods)]
    text = f"differ in {_some(odd)}" if odd else f"equal in {count(len(kinds), 'setting')}"
    return Item("Every method has the same seeds in each setting", not odd, text)


def _settings(run: Run) -> Item:
    n = len(run.settings)
    text = f"{count(n, 'setting')}; ranks and Bayesian tests need {stats.FEWEST_SETTINGS}"
    return Item("Enough settings to test over them", n >= stats.FEWEST_SETTINGS, text)


def _datasets(run: Run) -> Item:
    names = [run.images[name] for name in run.datasets]
    return Item("Settings come from more than one dataset", len(names) > 1, listing(names))


def _baseline(run: Run) -> Item:
    baselines = [method for method in run.methods if base(method) == "cross_entropy"]
    text = listing(baselines) if baselines else "no cross_entropy among the methods"
    return Item("The plain baseline was trained here too", bool(baselines), text)


def _equal_training(run: Run) -> Item:
    ends = run.curves.groupby(["setting", "method"])["epoch"].max()
    kinds = ends.groupby("setting").nunique()
    if kinds.empty:
        return Item("Every method trained as many epochs", None, "no curve was kept")
    odd = list(kinds.index[kinds > 1])
    text = f"differ in {_some(odd)}" if odd else f"{_some(sorted(set(ends)))} epochs"
    return Item("Every method trained as many epochs", not odd, text)


def _equal_compute(analysis: Analysis) -> Item:
    taken = analysis.ranking["cost"].sort_index().dropna()
    if taken.empty:
        return Item("Every method took the same compute", None, "passes were not recorded")
    ratio = (taken / taken.min()).sort_values(ascending=False)
    labels = {str(m): analysis.label(str(m)).removesuffix(PRIVILEGED) for m in ratio.index}
    dear = [f"{labels[str(m)]} {value:.2g} times" for m, value in ratio.items() if value > 1.1]
    text = f"passes of the cheapest: {_some(dear)}" if dear else "passes within a tenth"
    return Item("Every method took the same compute", not dear, text)


def _one_code(run: Run) -> Item:
    statement = "One commit of this code, nothing uncommitted"
    commits = sorted(set(run.costs["commit"].dropna()) - {""})
    if not commits:
        return Item(statement, None, "no commit was recorded")
    clean = not any(commit.endswith("-dirty") for commit in commits)
    return Item(statement, len(commits) == 1 and clean, _some(commits))


def _one_machine(run: Run) -> Item:
    kinds = run.costs[["device", "torch", "driver"]].drop_duplicates().dropna()
    if kinds.empty:
        return Item("One kind of device, driver and torch", None, "none was recorded")
    names = [f"{r['device']}, torch {r['torch']}, {r['driver']}" for r in kinds.to_dict("records")]
    return Item("One kind of device, driver and torch", len(names) == 1, _some(names))

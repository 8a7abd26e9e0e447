"""The ranking, each metric in each setting and the detection of wrong labels, as tables."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from benchmarks.report import stats
from benchmarks.report.looks import PRIVILEGED
from benchmarks.report.read import Run
from benchmarks.report.wording import BLANK, MINUS, count, listing, number, signed, with_half
from benchmarks.schema import METRICS

ORACLE = "†"
BY_SETTING = ("acc", "ece", "nll", "brier")
"""The metrics that get a table of their own, settings across."""
COMPARED = ("acc", "nll", "brier", "ece", "mem_frac")
"""The columns of the ranking in which the best is marked, and what ties with it."""


@dataclass(frozen=True)
class Table:
    """Text and marks (``best``, ``tied`` or nothing) of the same shape, and the numbers behind."""

    text: pd.DataFrame
    marks: pd.DataFrame
    numbers: pd.DataFrame
    notes: tuple[str, ...]


def basis(run: Run) -> tuple[str, ...]:
    """The settings that every method has tried: means over others would not compare."""
    tried = run.cells.groupby("setting")["method"].nunique()
    return tuple(name for name in run.settings if tried[name] == len(run.methods))


def over_seeds(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean over settings within each seed: columns ``method``, ``seed`` and the metric.

    A seed counts only where it finished in every setting that has the metric at all, so that
    a method cannot gain by failing where it is hard.
    """
    valued = rows.dropna(subset=[metric])
    wanted = valued["setting"].nunique()
    means = valued.groupby(["method", "seed"])[metric].agg(["mean", "count"]).reset_index()
    whole = means[means["count"] == wanted]
    return whole.rename(columns={"mean": metric})[["method", "seed", metric]]


def against_best(rows: pd.DataFrame, metric: str) -> dict[str, str]:
    """``best`` for the best mean, ``tied`` for what no paired t test tells from it (Holm).

    Where there are too few pairs for a test, nothing tells them apart.
    """
    means = over_seeds(rows, metric).groupby("method")[metric].mean()
    better = METRICS[metric].better
    if better not in {"higher", "lower"} or means.empty:
        return {}
    best = str(means.idxmax() if better == "higher" else means.idxmin())
    others = [str(method) for method in means.index if method != best]
    wanted = rows.dropna(subset=[metric])["setting"].nunique()
    seeds = stats.pair_all(rows, best, metric).groupby(["method", "seed"])["difference"]
    gaps = seeds.agg(["mean", "count"]).reset_index()
    whole = dict(list(gaps[gaps["count"] == wanted].groupby("method")["mean"]))
    tests = [stats.paired_t(whole[m].to_numpy() if m in whole else []) for m in others]
    adjusted = stats.holm([test.p for test in tests])
    tied = {m: "tied" for m, p in zip(others, adjusted, strict=True) if not p < stats.ALPHA}
    return {best: "best"} | tied


def ranking(run: Run) -> Table:
    """One row per method, best accuracy first; methods without a whole seed come last."""
    shared = basis(run)
    rows = run.last[run.last["setting"].isin(shared)]
    numbers = _ranking_numbers(run, rows, shared)
    text = pd.DataFrame(index=numbers.index)
    text["Accuracy %"] = _cells("acc", numbers["acc"], numbers["acc_half"])
    if numbers["acc_val"].notna().any():
        text["val. epoch %"] = [number("acc", v) for v in numbers["acc_val"]]
    if numbers["acc_oracle"].notna().any():
        text[f"best epoch{ORACLE} %"] = [number("acc", v) for v in numbers["acc_oracle"]]
    text["Rank"] = [f"{v:.1f}" if v == v else BLANK for v in numbers["rank"]]  # noqa: PLR0124
    text["NLL"] = _cells("nll", numbers["nll"], numbers["nll_half"])
    text["Brier"] = _cells("brier", numbers["brier"], numbers["brier_half"])
    text["ECE %"] = _cells("ece", numbers["ece"], numbers["ece_half"])
    text[f"Conf. {MINUS} acc."] = [signed("gap_signed", v) for v in numbers["gap_signed"]]
    text["Memorised %"] = [number("mem_frac", v) for v in numbers["mem_frac"]]
    if numbers["backward"].notna().any():
        text["Passes"] = _passes(numbers)
    text["Runs"] = [f"{a}/{b}" for a, b in zip(numbers["done"], numbers["planned"], strict=True)]
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    headers = ("Accuracy %", "NLL", "Brier", "ECE %", "Memorised %")
    for metric, header in zip(COMPARED, headers, strict=True):
        for method, mark in against_best(rows, metric).items():
            marks.loc[method, header] = mark
    return labelled(run, Table(text, marks, numbers, _ranking_notes(run, numbers, shared)))


def _cells(metric: str, means: pd.Series, halves: pd.Series) -> list[str]:
    pairs = zip(means.astype(float), halves.astype(float), strict=True)
    return [with_half(metric, mean, half) for mean, half in pairs]


def _ranking_numbers(run: Run, rows: pd.DataFrame, shared: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame(index=pd.Index(run.methods, name="method"))
    for metric in ("acc", "nll", "brier", "ece", "gap_signed", "mem_frac"):
        means = stats.t_intervals(over_seeds(rows, metric), ["method"], metric)
        means = means.set_index("method").reindex(table.index)
        table[metric], table[f"{metric}_half"] = means["mean"], means["half"]
        if metric == "acc":
            table["seeds"] = means["n"].fillna(0).astype(int)
    for selection in ("val", "oracle"):
        chosen = run.at(selection)
        means = over_seeds(chosen[chosen["setting"].isin(shared)], "acc")
        table[f"acc_{selection}"] = means.groupby("method")["acc"].mean().reindex(table.index)
    table["rank"] = mean_ranks(rows, run.methods)
    table[["forward", "backward"]] = compute(run, rows).reindex(table.index)
    done = run.cells[run.cells["status"] == "done"]
    table["settings"] = len(shared)
    table["done"] = done.groupby("method").size().reindex(table.index, fill_value=0)
    table["planned"] = len(run.cells[["setting", "seed"]].drop_duplicates())
    table["privileges"] = [run.privileges.get(method, "") for method in table.index]
    return table.sort_values("acc", ascending=False, kind="stable", na_position="last")


def compute(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """By method: ``forward`` and ``backward`` passes through networks per image and epoch.

    Both are nan where any cell's are unknown: older versions counted networks only.
    """
    taken = rows.merge(run.costs.drop(columns="status"), on="cell_id", how="left")
    epochs = run.curves.groupby("cell_id")["epoch"].max()
    shown = taken["n_train"] * taken["cell_id"].map(epochs)
    known = taken["backward_passes"].notna()
    for name in ("forward", "backward"):
        taken[name] = (taken[f"{name}_passes"].where(known) / shown).astype(float)
    groups = taken.groupby("method")
    means = groups[["forward", "backward"]].mean()
    return means.where(groups["backward"].count() == groups.size())


def _passes(numbers: pd.DataFrame) -> list[str]:
    pairs = zip(numbers["forward"], numbers["backward"], strict=True)
    return [f"{a:.3g} + {b:.3g}" if a == a else BLANK for a, b in pairs]  # noqa: PLR0124


def mean_ranks(rows: pd.DataFrame, methods: Iterable[str]) -> pd.Series:
    """Rank by mean accuracy within a setting (1 is best, ties share), averaged over settings.

    A method without a finished cell in a setting ranks last there.
    """
    means = rows.pivot_table(index="method", columns="setting", values="acc", aggfunc="mean")
    ranks = means.reindex(list(methods)).rank(ascending=False, na_option="bottom")
    return ranks.mean(axis=1)


def _ranking_notes(run: Run, numbers: pd.DataFrame, shared: tuple[str, ...]) -> tuple[str, ...]:
    seeds = sorted(set(numbers["seeds"]))
    spread = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    notes = [
        *incomplete(run),
        (
            f"Last epoch. Mean over {count(len(shared), 'setting')}, taken within each seed first, "
            f"then over {spread} {'seed' if seeds == [1] else 'seeds'}; ± is the half width of the "
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
    left_out = [name for name in run.settings if name not in shared]
    if left_out:
        notes.append(f"Left out, because not every method has tried it: {listing(left_out)}.")
    if numbers["acc_oracle"].notna().any():
        notes.append(f"{ORACLE} selected with clean test labels: not attainable in practice.")
    return (*notes, *privilege_notes(run))


def incomplete(run: Run) -> tuple[str, ...]:
    """What every table of an unfinished sweep says first."""
    return (f"{run.note[0].upper()}{run.note[1:]}.",) if run.note else ()


def privilege_notes(run: Run) -> tuple[str, ...]:
    """The footnote of methods that were given clean knowledge, if there are any."""
    looks = run.unmarked_looks
    given = [f"{looks[m].label}: {what}" for m, what in sorted(run.privileges.items())]
    return (f"{PRIVILEGED} given clean knowledge ({'; '.join(given)}).",) if given else ()


def labelled(run: Run, table: Table) -> Table:
    """The table with labels, marked where privileged, in place of specs."""
    looks = run.looks
    labels = pd.Index([looks[str(method)].label for method in table.text.index], name="Method")
    text, marks = table.text.set_axis(labels), table.marks.set_axis(labels)
    return Table(text, marks, table.numbers, table.notes)


def by_setting(run: Run, metric: str = "acc") -> Table:
    """One metric at the last epoch: methods in the order of the ranking, settings across."""
    means = stats.t_intervals(run.last, ["method", "setting"], metric)
    owed = run.cells.groupby("setting")["seed"].nunique()
    order = list(_ranking_numbers(run, run.last, basis(run)).index)
    text = pd.DataFrame(BLANK, index=order, columns=list(run.settings))
    marks = pd.DataFrame("", index=order, columns=list(run.settings))
    for method, setting in run.cells[["method", "setting"]].drop_duplicates().to_numpy():
        text.loc[method, setting] = f"{BLANK} [0/{owed[setting]}]"
    cells = _cells(metric, means["mean"], means["half"])
    for place, cell in enumerate(cells):
        method, setting, n = (means[name].iloc[place] for name in ("method", "setting", "n"))
        whole = n == owed[setting]
        text.loc[method, setting] = cell if whole else f"{cell} [{n}/{owed[setting]}]"
    for name, rows in run.last.groupby("setting"):
        for method, mark in against_best(rows, metric).items():
            marks.loc[method, str(name)] = mark
    return labelled(run, Table(text, marks, means, _setting_notes(run, metric)))


def _setting_notes(run: Run, metric: str) -> tuple[str, ...]:
    shown = METRICS[metric]
    unit = " in percent" if shown.percent else " in nats" if metric == "nll" else ""
    seeds = sorted(set(run.cells.groupby("setting")["seed"].nunique()))
    n = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    best = {"higher": "highest", "lower": "lowest"}.get(shown.better, "best")
    return (
        *incomplete(run),
        (
            f"{shown.label}{unit} on clean test labels at the last epoch ({shown.meaning}), mean "
            f"over n = {n} {'seed' if seeds == [1] else 'seeds'} ± half width of the 95% t "
            f"interval; [finished/attempted] where some did not finish. Bold: {best}. Underlined: "
            f"not told from it by a paired t test (p ≥ {stats.ALPHA:g}, Holm within the column)."
        ),
        *privilege_notes(run),
    )


def detection(run: Run) -> Table | None:
    """How well each score ranks wrong labels first; ``None`` where no score was kept."""
    rows = run.detection.dropna(subset=["auroc", "ap"])
    if rows.empty:
        return None
    rows = rows.assign(chance=rows["mislabelled"] / rows["n_train"], who=rows["method"])
    seeds = rows.groupby(["method", "score", "seed"])[["auroc", "ap", "chance"]].mean()
    flat = seeds.reset_index()
    numbers = stats.t_intervals(flat, ["method", "score"], "auroc")
    numbers = numbers.rename(columns={"mean": "auroc", "half": "auroc_half", "n": "seeds"})
    ap = stats.t_intervals(flat, ["method", "score"], "ap")
    numbers["ap"], numbers["ap_half"] = ap["mean"], ap["half"]
    numbers["chance"] = flat.groupby(["method", "score"])["chance"].mean().to_numpy()
    numbers = numbers.sort_values("auroc", ascending=False, kind="stable").reset_index(drop=True)
    text = pd.DataFrame(
        {
            "Score": numbers["score"],
            "AUROC": _fractions(numbers["auroc"], numbers["auroc_half"]),
            "Average precision": _fractions(numbers["ap"], numbers["ap_half"]),
            "AP by chance": [f"{value:.3f}" for value in numbers["chance"]],
        }
    ).set_axis(numbers["method"].tolist())
    marks = pd.DataFrame("", index=range(len(text)), columns=text.columns)
    notes = (
        *incomplete(run),
        (
            "Mean over noisy settings within each seed, then over seeds, ± half width of the 95% t "
            "interval. 1 is perfect; the average precision by chance is the share of wrong labels."
        ),
    )
    return labelled(run, Table(text, marks, numbers, notes))


def _fractions(means: pd.Series, halves: pd.Series) -> list[str]:
    pairs = zip(means, halves, strict=True)
    return [f"{m:.3f}" + (f" ± {h:.3f}" if h == h else "") for m, h in pairs]  # noqa: PLR0124

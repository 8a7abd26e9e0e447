"""What all settings say together and what the seeds could have shown, as tables and sentences."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from benchmarks.report import across, stats
from benchmarks.report.read import Run
from benchmarks.report.stats import Aggregate, Difference, Ranks
from benchmarks.report.tables import (
    Table,
    basis,
    incomplete,
    labelled,
    over_seeds,
    privilege_notes,
    ranking,
)
from benchmarks.report.wording import BLANK, chance, change, count, listing, number, p_value, unit
from benchmarks.schema import METRICS

NEAR = 0.01
"""A run this near to the best of its seed and setting is counted as near."""
SURE = 0.95
"""A probability over settings that is marked."""
JUDGED = ("acc", "ece")
Line = dict[str, str | float]


def aggregate(run: Run) -> Table:
    """Each method over the settings that all have tried, in the order of the ranking."""
    order = [str(method) for method in ranking(run).numbers.index]
    means = across.interquartile_means(run, "acc")
    near = across.profiles(run, "acc", np.array([NEAR]))
    numbers = pd.DataFrame(index=pd.Index(order, name="method"))
    numbers["rank"] = ranking(run).numbers["rank"]
    numbers["iqm"], numbers["iqm_low"], numbers["iqm_high"] = _columns(order, means)
    numbers["near"] = [float(near[m].share[0]) if m in near else np.nan for m in order]
    text = pd.DataFrame(index=numbers.index)
    text["Rank"] = [_or_blank(v, f"{v:.1f}") for v in numbers["rank"]]
    text["IQM accuracy %"] = [_bracketed(means.get(m)) for m in order]
    text["Near the best %"] = [_or_blank(v, f"{100 * v:.0f}") for v in numbers["near"]]
    for reference in across.references(run):
        won = {m: across.improvement(run, m, reference, "acc") for m in order if m != reference}
        found = {m: value for m, value in won.items() if value is not None}
        stem = f"better_than_{reference}"
        numbers[stem], numbers[f"{stem}_low"], numbers[f"{stem}_high"] = _columns(order, found)
        text[f"Beats {_name(run, reference)} %"] = [_bracketed(found.get(m)) for m in order]
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    return labelled(run, Table(text, marks, numbers, _aggregate_notes(run)))


def _columns(
    order: Sequence[str], found: dict[str, Aggregate]
) -> tuple[list[float], list[float], list[float]]:
    nothing = Aggregate(np.nan, np.nan, np.nan)
    kept = [found.get(method, nothing) for method in order]
    return [a.value for a in kept], [a.low for a in kept], [a.high for a in kept]


def _bracketed(found: Aggregate | None) -> str:
    """Percent with its interval."""
    if found is None:
        return BLANK
    text = number("acc", found.value)
    if not np.isfinite(found.low):
        return text
    return f"{text} [{number('acc', found.low)}, {number('acc', found.high)}]"


def _or_blank(value: float, text: str) -> str:
    return text if np.isfinite(value) else BLANK


def _name(run: Run, method: str) -> str:
    return run.looks[method].label


def _aggregate_notes(run: Run) -> tuple[str, ...]:
    settings = len(basis(run))
    return (
        *incomplete(run),
        (
            f"Accuracy at the last epoch over {count(settings, 'setting')} that every method has "
            "tried. Rank: mean over settings. IQM: interquartile mean of accuracies, as they are, "
            "over settings and seeds, from seeds that finished in every setting. Near the best: "
            f"share of runs at most {100 * NEAR:g} point below the best of the same setting and "
            "seed. Beats: chance to "
            "be more accurate on the same seed, mean over settings, ties half."
        ),
        (
            "Brackets: 95% bootstrap intervals that resample seeds within settings. They are "
            "approximate: at 5 seeds and 12 settings they cover about 91%, and one without width "
            "means no more than that in each setting all seeds agreed."
        ),
        *privilege_notes(run),
    )


def over_settings(run: Run) -> str:
    """Friedman's test and the groups that cannot be told apart, or why there are none."""
    found = across.compare_ranks(run, "acc")
    if isinstance(found, str):
        return found + "\n"
    groups = [listing([_name(run, method) for method in clique]) for clique in found.cliques]
    told = "; ".join(groups) if groups else "none, every pair differs"
    return (
        f"Accuracy over {found.n} settings: Friedman's test that all methods rank alike, "
        f"{_friedman(found)}. Groups that pairwise Wilcoxon signed-rank tests (Holm over all "
        f"{len(found.methods) * (len(found.methods) - 1) // 2} pairs) cannot tell apart: {told}.\n"
    )


def _friedman(found: Ranks) -> str:
    return p_value(found.friedman_p) if np.isfinite(found.friedman_p) else "not for two methods"


def probabilities(run: Run) -> Table | None:
    """Bayesian comparisons with every reference; ``None`` where there are too few settings."""
    columns: dict[str, dict[str, across.Comparison]] = {}
    for reference in across.references(run):
        for metric in JUDGED:
            others = [m for m in run.methods if m != reference]
            tried = {m: across.probability(run, m, reference, metric) for m in others}
            found = {m: c for m, c in tried.items() if c is not None}
            columns[f"{METRICS[metric].label}, against {_name(run, reference)}"] = found
    if not any(columns.values()):
        return None
    order = [m for m in run.methods if any(m in found for found in columns.values())]
    text = pd.DataFrame(BLANK, index=order, columns=list(columns))
    marks = pd.DataFrame("", index=order, columns=list(columns))
    for header, found in columns.items():
        for method, c in found.items():
            text.loc[method, header] = " / ".join(map(chance, (c.better, c.same, c.worse)))
            marks.loc[method, header] = "best" if c.better > SURE else ""
    numbers = pd.DataFrame([c for found in columns.values() for c in found.values()])
    return labelled(run, Table(text, marks, numbers, _probability_notes(run, numbers)))


def _probability_notes(run: Run, numbers: pd.DataFrame) -> tuple[str, ...]:
    ropes = [f"{number(m, across.ROPES[m])}{unit(m)} of {METRICS[m].label}" for m in JUDGED]
    sizes = sorted(set(numbers["n"]))
    spread = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return (
        *incomplete(run),
        (
            "Probability that a method is better / practically the same / worse on another setting "
            f"like these {spread}: Bayesian signed-rank test of the mean differences of settings. "
            f"Practically the same: within {listing(ropes)}. Bold: better with a probability above "
            f"{SURE:g}. It takes settings as independent, which those of one dataset are not."
        ),
        *privilege_notes(run),
    )


def datasets(run: Run) -> Table | None:
    """One value per dataset: what is left of a difference when its settings count as one."""
    found = across.references(run)
    if not found or run.last["dataset"].nunique() < 2:
        return None
    reference = found[0]
    others = [m for m in run.methods if m != reference]
    parts = {m: across.by_dataset(run, m, reference, "acc") for m in others}
    numbers = pd.concat([part.assign(method=m) for m, part in parts.items()], ignore_index=True)
    names = sorted(set(run.last["dataset"]))
    text = pd.DataFrame(BLANK, index=others, columns=[*names, "Over datasets"])
    for method, part in parts.items():
        for row in part.to_dict("records"):
            text.loc[method, row["dataset"]] = change("acc", _alone(row["difference"]))
        test = stats.paired_t(part["difference"].to_numpy(np.float64))
        if test.n:
            text.loc[method, "Over datasets"] = change("acc", test)
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    notes = (
        *incomplete(run),
        (
            f"Accuracy less that of {_name(run, reference)}, mean over the settings of a dataset; "
            f"then mean and 95% t interval over {len(names)} datasets, one value each, because "
            "settings that share a dataset are not independent. A difference that this interval "
            "does not show may belong to one dataset."
        ),
    )
    return labelled(run, Table(text, marks, numbers, notes))


def _alone(value: float) -> Difference:
    return Difference(value, np.nan, np.nan, np.nan, 1)


def seeds(run: Run) -> Table | None:
    """Neighbours in the ranking: told apart, or how many more seeds it would take."""
    rows = run.last[run.last["setting"].isin(basis(run))]
    means = over_seeds(rows, "acc").groupby("method")["acc"].mean().sort_values(ascending=False)
    couples = list(pairwise(str(method) for method in means.index))
    by_seed = over_seeds(rows, "acc").pivot_table(index="seed", columns="method", values="acc")
    gaps = [(by_seed[a] - by_seed[b]).dropna().to_numpy(np.float64) for a, b in couples]
    tests = [stats.paired_t(gap) for gap in gaps]
    if not any(test.n >= 2 for test in tests):
        return None
    adjusted = stats.holm([test.p for test in tests])
    lines: list[Line] = [
        {"method": couple[0], "next": couple[1], **_separation(gap, test, p, len(couples))}
        for couple, gap, test, p in zip(couples, gaps, tests, adjusted, strict=True)
    ]
    numbers = pd.DataFrame(lines)
    text = pd.DataFrame(
        {
            "Next": [_name(run, m) for m in numbers["next"]],
            "Difference": [change("acc", test) for test in tests],
            "p (Holm)": [_or_blank(p, _short(p)) for p in adjusted],
            "Detectable": [number("acc", v) for v in numbers["detectable"]],
            "More seeds": [_more(row) for row in lines],
        }
    ).set_axis(numbers["method"].tolist())
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    return labelled(run, Table(text, marks, numbers, _seed_notes(run)))


def _short(p: float) -> str:
    return p_value(p).removeprefix("p ").removeprefix("= ")


def _separation(gap: stats.Floats, test: Difference, p: float, family: int) -> Line:
    sd = float(gap.std(ddof=1)) if len(gap) > 1 else np.nan
    needed = stats.seeds_needed(test.mean, sd, stats.ALPHA / family)
    return {
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "p_holm": p,
        "n": test.n,
        "detectable": stats.detectable(sd, test.n, stats.ALPHA / family),
        "seeds": np.nan if needed is None else float(needed),
    }


def _more(row: Line) -> str:
    """``told apart``, ``12 more``, or that no reasonable number will do."""
    if float(row["p_holm"]) < stats.ALPHA:
        return "told apart"
    needed, have = float(row["seeds"]), float(row["n"])
    if have < 2:
        return BLANK
    if not np.isfinite(needed):
        return f"over {stats.MOST_SEEDS:,}"
    return f"{max(needed - have, 1):.0f} more"


def _seed_notes(run: Run) -> tuple[str, ...]:
    return (
        *incomplete(run),
        (
            "Each method and the next in the ranking: paired difference in accuracy, mean over "
            "settings within each seed, with its 95% t interval; p after Holm over the rows. "
            "Detectable: the least true difference (points) that so many seeds find with a chance "
            f"of {100 * stats.POWER:.0f}%, at Holm's strictest step. More seeds: how many more "
            "would find the difference seen with that chance, if it is the true one: a rough "
            "guide, as it is estimated from few seeds and for neighbours found on the same data."
        ),
        *privilege_notes(run),
    )


def detectable(run: Run, differences: pd.DataFrame) -> str:
    """What a single setting's seeds could not have shown, in one sentence a metric."""
    found = across.references(run)
    if not found or differences.empty:
        return (
            f"No setting has {across.FEWEST_PAIRS} seeds of a method and of a reference "
            f"({listing(list(across.REFERENCES))}), so nothing can be said of single settings.\n"
        )
    own = differences[differences["reference"] == found[0]]
    lines = []
    for metric in across.ROPES:
        rows = own[(own["metric"] == metric) & (own["detectable"] > 0)]  # 0: the same runs
        if len(rows):
            lines.append(f"- {_missed(metric, rows, _name(run, found[0]))}")
    return "\n".join(lines) + "\n"


def _missed(metric: str, rows: pd.DataFrame, reference: str) -> str:
    sizes = sorted(set(rows["n"]))
    n = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    low, middle, high = (
        number(metric, float(rows["detectable"].quantile(q))) for q in (0.1, 0.5, 0.9)
    )
    return (
        f"{METRICS[metric].label}: with n = {n} seeds in a single setting, a true difference from "
        f"{reference} below {middle}{unit(metric)} would have been missed more often than one time "
        f"in five (median of {count(len(rows), 'comparison')}; {low} to {high} for four in five of "
        "them), before any correction for their number."
    )

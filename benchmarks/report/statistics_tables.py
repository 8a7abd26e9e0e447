"""What all settings say together and what the seeds could have shown, as tables and sentences."""

import numpy as np
import pandas as pd

from benchmarks.report import stats
from benchmarks.report.analysis import (
    FEWEST_PAIRS,
    JUDGED,
    REFERENCES,
    ROPES,
    Analysis,
    rows_of,
)
from benchmarks.report.phrases import (
    BLANK,
    chance,
    change,
    count,
    listing,
    number,
    p_value,
    span,
    unit,
)
from benchmarks.report.tables import Table, incomplete, labelled, privilege_notes, unmarked
from benchmarks.schema import METRICS

NEAR = 0.01
"""How far below the best of its seed and setting a run still counts as near it."""
SURE = 0.95
"""A probability over settings that is marked."""


def aggregate(analysis: Analysis) -> Table:
    """Return each method over the settings that all have tried, in the order of the ranking."""
    numbers = analysis.ranking[["rank"]].copy()
    text = pd.DataFrame(index=numbers.index)
    text["Rank"] = [_or_blank(v, f"{v:.1f}") for v in numbers["rank"]]
    text["IQM accuracy %"] = _bracketed(numbers, "iqm", analysis.interquartile_means)
    near = analysis.profiles(np.array([NEAR]))
    numbers["near"] = [float(near[m][0, 0]) if m in near else np.nan for m in numbers.index]
    text["Near the best %"] = [_or_blank(v, f"{100 * v:.0f}") for v in numbers["near"]]
    for reference in analysis.references:
        chances, name = analysis.improvements(reference), f"better_than_{reference}"
        text[f"Beats {analysis.label(reference)} %"] = _bracketed(numbers, name, chances)
    return labelled(analysis, unmarked(text, numbers, _aggregate_notes(analysis)))


def _bracketed(numbers: pd.DataFrame, name: str, values: pd.DataFrame) -> list[str]:
    """Add values and their intervals to the numbers, and return both as percentages."""
    columns = [name, f"{name}_low", f"{name}_high"]
    numbers[columns] = values.reindex(numbers.index).to_numpy(np.float64)
    texts = []
    for value, low, high in numbers[columns].to_numpy():
        interval = f" [{number('acc', low)}, {number('acc', high)}]" if np.isfinite(low) else ""
        texts.append(number("acc", value) + interval)
    return texts


def _or_blank(value: float, text: str) -> str:
    return text if np.isfinite(value) else BLANK


def _aggregate_notes(analysis: Analysis) -> tuple[str, ...]:
    settings = len(analysis.shared_settings)
    return (
        *incomplete(analysis),
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
        *privilege_notes(analysis),
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
        f"Accuracy over {ranks.n} settings: Friedman's test that all methods rank alike, "
        f"{p_value(p) if np.isfinite(p) else 'not for two methods'}. Groups that pairwise Wilcoxon "
        "signed-rank tests (Holm over all "
        f"{len(ranks.methods) * (len(ranks.methods) - 1) // 2} pairs) cannot tell apart: {alike}."
    )


def probabilities(analysis: Analysis) -> Table | None:
    """Return Bayesian comparisons with every reference; ``None`` below eight settings."""
    numbers = analysis.probabilities
    if numbers.empty:
        return None
    headers = {
        (reference, metric): f"{METRICS[metric].label}, against {analysis.label(reference)}"
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
    ropes = [f"{number(m, ROPES[m])}{unit(m)} of {METRICS[m].label}" for m in JUDGED]
    notes = (
        *incomplete(analysis),
        (
            "Probability that a method is better / practically the same / worse on another setting "
            f"like these {span(numbers['n'])}: Bayesian signed-rank test of the mean differences "
            f"of settings. Practically the same: within {listing(ropes)}. Bold: better with a "
            f"probability above {SURE:g}. It takes settings as independent, which those of one "
            "dataset are not."
        ),
        *privilege_notes(analysis),
    )
    return labelled(analysis, Table(text, marks, numbers, notes))


def datasets(analysis: Analysis) -> Table | None:
    """Return a value per dataset: what is left of a difference when its settings count as one."""
    run = analysis.run
    if not analysis.references or run.last["dataset"].nunique() < 2:
        return None
    reference = analysis.references[0]
    numbers = analysis.by_dataset(reference, "acc")
    names = sorted(set(run.last["dataset"]))
    others = [method for method in run.methods if method != reference]
    text = pd.DataFrame(BLANK, index=others, columns=[*names, "Over datasets"])
    for row in rows_of(numbers):
        text.loc[row.method, row.dataset] = change("acc", row.difference)
    for test in rows_of(stats.paired_tests(numbers, ["method"])):
        text.loc[test.method, "Over datasets"] = change("acc", test.difference, test.low, test.high)
    notes = (
        *incomplete(analysis),
        (
            f"Accuracy less that of {analysis.label(reference)}, mean over the settings of a "
            f"dataset; then mean and 95% t interval over {len(names)} datasets, one value each, "
            "because settings that share a dataset are not independent. A difference that this "
            "interval does not show may belong to one dataset."
        ),
    )
    return labelled(analysis, unmarked(text, numbers, notes))


def neighbours(analysis: Analysis) -> Table | None:
    """Return neighbours in the ranking: their difference, or how many more seeds it would take."""
    numbers = analysis.neighbours
    if not (numbers["n"] >= 2).any():
        return None
    rows = list(rows_of(numbers))
    text = pd.DataFrame(
        {
            "Next": [analysis.label(row.next) for row in rows],
            "Difference": [change("acc", row.difference, row.low, row.high) for row in rows],
            "p (Holm)": [_or_blank(row.p_holm, _short(row.p_holm)) for row in rows],
            "Detectable": [number("acc", row.detectable) for row in rows],
            "More seeds": [_more(row.p_holm, row.seeds, row.n) for row in rows],
        }
    ).set_axis(numbers["method"].tolist())
    notes = (
        *incomplete(analysis),
        (
            "Each method and the next in the ranking: paired difference in accuracy, mean over "
            "settings within each seed, with its 95% t interval; p after Holm over the rows. "
            "Detectable: the least true difference (points) that so many seeds find with a chance "
            f"of {100 * stats.POWER:.0f}%, at Holm's strictest step. More seeds: how many more "
            "would find the difference seen with that chance, if it is the true one: a rough "
            "guide, as it is estimated from few seeds and for neighbours found on the same data."
        ),
        *privilege_notes(analysis),
    )
    return labelled(analysis, unmarked(text, numbers, notes))


def _short(p: float) -> str:
    return p_value(p).removeprefix("p ").removeprefix("= ")


def _more(p: float, needed: float, have: int) -> str:
    """Return ``told apart``, ``12 more``, or that no reasonable number of seeds will do."""
    if p < stats.ALPHA:
        return "told apart"
    if have < 2:
        return BLANK
    if not np.isfinite(needed):
        return f"over {stats.MOST_SEEDS:,}"
    return f"{max(needed - have, 1):.0f} more"


def detectable(analysis: Analysis) -> str:
    """Return what a single setting's seeds could not have shown, in one sentence a metric."""
    differences = analysis.all_differences
    if differences.empty:
        return (
            f"No setting has {FEWEST_PAIRS} seeds of a method and of a reference "
            f"({listing(list(REFERENCES))}), so nothing can be said of single settings."
        )
    reference = analysis.references[0]
    own = differences[differences["reference"] == reference]
    lines = []
    for metric in ROPES:
        rows = own[(own["metric"] == metric) & (own["detectable"] > 0)]  # 0: the same runs
        if len(rows):
            lines.append(f"- {_missed(metric, rows, analysis.label(reference))}")
    return "\n".join(lines)


def _missed(metric: str, rows: pd.DataFrame, reference: str) -> str:
    low, middle, high = (
        number(metric, float(rows["detectable"].quantile(q))) for q in (0.1, 0.5, 0.9)
    )
    return (
        f"{METRICS[metric].label}: with n = {span(rows['n'])} seeds in a single setting, a true "
        f"difference from {reference} below {middle}{unit(metric)} would have been missed more "
        f"often than one time in five (median of {count(len(rows), 'comparison')}; {low} to {high} "
        "for four in five of them), before any correction for their number."
    )

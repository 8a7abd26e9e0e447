"""Ensembles of a method's seeds beside its single networks, never in one row with them."""

from dataclasses import replace

import pandas as pd

from benchmarks.report.analysis import Analysis
from benchmarks.report.phrases import mean_over, number, signed, span
from benchmarks.report.tables import Table, all_notes, labelled, unmarked

SHOWN = ("acc", "nll", "ece")


def ensembles(analysis: Analysis) -> Table | None:
    """Return a row for each method with an ensemble in every shared setting; ``None`` of none."""
    shared = list(analysis.shared_settings)
    rows = analysis.run.ensembles
    rows = rows[rows["setting"].isin(shared)].dropna(subset="seeds")
    tried = rows.groupby("method")["setting"].nunique()
    order = [method for method in analysis.ranking.index if tried.get(method, 0) == len(shared)]
    if not order or not shared:
        return None
    groups = rows.groupby("method")
    numbers = pd.DataFrame({"seeds": groups["seeds"].min()}).reindex(order)
    text = pd.DataFrame({"Seeds": numbers["seeds"].astype(int).astype(str)})
    words = analysis.run.words
    for metric in SHOWN:
        shown = words.metric(metric)
        title = shown.label + " %" * shown.percent
        single = analysis.scores(metric).loc[shared, order].mean()
        numbers[metric], numbers[f"{metric}_single"] = groups[metric].mean(), single
        changed = numbers[metric] - single
        text[title] = [number(metric, value) for value in numbers[metric]]
        text[f"{title} change"] = [signed(metric, value) for value in changed]
    note = (
        f"The mean of the probabilities of a method's {span(numbers['seeds'].astype(int))} seeds "
        "at the last epoch, as one classifier. Change: from the mean of its single networks. An "
        "ensemble costs as many trainings as it has seeds. There is one in each setting, so "
        "nothing is known of its spread, and it is compared with no other row."
    )
    last = analysis.run.last
    noisy = last[last["noisy"] & last["setting"].isin(shared)]
    labels = noisy[["setting", "noise_sha256"]].drop_duplicates()
    own = (
        f"Each seed has {words.noisy} labels of its own, so an ensemble has seen several labels of "
        "each image, which is more than one noisy dataset tells: much of the change may be due to "
        "that."
    )
    notes = [note, own] if labels["setting"].duplicated().any() else [note]
    table = unmarked(text, numbers, all_notes(analysis, *notes))
    title = f"Ensembles of the seeds of each method, {mean_over(len(shared))}"
    return labelled(analysis, replace(table, title=title))

"""What every caption says: which data, model and recipe, how many seeds, and what was chosen."""

import re

import pandas as pd

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.looks import PRIVILEGED, told
from benchmarks.report.phrases import listing, span

_NAMED = 3
"""Most datasets, models or recipes that are named."""


def captions(analysis: Analysis, each: list[tuple[str, pd.DataFrame]]) -> list[str]:
    """Return the captions of the pages of a figure, each of which says what it is about.

    What the first one says of all pages is not said again.

    Args:
        analysis: the run.
        each: the words and the numbers of every page.
    """
    known: set[str] = set()
    texts = []
    for said, data in each:
        words = f"{said} {analysis.choice}".rstrip()
        first, *others = re.split(r"(?<=\.) (?=[A-Z])", words)
        new = [sentence for sentence in others if sentence not in known]
        begun = f"{first.removesuffix('.')} (continued)." if known else first
        texts.append(" ".join([begun, *new, about(analysis.run, data)]))
        known |= {first, *others}
    return texts


def about(run: Run, data: pd.DataFrame) -> str:
    """Return the sentence on the cells behind some numbers, which have an arena or a setting."""
    rows = run.cells if run.last.empty else run.last
    for name in ("setting", "arena"):
        if name in data and rows[name].isin(data[name]).any():
            rows = rows[rows[name].isin(data[name])]
            break
    if "method" in data:
        rows = rows[rows["method"].isin(data["method"])]
    sizes = rows.groupby("dataset", sort=False)[["n_train", "n_test"]].max()
    datasets = [
        f"{run.images[str(name)]} ({size.n_train:,.0f} training and {size.n_test:,.0f} test images)"
        for name, size in zip(sizes.index, sizes.itertuples(), strict=True)
    ]
    keys = ["method", "setting"]
    seeds = rows.groupby(keys)["seed"].nunique()
    failed = run.cells.loc[run.cells["status"] != "done", keys].drop_duplicates()
    fewer = ", fewer where runs failed" * (len(failed.merge(rows[keys])) > 0)
    words = [
        _some(datasets, "datasets"),
        _some(sorted(rows["model"].unique()), "models"),
        _some(sorted(rows["recipe"].unique()), "recipes"),
        f"n = {span(seeds)} {'seed' if seeds.max() == 1 else 'seeds'}{fewer}",
    ]
    shown = set(data["method"]) if "method" in data else set()
    given = [kind for method, kind in run.privileges.items() if method in shown]
    mark = f"{PRIVILEGED}: given {told(given)}. " if given else ""
    return f"{mark}On {', '.join(words)}."


def _some(names: list[str], noun: str) -> str:
    return listing(names) if len(names) <= _NAMED else f"{len(names)} {noun}"

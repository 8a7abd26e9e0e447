"""The numbers behind the page's leaderboard, as JSON holds them."""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import ARENA, Run
from benchmarks.report.looks import base
from benchmarks.schema import METRICS, SELECTIONS

HEADLINE = ("acc", "nll", "brier", "ece", "aurc", "mem_frac")
"""The metrics that are shown before anything is chosen, and of every run."""

POINTS = 40
"""The most epochs of a small curve; longer ones are thinned."""

MOST_CELLS = 20_000
"""The most runs that are listed one by one; with more the page would grow beyond 15 MB."""

MEANING = {
    "last": "the last epoch: the headline.",
    "val": "the epoch with the best accuracy on held-out noisy labels.",
    "oracle": "the epoch with the best test accuracy: clean knowledge, for comparison only.",
    "last10": "mean over the last ten epochs.",
}


def embedded(analysis: Analysis) -> dict[str, Any]:
    """Return all that the page's script reads; numbers have five significant digits.

    ``rows``: setting, method and selection by place in their lists, seeds, means, half widths of
    95% t intervals by metric. ``cells``: see ``report.js``.
    """
    run = analysis.run
    ids = [m for m in METRICS if run.results[m].notna().any()]
    looks = analysis.looks
    full = run.cells.drop_duplicates("method").set_index("method")["method_spec"]
    chosen = [s for s in SELECTIONS if len(run.at(s))]
    return {
        "metrics": [
            {k: getattr(METRICS[m], k) for k in ("id", "label", "better", "percent", "meaning")}
            for m in ids
        ],
        "shown": [m for m in HEADLINE if m in ids],
        "cellMetrics": [ids.index(m) for m in HEADLINE if m in ids],
        "selections": [{"id": s, "meaning": MEANING[s]} for s in chosen or ["last"]],
        "methods": [
            {
                "base": base(method),
                "label": looks[method].label,
                "colour": looks[method].colour,
                "full": str(full[method]),
            }
            for method in run.methods
        ],
        "settings": _settings(run),
        "rows": [row for place, s in enumerate(chosen) for row in _rows(run, s, place, ids)],
        "cells": _cells(run, [m for m in HEADLINE if m in ids]),
    }


def _settings(run: Run) -> list[dict[str, str]]:
    rows = run.results.drop_duplicates("setting").to_dict("records")
    first = {row["setting"]: {key: str(row[key]) for key in (*ARENA, "panel")} for row in rows}
    return [
        {
            "name": f"{first[name]['dataset']}, {first[name]['panel']}",
            "dataset": ", ".join(first[name][key] for key in ARENA),
            "noise": first[name]["panel"],
        }
        for name in run.settings
    ]


def _rows(run: Run, selection: str, place: int, ids: list[str]) -> list[list[Any]]:
    """Return means over seeds of one selection, in the order of settings and methods."""
    groups = run.at(selection).groupby(["setting", "method"], sort=False)
    count, mean, sd = groups[ids].count(), groups[ids].mean(), groups[ids].std()
    half = stats.half_widths(sd.to_numpy(np.float64), count.to_numpy(np.float64))
    seeds = groups.size()
    order = sorted(
        range(len(seeds)),
        key=lambda i: (run.settings.index(seeds.index[i][0]), run.methods.index(seeds.index[i][1])),
    )
    return [
        [
            run.settings.index(seeds.index[i][0]),
            run.methods.index(seeds.index[i][1]),
            place,
            int(seeds.iloc[i]),
            _short(mean.iloc[i].tolist()),
            _short(half[i].tolist()),
        ]
        for i in order
    ]


def _cells(run: Run, ids: list[str]) -> list[list[Any]]:
    """Return each run, in the order of the run's settings and methods.

    A run has its setting, method, seed, id, status, reason, noise, labels, seconds, values, and
    curves. The curves are test accuracy and memorised share, in thousandths.
    """
    if len(run.cells) > MOST_CELLS:
        return []
    seconds = dict(zip(run.costs["cell_id"], run.costs["train_seconds"], strict=True))
    curves: dict[str, list[list[int | None]]] = {}
    for name, rows in run.curves.groupby("cell_id"):
        drawn = ("acc", "mem_frac") if rows["noisy"].iloc[0] else ("acc",)
        curves[str(name)] = [_curve(rows[metric]) for metric in drawn]
    last = run.results[run.results["selection"] == "last"].drop_duplicates("cell_id")
    settings = {name: place for place, name in enumerate(run.settings)}
    methods = {name: place for place, name in enumerate(run.methods)}
    cells = [
        [
            settings[row["setting"]],
            methods[row["method"]],
            int(row["seed"]),
            row["cell_id"],
            row["status"],
            row["reason"],
            *_short([row["noise_rate_realised"]]),
            str(row["noise_sha256"])[:8],
            *_short([float(seconds.get(row["cell_id"], np.nan))]),
            _short([float(row[m]) for m in ids]),
            curves.get(row["cell_id"]),
        ]
        for row in last.to_dict("records")
    ]
    return sorted(cells, key=lambda cell: cell[:3])


def _curve(values: pd.Series) -> list[int | None]:
    """Return at most ``POINTS`` values of a curve, its ends among them."""
    places = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    thinned = values.to_numpy(np.float64)[places].tolist()
    return [None if v != v else round(1000 * v) for v in thinned]  # noqa: PLR0124


def _short(values: list[float]) -> list[float | None]:
    """Return five significant digits of each value; nothing for what is not a number."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]

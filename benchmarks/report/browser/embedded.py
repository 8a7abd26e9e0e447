"""The numbers that the leaderboard of the page is made from, as JSON."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from benchmarks.catalogue import Facts, catalogue, passports
from benchmarks.report import claims, stats
from benchmarks.report.analysis import BACKWARD, Analysis
from benchmarks.report.data import ARENA, Run
from benchmarks.report.looks import base
from benchmarks.report.phrases import possible
from benchmarks.report.stats import Floats
from benchmarks.report.tables import BY_SETTING, COMPARED
from benchmarks.schema import METRIC_FUNCTIONS, METRICS, SELECTIONS, Metric

HEADLINE = ("acc", "nll", "brier", "ece", "aurc", "mem_frac")
"""The metrics that a page has of every run, and of every epoch that a selection picks."""

SHOWN = ("acc", "ece", "nll", "mem_frac", "cost")
"""The measures that are shown before anything is chosen."""

POINTS = 40
"""The most epochs of a small curve; longer ones are thinned."""

MOST_CELLS = 20_000
"""The most runs with all metrics and curves; with more the page would grow beyond 15 MB."""

MEANING = {
    "last": "After the last epoch.",
    "val": "After the epoch with the best {0.accuracy} on held-out {0.noisy} labels.",
    "label_wave": "Where the changes of training predictions, smoothed, have their first minimum.",
    "oracle": "After the epoch with the best {0.best_tested}, only to compare.",
    "last10": "Mean over the last ten epochs.",
}
"""What each selection is, to be filled with the words of a run."""

COST = Metric(
    "cost",
    "Cost",
    "lower",
    percent=False,
    meaning="passes in training, backwards counted twice, as a multiple of those of hard labels",
)
STATE = Metric(
    "state",
    "State MB",
    "lower",
    percent=False,
    meaning="weights, averages, moments and what the method notes of images, without activations",
)
AUROC = Metric(
    "auroc",
    "AUROC of the loss",
    "higher",
    percent=False,
    meaning="chance that a wrong label has a higher last loss than a right one",
)
MEASURES = {**METRICS, COST.id: COST, STATE.id: STATE, AUROC.id: AUROC}

SIGNS = {"best": "b", "equivalent": "e", "open": "o", "out": "x"}
"""The letter of each mark of :meth:`Analysis.marks`; ``w`` is worse, a blank is no value."""


class Group(NamedTuple):
    """Columns of the leaderboard that answer one question."""

    name: str
    meaning: str
    metrics: tuple[str, ...]


_ACCURACY = ("acc", "acc_worst")
GROUPS = (
    Group("{0.headline}", "{0.how_right}", _ACCURACY),
    Group(
        "Calibration",
        "Is the confidence right, and is the network less sure where it errs?",
        tuple(
            name
            for function in ("test_metrics", "smooth_ece", "classwise_ece", "risk_coverage")
            for name in METRIC_FUNCTIONS[function]
            if name not in _ACCURACY
        ),
    ),
    Group(
        "After temperature scaling",
        "The same once the logits are divided by a temperature T, fitted on validation labels.",
        METRIC_FUNCTIONS["temperature_metrics"],
    ),
    Group(
        "Memorisation",
        "What does the network say of the training images whose label is wrong?",
        METRIC_FUNCTIONS["train_metrics"],
    ),
    Group(
        "Detection",
        "Can wrong labels be told from right ones?",
        (AUROC.id, *METRIC_FUNCTIONS["selection"], *METRIC_FUNCTIONS["transition_error"]),
    ),
    Group("Cost", "How much compute and memory does training take?", (COST.id, STATE.id)),
)
OTHERS = Group("Others", "What else was measured.", ())


def embedded(analysis: Analysis) -> dict[str, Any]:
    """Return what the leaderboard is computed from.

    ``runs`` are in the order of settings, methods and seeds: setting, method, seed, id, status,
    reason, realised rate of noise, and the first letters of the digest of its labels. Each of the
    ``selections`` has a list of the runs' values of its ``metrics``, to six significant digits.
    """
    run, words = analysis.run, analysis.run.words
    rows = _measured(run)
    ids = [m for g in (*GROUPS, OTHERS) for m in _members(g) if rows[m].notna().any()]
    whole = len(run.cells) <= MOST_CELLS
    short = [m for m in ids if m in (*HEADLINE, *SHOWN)]
    chosen = [s for s in SELECTIONS if len(run.at(s))] or ["last"]
    cells = _ordered(run, rows[rows["selection"] == "last"])
    return {
        "words": {"accuracy": words.accuracy, "noise": words.noise, "curves": _curve_words(run)},
        "groups": [
            {"name": g.name.format(words), "meaning": g.meaning.format(words)}
            for g in (*GROUPS, OTHERS)
        ],
        "metrics": [_metric(words.metric(m, MEASURES)) for m in ids],
        "shown": [m for m in SHOWN if m in ids],
        "selections": [
            {"id": s, "meaning": MEANING[s].format(words)}
            | _values(run, rows[rows["selection"] == s], ids if whole and s == "last" else short)
            for s in chosen
        ],
        "quantiles": _quantiles(run.cells["seed"].nunique()),
        "methods": _methods(analysis),
        "settings": _settings(analysis),
        "marks": {m: _signs(analysis, m) for m in COMPARED if m in ids},
        "runs": _runs(run, cells),
    }


def _curve_words(run: Run) -> str:
    """Say what the small curves of a run are."""
    both = "" if run.unknown else " (coloured) and memorised share of the wrong labels (grey)"
    return f"{run.words.tested}{both}, 0 to 100 %, over epochs"


def curves(run: Run) -> list[list[list[int | None]] | None]:
    """Return test accuracy and memorised share over epochs, in thousandths, of each of the runs."""
    if len(run.cells) > MOST_CELLS:
        return []
    drawn: dict[str, list[list[int | None]]] = {}
    for name, rows in run.curves.dropna(subset="acc").groupby("cell_id"):  # evaluated epochs
        shown = rows["noisy"].iloc[0] and not run.unknown
        metrics = ("acc", "mem_frac") if shown else ("acc",)
        drawn[str(name)] = [_curve(rows[metric]) for metric in metrics]
    return [drawn.get(cell) for cell in _ordered(run, run.cells)["cell_id"]]


def _measured(run: Run) -> pd.DataFrame:
    """Return the rows of every cell and selection with all measures of the page."""
    costs = run.costs.set_index("cell_id")
    epochs = run.curves.groupby("setting")["epoch"].max()
    cell = run.results["cell_id"]
    passes = cell.map(costs["forward_passes"] + BACKWARD * costs["backward_passes"]).astype(float)
    plain = (1 + BACKWARD) * run.results["n_train"] * run.results["setting"].map(epochs)
    losses = run.detection[run.detection["score"] == "loss"].set_index("cell_id")["auroc"]
    return run.results.assign(
        cost=passes / plain,
        state=cell.map(costs["state_mb"]).astype(float),
        auroc=cell.map(losses).astype(float),
    )


def _members(group: Group) -> tuple[str, ...]:
    named = {metric for each in GROUPS for metric in each.metrics}
    return group.metrics or tuple(metric for metric in METRICS if metric not in named)


def _metric(metric: Metric) -> dict[str, Any]:
    least, most = possible(metric.id) if metric.id in METRICS else (0.0, np.inf)
    place = next((k for k, g in enumerate(GROUPS) if metric.id in g.metrics), len(GROUPS))
    return {
        "id": metric.id,
        "label": metric.label + (" (%)" if metric.percent else ""),
        "better": metric.better,
        "meaning": metric.meaning,
        "scale": 100 if metric.percent else 1,
        "digits": 1 if metric.percent else 2 if metric == COST else 3,
        "ends": [end if np.isfinite(end) else None for end in (least, most)],
        "group": place,
    }


def _quantiles(most: int) -> list[float | None]:
    """Return by what a standard deviation of ``n`` seeds becomes half of a 95% t interval."""
    n = np.arange(most + 1, dtype=np.float64)
    return [_short(half) for half in stats.half_widths(np.ones_like(n), n).tolist()]


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _methods(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what is known of each method before it is run, and its place among them."""
    run = analysis.run
    full = run.cells.drop_duplicates("method").set_index("method")["method_spec"]
    places = claims.places(analysis.pairs("acc"), analysis.ranking["acc"])
    known = {**catalogue(), **run.facts}
    nothing = Facts(*("",) * 9)
    rows = []
    for method in run.methods:
        look, facts = analysis.looks[method], known.get(base(method), nothing)
        web = facts.url.startswith(("https://", "http://"))
        rows.append(
            {
                "label": look.label,
                "colour": look.colour,
                "spec": method,
                "full": str(full[method]),
                "family": look.family,
                "knowledge": run.privileges.get(method, "none"),
                "summary": facts.summary,
                "passport": str(passports().get(base(method), "")),
                "paper": _cited(facts),
                "authors": facts.authors,
                "title": facts.title,
                "venue": facts.venue,
                "year": facts.year,
                "url": facts.url if web else "",
                "place": places.get(method),
            }
        )
    return rows


def _cited(facts: Facts) -> str:
    """Return ``Family & Family, Venue Year``, or nothing where there is no paper."""
    families = [name.split()[-1] for name in re.split(", | & ", facts.authors) if name.strip()]
    if not families:
        return ""
    who = f"{families[0]} et al." if len(families) > 2 else " & ".join(families)
    return f"{who}, {facts.venue} {facts.year}"


def _settings(analysis: Analysis) -> list[dict[str, Any]]:
    run = analysis.run
    rows = run.results.drop_duplicates("setting").set_index("setting")
    return [
        {
            **{key: str(rows.loc[name, key]) for key in ARENA},
            "name": name,
            "kind": str(rows.loc[name, "noise_kind"]),
            "noise": str(rows.loc[name, "panel"]),
            "shared": name in analysis.shared_settings,
            "marks": {m: _signs(analysis, m, name) for m in BY_SETTING if m in METRICS},
        }
        for name in run.settings
    ]


def _signs(analysis: Analysis, metric: str, setting: str | None = None) -> str:
    """Return a letter of ``SIGNS`` for each method."""
    means = analysis.ranking[metric] if setting is None else analysis.scores(metric).loc[setting]
    marks = analysis.marks(metric, setting)
    return "".join(
        SIGNS[marks[m]] if m in marks else "w" if np.isfinite(means.get(m, np.nan)) else " "
        for m in analysis.run.methods
    )


def _ordered(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows, one a cell, in the order of the page's runs."""
    places = pd.DataFrame(
        {
            "setting": pd.Categorical(rows["setting"], run.settings).codes,
            "method": pd.Categorical(rows["method"], run.methods).codes,
            "seed": rows["seed"].to_numpy(),
        },
        index=rows.index,
    )
    order = places.sort_values(["setting", "method", "seed"], kind="stable").index
    return rows.loc[order]


def _runs(run: Run, cells: pd.DataFrame) -> list[list[Any]]:
    settings, methods = _places(run.settings), _places(run.methods)
    return [
        [
            settings[row["setting"]],
            methods[row["method"]],
            int(row["seed"]),
            row["cell_id"],
            row["status"],
            row["reason"],
            _short(row["noise_rate_realised"]),
            str(row["noise_sha256"])[:8],
        ]
        for row in cells.to_dict("records")
    ]


def _places(names: Sequence[str]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(names)}


def _values(run: Run, rows: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Any]:
    """Return the values of each run at one selection, by place of the metric in ``metrics``."""
    order = _ordered(run, run.cells)["cell_id"]
    table = rows.set_index("cell_id")[list(metrics)].reindex(order).to_numpy(np.float64)
    return {"metrics": list(metrics), "values": _rounded(table)}


def _rounded(table: Floats) -> list[list[float | None]]:
    """Return six significant digits of each value; nothing for what is not a number."""
    known = np.isfinite(table)
    size = np.abs(np.where(known & (table != 0), table, 1.0))
    scale = 10.0 ** (5 - np.floor(np.log10(size)))
    rounded = np.round(np.where(known, table, 0.0) * scale) / scale
    filled = rounded.astype(object)
    filled[~known] = None
    return cast("list[list[float | None]]", filled.tolist())


def _curve(values: pd.Series) -> list[int | None]:
    """Return at most ``POINTS`` values of a curve, its ends among them."""
    places = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    thinned = values.to_numpy(np.float64)[places].tolist()
    return [None if v != v else round(1000 * v) for v in thinned]  # noqa: PLR0124

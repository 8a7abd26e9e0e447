"""Synthetic results folders with exactly the schema's columns, for the tests of the report."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.question import Question
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.schema import (
    COVERAGE_STEPS,
    KEYS,
    LOSS_BINS,
    LOSS_RANGE,
    RECALL_STEPS,
    TABLES,
)
from benchmarks.store import CellSpecs, Driver, PlanFile, PlannedCell, write_plan

COLUMNS = {name.removesuffix(".csv"): columns for name, columns in TABLES.items()}

GAIN = {
    "cross_entropy": 0.0,
    "label_smoothing": 0.1,
    "reweighting": 0.25,
    "gce": 0.35,
    "elr": 0.8,
    "co_teaching": 0.6,
}
SIX = tuple(GAIN)
NOISES = ("clean", *(f"{k}(rate={r})" for k in ("symmetric", "asymmetric") for r in (0.2, 0.4)))
TEST_SIZE = 2000


@dataclass(frozen=True)
class Sweep:
    """What to invent; ``alter`` gets every result row last and returns what is written."""

    methods: Sequence[str] = SIX
    noises: Sequence[str] = NOISES
    seeds: int = 5
    epochs: int = 6
    classes: int = 10
    datasets: Sequence[str] = ("digits",)
    selections: Sequence[str] = ("last", "val", "oracle")
    status: str = "done"
    planned: int | None = None
    question: Question | None = None
    alter: Callable[[dict], dict] = field(default=lambda row: row)


def rate_of(noise: str) -> float:
    if "rate=" not in noise:
        return 0.0 if noise == "clean" else 0.3
    return float(noise.partition("rate=")[2].rstrip(")").partition(",")[0] or 0)


def hashed(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def stream(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int(hashed(*parts)[:12], 16))


def write(folder: Path, sweep: Sweep) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    for key in product(sweep.datasets, sweep.noises, sweep.methods):
        for seed in range(sweep.seeds):
            _cell(tables, sweep, (*key, seed))
        if sweep.status == "done":
            _pool(tables, sweep, key)
    for name, rows in tables.items():
        frame = pd.DataFrame(rows, columns=list(COLUMNS[name]))
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
    if sweep.planned is not None or sweep.question:
        plan(folder, tables["results"], sweep)
    return folder


def plan(folder: Path, rows: list[dict], sweep: Sweep) -> None:
    """Plan so many cells: those of the rows, and further seeds of the first."""
    known = list({row["cell_id"]: {key: row[key] for key in KEYS} for row in rows}.values())
    planned = len(known) if sweep.planned is None else sweep.planned
    more = [known[0] | {"cell_id": f"more{k}", "seed": 1000 + k} for k in range(planned)]
    names = ("dataset", "noise", "method", "model", "recipe", "seed")
    cells = tuple(
        PlannedCell(**keys, specs=CellSpecs(**{n: keys[n] for n in names}, precision="float32"))
        for keys in [*known, *more][:planned]
    )
    drivers = {cell.specs.kind(): Driver("one_by_one", 1, "float32") for cell in cells}
    about = {"question": sweep.question, "classes": dict.fromkeys(sweep.datasets, sweep.classes)}
    write_plan(folder, PlanFile("s", "cpu", keep_all=True, drivers=drivers, cells=cells, **about))


def analysed(folder: Path, sweep: Sweep) -> Analysis:
    return Analysis(load(write(folder, sweep)))


def _pooled(dataset: str, noise: str, method: str) -> dict:
    return {
        "dataset": dataset,
        "noise": noise,
        "noise_kind": noise.partition("(")[0],
        "noise_rate": rate_of(noise),
        "model": "mlp",
        "recipe": "short",
        "method": method,
    }


def _pool(tables: dict[str, list[dict]], sweep: Sweep, key: tuple[str, str, str]) -> None:
    """Loss histograms, and a transition matrix of the methods that estimate one."""
    _, noise, method = key
    rate, classes = rate_of(noise), sweep.classes
    keys = _pooled(*key) | {"seeds": sweep.seeds}
    draws = stream("pool", *key)
    edges = np.geomspace(*LOSS_RANGE, LOSS_BINS + 1)
    _rank(tables, sweep, keys, draws)
    if rate:
        right = np.histogram(np.exp(draws.normal(-3, 1.5, 900)), edges)[0]
        wrong = np.histogram(np.exp(draws.normal(0.5, 0.8, round(1000 * rate))), edges)[0]
        tables["losses"] += [
            keys | {"bin": b, "low": edges[b], "high": edges[b + 1]}
            | {"right": int(right[b]), "wrong": int(wrong[b])}
            for b in np.flatnonzero(right + wrong)
        ]  # fmt: skip
    if method.startswith("reweighting"):
        realised = (1 - rate) * np.eye(classes) + rate / max(classes - 1, 1) * (1 - np.eye(classes))
        estimated = np.clip(realised + draws.normal(0, 0.02, realised.shape), 0, 1)
        tables["transitions"] += [
            keys | {"label": c}
            | {"estimated": " ".join(f"{v:.4g}" for v in estimated[c])}
            | {"realised": " ".join(f"{v:.4g}" for v in realised[c])}
            for c in range(classes)
        ]  # fmt: skip


def _rank(
    tables: dict[str, list[dict]], sweep: Sweep, keys: dict, draws: np.random.Generator
) -> None:
    """Confusion, and curves over ranked images, of every method."""
    rate, classes, seeds = keys["noise_rate"], sweep.classes, range(sweep.seeds)
    size = 2000 // classes
    lost = rate * (1 - GAIN.get(keys["method"].partition("(")[0], 0.5))
    for label in range(classes):
        right = [int(size * (0.95 - 0.6 * lost - 0.1 * draws.random())) for _ in seeds]
        wrong = sweep.seeds * size - sum(right)
        predicted, given = np.zeros((2, classes), int)
        predicted[label], given[label] = sum(right), sweep.seeds * round(100 * (1 - rate))
        predicted[(label + 1) % classes] += wrong
        given[(label + 1) % classes] += sweep.seeds * round(100 * rate)
        numbers = {"tested": [size for _ in seeds], "correct": right}
        numbers |= {"predicted": predicted, "given": given}
        row = {name: " ".join(map(str, values)) for name, values in numbers.items()}
        tables["confusion"].append(keys | {"label": label} | row)
    for share in np.arange(1, COVERAGE_STEPS + 1) / COVERAGE_STEPS:
        errors = " ".join(f"{share * (0.1 + lost) + 0.01 * draws.random():.4g}" for _ in seeds)
        tables["risk_coverage"].append(keys | {"coverage": share, "errors": errors})
    for score in ("loss", "loss_mean") if rate else ():
        for share in np.arange(1, RECALL_STEPS + 1) / RECALL_STEPS:
            found = [1 - (1 - rate) * share**2 - 0.02 * draws.random() for _ in seeds]
            row = {"score": score, "recall": share}
            row |= {"precisions": " ".join(f"{value:.4g}" for value in found)}
            tables["precision_recall"].append(keys | row)


def _cell(tables: dict[str, list[dict]], sweep: Sweep, key: tuple[str, str, str, int]) -> None:
    dataset, noise, method, seed = key
    rate = rate_of(noise)
    keys = {"cell_id": hashed(*key)[:12], **_pooled(dataset, noise, method), "seed": seed}
    draws, shared = stream(*key), stream(dataset, noise, seed)
    curve = [_epoch(sweep, method, rate, t + 1, (draws, shared)) for t in range(sweep.epochs)]
    extra = {
        "method_spec": method if "(" in method else f"{method}()",
        "profile": "default",
        "privileges": "rate" if method.startswith("co_teaching") else "",
        "precision": "float32",
        "noise_rate_realised": rate * 0.995,
        "noise_sha256": hashed(dataset, noise, seed, "labels"),
        "metric_spec": "v1",
        "status": sweep.status,
        "reason": "" if sweep.status == "done" else "loss is nan",
        "n_train": 1000,
        "n_test": TEST_SIZE,
    }
    for selection in sweep.selections:
        metrics = curve[-1] if selection != "oracle" else max(curve, key=lambda row: row["acc"])
        shown = metrics if sweep.status == "done" else {}
        row = keys | extra | shown | {"selection": selection, "epoch": sweep.epochs}
        tables["results"].append(sweep.alter(row))
    cost = {"cell_id": keys["cell_id"], "status": sweep.status, "device": "cpu x"}
    double = 1 + method.startswith("co_teaching")
    seconds = double * (20 + draws.normal(0, 1))
    tables["costs"].append(cost | {"train_seconds": seconds, "forward_passes": double * 6000})
    if sweep.status != "done":
        return
    for t, metrics in enumerate(curve, start=1):
        tables["curves"].append(keys | metrics | {"epoch": t, "lr": 0.1, "train_loss": 1.0})
    tables["bins"] += _bins(keys, curve[-1], sweep.classes, draws)
    score = 0.95 - rate / 3 + draws.normal(0, 0.01) if rate else float("nan")
    tables["detection"].append(
        keys | {"score": "loss", "auroc": score, "ap": score * 0.8, "n_train": 1000}
        | {"mislabelled": round(1000 * rate), "missed": 1 - score}
    )  # fmt: skip


def _epoch(
    sweep: Sweep,
    method: str,
    rate: float,
    epoch: int,
    streams: tuple[np.random.Generator, np.random.Generator],
) -> dict:
    draws, shared = streams
    name = method.partition("(")[0]
    gain = GAIN.get(name, 0.5)
    done = epoch / sweep.epochs
    rise = 1 - np.exp(-6 * done)
    harm = 0.7 * rate * (1 - gain) * done**2
    wobble = shared.normal(0, 0.006) + draws.normal(0, 0.004)
    acc = float(np.clip((0.93 - 0.12 * rate) * rise - harm + wobble, 1 / sweep.classes, 1))
    memory = (1 - gain) * done**2 * (0.9 - 0.2 * rate) + draws.normal(0, 0.01) * done
    memory = max(memory, 0.0) if rate else float("nan")
    gap = 0.04 + 0.5 * harm - (0.12 if name == "label_smoothing" else 0.0)
    ece = abs(gap) + 0.004 + abs(draws.normal(0, 0.002))
    nll = -np.log(max(acc, 0.05)) * 1.6 + 3 * harm + draws.normal(0, 0.01)
    return {
        "val_acc": acc * (1 - rate),
        "acc": acc,
        "acc_worst": acc - 0.1,
        "nll": nll,
        "brier": 1.4 * (1 - acc) + gap**2,
        "ece": ece,
        "ece_floor": 0.017 + 0.01 * rate,
        "ece_em": ece,
        "ce2_deb": ece**2,
        "conf_mean": acc + gap,
        "gap_signed": gap,
        "ties": 0,
        "mem_frac": memory,
        "clean_recovery": 0.95 * rise * (1 - memory) if rate else float("nan"),
        "other_frac": 0.02 if rate else float("nan"),
        "fit_clean": acc,
    }


def _bins(keys: dict, metrics: dict, classes: int, draws: np.random.Generator) -> list[dict]:
    edges = np.linspace(0, 1, 16)
    confidence = 1 / classes + (1 - 1 / classes) * draws.beta(5, 1.2, TEST_SIZE)
    right = draws.random(TEST_SIZE) < np.clip(confidence - metrics["gap_signed"], 0, 1)
    which = np.clip(np.searchsorted(edges, confidence, "left") - 1, 0, 14)
    rows = []
    for b in range(15):
        here = which == b
        n = int(here.sum())
        rows.append(
            keys
            | {"selection": "last", "bin": b, "low": edges[b], "high": edges[b + 1], "count": n}
            | {"confidence": confidence[here].mean() if n else None}
            | {"accuracy": right[here].mean() if n else None}
        )
    return rows


MACHINES = (
    {"host": "a", "device": "cpu x86_64", "cpu": "Blue 1", "cores": 4, "system": "Linux-6"},
    {"host": "b", "device": "cuda Green 9", "cpu": "Blue 2", "cores": 64, "system": "Linux-7"},
)
SOFTWARE = {"driver": "stack", "torch": "2.14.1", "python": "3.11.7", "packages": "numpy 2.4.1"}


def stamp(folder: Path) -> Path:
    """Say that seed 0 was trained on one machine, by changed code, and the others on another."""
    seeds = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id").set_index("cell_id")
    costs = pd.read_csv(folder / "costs.csv").to_dict("records")
    for row in costs:
        seed = int(seeds.loc[row["cell_id"], "seed"])
        row.update(MACHINES[min(seed, 1)] | SOFTWARE | {"peak_memory_mb": 100.0 * (seed + 1)})
        row.update({"train_seconds": 60.0, "eval_seconds": 30.0})
        row["commit"] = "0123456789ab" + ("" if seed else "-dirty")
        row["finished_utc"] = f"2026-01-0{seed + 1}T10:20:30+00:00"
    pd.DataFrame(costs, columns=list(COLUMNS["costs"])).to_csv(folder / "costs.csv", index=False)
    return folder

"""Whole results folders without training: real cells, real parts, invented numbers."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks import schema
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import Plan, make_plan, packs
from benchmarks.store import CURVE_VALUES, Record, write_part
from benchmarks.sweep import Cell, Suite

EPOCHS = 5
METHODS = (
    "cross_entropy",
    "label_smoothing",
    "label_smoothing(smoothing=0.2)",
    "reweighting",
    "gce",
    "elr",
    "co_teaching",
    "sce",
    "bootstrap_soft",
    "bootstrap_hard",
)
NOISES = (
    "clean",
    *(f"symmetric(rate={rate})" for rate in (0.2, 0.4, 0.6)),
    *(f"asymmetric(rate={rate})" for rate in (0.2, 0.4)),
)
SELECTIONS = ("last", "val", "oracle")
N, VAL, TEST, C = 970, 108, 719, 10  # digits under the recipe small


def suite(seeds: int) -> Suite:
    """Return a tiny model on digits: 60 cells for each seed."""
    recipe = f"small(epochs={EPOCHS})"
    axes = (("digits",), NOISES, METHODS, ("mlp(first=8, second=8)",), (recipe,))
    return Suite("invented", *axes, tuple(range(seeds)))


def plan(folder: Path, seeds: int) -> Plan:
    """Return what a run of the suite would train."""
    cells = suite(seeds).cells("float32")
    return make_plan(folder, "invented", cells, TrainingOptions(torch.device("cpu"), 16))


def write(folder: Path, planned: Plan) -> None:
    """Write the plan and a part for every pack, as if all had been trained."""
    folder.mkdir(parents=True, exist_ok=True)
    planned.write(folder)
    big = dict(_of_images())
    for pack in packs(planned.cells, planned.widths):
        write_part(folder, [_record(cell, big) for cell in pack.cells])


def _of_images() -> Iterator[tuple[str, np.ndarray]]:
    """Yield what takes the room in a part; every cell has the same."""
    rng = np.random.default_rng(0)
    yield "logits", rng.standard_normal((1, TEST, C), np.float32)
    yield "val_logits", rng.standard_normal((1, VAL, C), np.float32)
    yield "train_scores", rng.random((2, N))
    yield "noisy", rng.integers(C, size=N)
    yield "position", np.arange(N)
    yield "transition", np.eye(C, dtype=np.float32)
    for name, size in (("label", TEST), ("clean", N), ("val_noisy", VAL), ("val_clean", VAL)):
        yield name, rng.integers(C, size=size).astype(np.int16)


def _record(cell: Cell, big: dict[str, np.ndarray]) -> Record:
    rng = np.random.default_rng(int(cell.id, 16))
    keys = cell.keys()
    skill = METHODS.index(str(keys["method"])) / len(METHODS)
    acc = 0.95 - (0.4 - 0.3 * skill) * float(keys["noise_rate"] or 0) + 0.01 * rng.random()
    curves = rng.random((EPOCHS, len(CURVE_VALUES)))
    curves[:, 0] = np.arange(1, EPOCHS + 1)
    measured = rng.random((len(SELECTIONS), len(schema.METRICS)))
    measured[:, list(schema.METRICS).index("acc")] = acc
    count = np.full(schema.BINS_COUNT, TEST // schema.BINS_COUNT)
    confidence = count * (np.arange(schema.BINS_COUNT) + 0.5) / schema.BINS_COUNT
    table = np.stack([count, confidence, confidence * acc], -1)
    meta = {
        "keys": keys,
        "facts": _facts(cell, keys),
        "status": "done",
        "reason": "",
        "costs": {"train_seconds": 0.1, "eval_seconds": 0.1, "forward_passes": N * EPOCHS},
        "stamp": {"host": "nowhere", "torch": torch.__version__},
        "curves": list(CURVE_VALUES),
        "selections": list(SELECTIONS),
        "scores": ["loss", "loss_mean"],
        "mislabelled": 300,
        "metrics": list(schema.METRICS),
    }
    arrays = {
        "curves": curves,
        "selected": np.array([EPOCHS - 1, 2, 3]),
        "final": np.arange(EPOCHS),
        "measured": measured,
        "bins": np.stack([table] * len(SELECTIONS)),
        "detection": 0.5 + rng.random((2, 2)) / 2,
    }
    return Record(meta, arrays | big)


def _facts(cell: Cell, keys: dict) -> dict:
    labels = repr((keys["dataset"], keys["noise"], keys["seed"]))
    return {
        "method_spec": cell.specs()["method"],
        "profile": "default",
        "privileges": " ".join(cell.method.privileges),
        "precision": cell.precision,
        "noise_rate_realised": keys["noise_rate"],
        "noise_sha256": hashlib.sha256(labels.encode()).hexdigest(),
        "metric_spec": schema.METRIC_SPEC,
        "n_train": N,
        "n_test": TEST,
    }

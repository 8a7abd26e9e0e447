"""A whole sweep, from the start of Python to the last file: the engine against B1."""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks.datasets import data_root
from benchmarks.engine.data import load_cell_data
from benchmarks.launch.pool import default_workers
from benchmarks.sweep import Suite
from tests.speed.contest import BASELINES, MODELS

ROOT = Path(__file__).parents[2]
NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)", "symmetric(rate=0.6)")
NOISES = (*NOISES, "asymmetric(rate=0.4)")
ROUNDS = 4
SHARE = 20
"""B1 trains one cell in so many, from its own start; the rest is multiplied out."""


def suite_of(cells: int) -> dict[str, list]:
    """Return the axes of a sweep of the tiny network with so many cells."""
    seeds = max(1, cells // len(NOISES))
    axes = {"dataset": ["digits"], "noise": list(NOISES), "method": ["cross_entropy"]}
    return {**axes, "model": [MODELS["tiny"]], "recipe": ["small"], "seed": list(range(seeds))}


def measure(device: torch.device, cells: int, rounds: int = ROUNDS) -> pd.DataFrame:
    """Return a row per engine and round: cells' epochs per second of the whole sweep."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.toml"
        axes = suite_of(cells)
        done = len(axes["noise"]) * len(axes["seed"])
        lines = [f"{name} = {json.dumps(axis)}" for name, axis in axes.items()]
        path.write_text("\n".join(lines), encoding="utf-8")

        for number in range(rounds):
            where = [path, "--out", Path(folder) / f"{number}", "--device", device]
            took = {"engine": _seconds("run_all.py", "run", *where, "--no-report")}
            started = _seconds("-m", "tests.speed.sweep", path, device, 0)
            some = _seconds("-m", "tests.speed.sweep", path, device, SHARE)
            took["B1"] = started + (some - started) * SHARE
            for name, workers in (("engine", default_workers(device).number), ("B1", 1)):
                who = {"engine": name, "processes": workers, "threads": 1, "round": number}
                rows.append({**who, "rate": done * 30 / took[name]})
    return pd.DataFrame(rows).assign(workload=f"sweep of {done} tiny cells", floor=math.nan)


def _seconds(*argv: object) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *map(str, argv)], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def main(path: str, name: str, share: str) -> None:
    """Train one cell in ``share`` by B1, one after another, and write each epoch's accuracies."""
    torch.set_num_threads(1)
    device, step = torch.device(name), int(share)
    cells = list(Suite.read(path).cells("float32"))
    lines = []
    for cell in cells[::step] if step else ():
        problem = load_cell_data(cell, data_root(None), device)
        for epoch, shown in enumerate(BASELINES["B1"](cell, problem)):
            labels = problem.noisy, problem.val_noisy, problem.test.label
            right = [
                (logits.argmax(-1) == label).double().mean().item()
                for logits, label in zip(shown, labels, strict=True)
            ]
            lines.append(f"{cell.id},{epoch},{right}")
    Path(path).with_suffix(".csv").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Measure the engine against the baselines on this machine, and write what came out.

``python -m tests.speed.measure`` takes about a quarter of an hour on two cores and writes
``results/reference/speed-cpu.csv`` and ``speed.md``; ``--device cuda`` a file of its own.

Every contestant lives in processes that stay alive: in each round each works for about a second by
itself, side by side with the others, so that what else the machine does falls on all alike. A ratio
is that of one round; its interval is a bootstrap over rounds.
"""

import argparse
import datetime as dt
import math
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import torch

from benchmarks.datasets import data_root
from benchmarks.launch.environment import commit, cpu_model
from benchmarks.launch.pool import default_workers
from benchmarks.planning.options import choose_device
from benchmarks.processes import ENVIRONMENT
from tests.speed import contest, floor, sweep

ROUND_SECONDS = 1.0
FOREVER = "small(epochs=100000)"
CPU = tuple(contest.MODELS)
CUDA = (*CPU, "mnist/mnist_convnet", "cifar10/resnet18")

WHAT = """# Speed

Written by `python -m tests.speed.measure`; `speed-*.csv` holds every round. One row per workload
and contestant: epochs of cells per second (training, and the evaluation of all images after each
epoch), and how many times the rate of B0 and of B1 in one process that is: the median over rounds
of ratios within a round, with a 95% bootstrap interval. Of the floor: what share of its time would
be left if the device did nothing but the multiplications, at the speed of one large product, and
moved every weight, activation and gradient at the speed of one large copy, on all cores
(`tests/speed/floor.py`). The same cells, initial weights, labels,
evaluations and precision; `tests/speed/test_engines.py` holds their accuracies and numbers
together.

- engine: what `python run_all.py` does by default, one process per core or GPU; `--no-graph` with
  every kernel launched by itself.
- B0: PIL images, a DataLoader with two workers, `.item()` after every step, as official
  repositories.
- B1: tensors in a TensorDataset and a DataLoader.
- B2: one cell as fast as a careful author makes it: resident tensors, indexing, fused SGD.

A sweep is a run of the command line from the start of Python to the last CSV file, all metrics
included, against B1 in one process, which only counts right answers. B1 trains one cell in twenty;
its time is start-up plus twenty times the rest.
"""

KEYS = ["workload", "engine", "processes", "threads"]


@dataclass(frozen=True)
class Contestant:
    """Who takes part: how often, on how many threads each."""

    name: str
    processes: int = 1
    threads: int = 1


def contestants(workload: str, device: torch.device) -> list[Contestant]:
    """Return who is measured. The baselines run in one process, as users start them.

    A baseline has as many threads as cores where that helps it, as it does convolutions; kernels
    of the dense networks are too small to share. Two processes of B1 are shown beside.
    """
    workers = default_workers(device).number
    cores = len(os.sched_getaffinity(0))
    threads = 1 if workload in {"tiny", "mlp"} else cores
    found = [Contestant("engine", workers)]
    if device.type == "cuda":
        found.append(Contestant("engine --no-graph", workers))
    found += [Contestant(name, 1, threads) for name in contest.BASELINES]
    return [*found, Contestant("B1", workers)] if workers > 1 else found


def work(
    pipe: Connection, who: Contestant, workload: str, place: tuple[str, Path], start: str
) -> None:
    """Train for as many epochs as each message says; live until told 0.

    Workers of a loader begin by ``start``, as in a process of its own: a spawned one would spawn.
    """
    multiprocessing.set_start_method(start, force=True)
    torch.set_num_threads(who.threads)
    device, root = torch.device(place[0]), place[1]
    running, width = _running(who.name, workload, device, root)
    while count := pipe.recv():
        for _ in range(count):
            next(running)
        if device.type == "cuda":
            torch.cuda.synchronize()
        pipe.send(count * width)


def _running(
    name: str, workload: str, device: torch.device, root: Path
) -> tuple[Iterator[object], int]:
    (first,) = contest.cells_of(workload, device, 1, FOREVER)
    if name in contest.BASELINES:
        return contest.baseline(name, first, root, device), 1
    width, flags = contest.usual(first, device, ("graph",) if "--no-graph" in name else ())
    cells = contest.cells_of(workload, device, width, FOREVER)
    return contest.engine(cells, root, device, flags), width


class Workers:
    """The living processes of one contestant."""

    def __init__(self, who: Contestant, workload: str, place: tuple[str, Path]) -> None:
        self.who, context = who, multiprocessing.get_context("spawn")
        pairs = [context.Pipe() for _ in range(who.processes)]
        self.pipes = [ours for ours, _ in pairs]
        rest = who, workload, place, multiprocessing.get_start_method()
        self.processes = [context.Process(target=work, args=(theirs, *rest)) for _, theirs in pairs]
        for process in self.processes:
            process.start()
        self.count = 1
        self.run()  # the first epoch is slower
        self.count = 2
        self.count = max(1, round(2 * ROUND_SECONDS / self.run()[1]))

    def run(self) -> tuple[int, float]:
        """Train for ``count`` epochs; return the epochs of all cells, and the seconds."""
        began = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(self.count)
        epochs = sum(pipe.recv() for pipe in self.pipes)
        return epochs, time.perf_counter() - began

    def stop(self) -> None:
        """End the processes."""
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(0)
            process.join()


def marginal(workload: str, device: torch.device, root: Path, rounds: int) -> pd.DataFrame:
    """Return a row per contestant and round: cells' epochs per second, evaluation included."""
    rows = []
    (cell,) = contest.cells_of(workload, device, 1)
    floors = []
    living: list[Workers] = []
    try:
        living.extend(  # one by one, so that those that live are stopped if one fails
            Workers(who, workload, (str(device), root)) for who in contestants(workload, device)
        )
        for number in range(rounds):
            floors.append(floor.seconds(cell, device))
            for workers in living[::-1] if number % 2 else living:
                epochs, seconds = workers.run()
                named = {"workload": workload, "engine": workers.who.name, "round": number}
                size = {"processes": workers.who.processes, "threads": workers.who.threads}
                rows.append({**named, **size, "rate": epochs / seconds})
    finally:
        for workers in living:
            workers.stop()
    return pd.DataFrame(rows).assign(floor=min(floors))


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per contestant: its median rate, its ratios to B0 and B1, and of the floor."""
    found = []
    for keys, own in rows.groupby(KEYS, sort=False):
        row = dict(zip(KEYS, keys, strict=True)) | {"rate": f"{own['rate'].median():.3g}"}
        for name in ("B0", "B1"):
            row[f"times {name}"] = _against(own, _rival(rows, keys[0], name))
        share = own["rate"].median() * own["floor"].iloc[0]
        found.append(row | {"of the floor": "" if math.isnan(share) else f"{share:.0%}"})
    return pd.DataFrame(found)


def _rival(rows: pd.DataFrame, workload: str, name: str) -> pd.DataFrame:
    here = rows[(rows["workload"] == workload) & (rows["engine"] == name)]
    return here[here["processes"] == 1]


def _against(own: pd.DataFrame, rival: pd.DataFrame) -> str:
    if rival.empty:
        return ""
    pairs = own.merge(rival, on="round")
    middle, low, high = contest.interval((pairs["rate_x"] / pairs["rate_y"]).tolist())
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def write_page(folder: Path, device: str, rows: pd.DataFrame, machine: dict[str, str]) -> None:
    """Write the rounds of a device, and the page of all devices there are."""
    rows.assign(**machine).to_csv(
        folder / f"speed-{device}.csv", index=False, float_format="%.6g", lineterminator="\n"
    )
    text = WHAT
    for path in sorted(folder.glob("speed-*.csv")):
        rounds = pd.read_csv(path)
        known = rounds.iloc[0]
        where = ", ".join(str(known[name]) for name in machine)
        text += f"\n## {path.stem.partition('-')[2]}: {where}\n\n{_markdown(ratios(rounds))}"
    (folder / "speed.md").write_text(text, encoding="utf-8", newline="\n")


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine(device: torch.device) -> dict[str, str]:
    """Return what a reader must know to compare."""
    name = cpu_model()
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)}, {name}"
    return {
        "machine": f"{name}, {len(os.sched_getaffinity(0))} cores",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}",
        "commit": commit(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def main(argv: list[str]) -> None:
    """Measure what is asked for and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", help="cuda, mps or cpu; the first there is")
    parser.add_argument("--data", type=Path, help="the folder of image files")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workloads", nargs="+", help="tiny mlp convnet DATASET/MODEL")
    parser.add_argument(
        "--sweep", type=int, default=600, help="cells of the sweep; 0 leaves it out"
    )
    parser.add_argument("--out", type=Path, default=Path("results/reference"))
    asked = parser.parse_args(argv)
    device, root = choose_device(asked.device), data_root(asked.data)
    os.environ |= ENVIRONMENT
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # for the floor
    found = []
    for workload in asked.workloads or (CUDA if device.type == "cuda" else CPU):
        rows = marginal(workload, device, root, asked.rounds)
        found.append(rows)
        print(ratios(rows).to_string(index=False), flush=True)
    if asked.sweep:
        rounds = min(asked.rounds, sweep.ROUNDS)
        found.append(sweep.measure(device, asked.sweep, rounds))
        print(ratios(found[-1]).to_string(index=False), flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_page(asked.out, device.type, pd.concat(found), machine(device))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The command line trains on GPUs that are not there: by fast drivers, on each, and on the named.

What a kernel would have computed reads as 0 there, so the numbers of the results are not judged.
"""

import csv
import json
import subprocess
import sys

import pytest

from tests.device.runtime import ROOT, environment

SWEEP = ("--noises", "clean", "--recipes", "small(epochs=2)", "--seeds", "0", "1")
SWEEP += ("--models", "mlp", "convnet")


@pytest.fixture
def command(on_the_stub, tmp_path):
    """What runs the command line on the stub, in a folder and a home of the test's own."""
    assert on_the_stub

    def run(*words, **switches):
        variables = environment(**switches) | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, ROOT / "run_all.py", *words, *SWEEP, "--out", "out"],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_cells_are_trained_on_every_gpu_by_graphs_stacks_and_branches(command, tmp_path):
    ran = command("--methods", "cross_entropy", "--device", "cuda", "--no-report", devices=2)
    assert "4 to train on cuda in 2 processes (one for each GPU)" in ran.stdout, ran.stderr
    with (tmp_path / "out" / "costs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["driver"] for row in rows) == ["branches graph"] * 2 + ["stack graph"] * 2
    assert all(0 < float(row["peak_memory_mb"]) < 300 for row in rows)  # of this pack alone
    assert all("2 GPUs" in row["packages"] for row in rows)
    with (tmp_path / "out" / "results.csv").open() as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"done"}
    ran = command("plan", "--methods", "cross_entropy", "--device", "cuda", "--no-graph")
    assert "out was started with --graph" in ran.stderr


SEEING = """
import os
from pathlib import Path

import torch

from methods import METHODS
from methods.cross_entropy import CrossEntropy

with Path("seen").open("a") as file:
    seen = os.environ.get("CUDA_VISIBLE_DEVICES"), torch.cuda.device_count(), os.getpid()
    print(*seen, file=file)
METHODS.register("seeing", type("Seeing", (CrossEntropy,), {}))
"""


def test_workers_share_a_gpu_by_slots_and_see_no_other_one(command, tmp_path):
    (tmp_path / "seeing.py").write_text(SEEING)
    words = ("--plugin", "seeing.py", "--methods", "seeing", "--pack", "1", "--no-report")
    ran = command(*words, "--device", "cuda", "--gpus", "0.5", devices=2)
    assert "4 to train on cuda in 4 processes (2 for each GPU)" in ran.stdout, ran.stderr
    seen = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    processes = {(gpu, count): set() for gpu, count, _ in seen}
    for gpu, count, process in seen:
        processes[gpu, count].add(process)
    assert processes.pop(("None", "2"))  # of the parent
    assert processes.keys() == {("0", "1"), ("1", "1")}
    with (tmp_path / "out" / "costs.csv").open() as file:
        assert all("2 GPUs" in row["packages"] for row in csv.DictReader(file))


def test_a_probe_goes_on_after_what_does_not_fit_and_keeps_all_it_finds(command, tmp_path):
    memory = 300 * 2**20  # two convolutional networks need more, however fast one is
    ran = command("probe", "--methods", "l2rw", "--device", "cuda:1", devices=2, memory=memory)
    assert ran.returncode == 0, ran.stderr
    assert "one by one: " in ran.stdout
    assert "would fit into the 0.3 GiB of memory that are free" in ran.stdout
    (kept,) = (tmp_path / "cache").rglob("throughput.json")
    found = json.loads(kept.read_text())
    assert len(found) == 2
    assert all("1" in measured["widths"] for measured in found.values())
    assert any(measured["cannot"] for measured in found.values())

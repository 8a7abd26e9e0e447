"""Benchmarks for `regress speed`: what a run spends its time in, and the calibration kernel."""

import time

import pytest
import torch

from benchmarks.noise import NOISES, LabelSpace
from benchmarks.store import Parts, derive
from tests.speed import kernel
from tests.speed.contest import cells_of, engine
from tests.speed.test_scale import plan_of, write

# The clock of this process, which others on its core leave alone.
pytestmark = pytest.mark.benchmark(timer=time.process_time)
CPU = torch.device("cpu")
IMAGES, CLASSES = 10_000, 10  # so few that their arrays take no fresh pages from the system


def test_calibration(timed):
    timed(kernel.run, rounds=30)


@pytest.mark.parametrize(("workload", "width"), [("tiny", 16), ("mlp", 1), ("convnet", 1)])
def test_an_epoch(timed, tmp_path, workload, width):
    running = engine(cells_of(workload, CPU, width, "small(epochs=1000)"), tmp_path, CPU)
    assert len(timed(next, running, rounds=5 if workload == "convnet" else 10)) == width


def test_drawing_noise(timed):
    noise = NOISES.build("symmetric(rate=0.4)")
    clean = torch.arange(IMAGES) % CLASSES
    given = timed(noise.corrupt, clean, LabelSpace(CLASSES, IMAGES, {}), "invented", 0, rounds=20)
    assert (given.label != clean).double().mean() == pytest.approx(0.4, abs=0.02)


def test_deriving_tables(timed, tmp_path):
    write(tmp_path, plan_of(tmp_path, 1))
    timed(derive, tmp_path, Parts(tmp_path), rounds=5)
    assert (tmp_path / "results.csv").is_file()

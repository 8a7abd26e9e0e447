"""The engine against the baselines of ``baselines/``: the same numbers, in less time.

Floors here are far below what is measured: they tell a broken engine from a whole one, on a machine
that does other things beside. ``tests/speed/measure.py`` measures.
"""

import resource
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks.engine.data import load_cell_data
from tests.cells import alone, few
from tests.speed import measure
from tests.speed.baselines import careful
from tests.speed.baselines.official import NoisyImages
from tests.speed.contest import BASELINES, MODELS, baseline, cells_of, engine, interleaved, interval

pytestmark = pytest.mark.usefixtures("one_thread")
CPU, ROOT = torch.device("cpu"), Path("unused")  # digits need no files
NOTHING = torch.empty(0, dtype=torch.long)
SEEDS = 6
FLOORS = {("tiny", "B1"): 2.0, ("tiny", "B2"): 1.5, ("mlp", "B1"): 1.4}
FLOORS |= {("convnet", "B1"): 0.8, ("convnet", "B0"): 2.0}


def spent():
    """Seconds on the CPU, of this process and of the loaders' workers that have ended."""
    both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("workload", MODELS)
def test_the_careful_baseline_is_a_cell_alone_number_for_number(workload):
    (cell,) = cells_of(workload, CPU, 1, "small(epochs=2)")
    problem = load_cell_data(cell, ROOT, CPU)
    both = zip(alone(cell, problem), careful.train(cell, problem), strict=True)
    for ours, theirs in both:
        for mine, other in zip((ours.train, ours.val, ours.test), theirs, strict=True):
            assert (mine - other).abs().max() < 1e-10


def accuracy(shown, cell):
    label = load_cell_data(cell, ROOT, CPU).test.label
    return (shown[2].argmax(-1).view(-1, len(label)) == label).double().mean().item()


@pytest.mark.parametrize("name", ["B1", "B2"])
def test_a_baseline_is_as_accurate_as_the_engine(name):
    cells = cells_of("tiny", CPU, SEEDS, "small(epochs=15)")
    *_, ours = engine(cells, ROOT, CPU)
    theirs = [list(baseline(name, cell, ROOT, CPU))[-1][0] for cell in cells]
    differences = [
        accuracy(a, cell) - accuracy(b, cell)
        for a, b, cell in zip(ours, theirs, cells, strict=True)
    ]
    assert abs(sum(differences) / SEEDS) < 0.04


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_baseline_trains_by_the_arithmetic_of_the_cell(name, precision):
    """And without validation images, as under recipes that hold none out."""
    (cell,) = cells_of("convnet", CPU, 1, "small(epochs=2, val_fraction=0.0)")
    problem = few(cell, 64)._replace(val=torch.empty(0, 1, 8, 8), val_noisy=NOTHING)
    seen = set()

    def note(layer, _inputs, output):
        seen.update({str(output.dtype)} if layer.training else ())

    with nn.modules.module.register_module_forward_hook(note):
        (train, val, test) = next(BASELINES[name](replace(cell, precision=precision), problem))
    assert f"torch.{precision}" in seen
    assert precision == "bfloat16" or len(seen) == 1
    assert [len(logits) for logits in (train, val, test)] == [64, 0, 83]
    assert (train.dtype, val.dtype, test.dtype) == (torch.float32,) * 3


def test_the_official_idiom_sees_the_images_that_the_engine_sees():
    (cell,) = cells_of("tiny", CPU, 1)
    problem = load_cell_data(cell, ROOT, CPU)
    images = NoisyImages(cell, problem.train, problem.noisy)
    for i in (0, 7, len(images) - 1):
        image, label = images[i]
        assert label == problem.noisy[i]
        assert torch.allclose(image, problem.pixels(problem.train[i]), atol=1e-5)


@pytest.mark.parametrize("workload", MODELS)
def test_the_engine_outruns_the_baselines(benchmark, workload):
    width = 1 if workload == "convnet" else 16
    cells = cells_of(workload, CPU, width, "small(epochs=1000)")
    running = {"engine": engine(cells, ROOT, CPU)}
    rivals = ("B1", "B2", "B0")[: 3 if width == 1 else 2]
    running |= {name: baseline(name, cells[0], ROOT, CPU) for name in rivals}
    epochs = dict.fromkeys(running, 2) if width == 1 else {"engine": 1, "B1": 6, "B2": 6}

    def step(name):
        for _ in range(epochs[name]):
            next(running[name])

    steps = {name: lambda name=name: step(name) for name in running}
    interleaved(steps, spent, 1)  # the first epochs are slower
    took = interleaved(steps, spent, 5)
    benchmark.pedantic(next, (running["engine"],), rounds=1)
    for name in rivals:
        pairs = zip(took[name], took["engine"], strict=True)
        per_cell = epochs["engine"] * width / epochs[name]
        ratio, low, high = interval([theirs / ours * per_cell for theirs, ours in pairs])
        benchmark.extra_info[name] = {"ratio": ratio, "low": low, "high": high}
        print(workload, name, f"{ratio:.2f} [{low:.2f}, {high:.2f}]")
        assert ratio > FLOORS.get((workload, name), 0)


def test_a_ratio_is_taken_within_a_round(tmp_path):
    """A machine that is half as fast in the second round changes rates, and no ratio."""
    rates = {"engine": (90.0, 45.0, 90.0), "B0": (3.0, 1.5, 3.0), "B1": (10.0, 5.0, 10.0)}
    rows = pd.DataFrame(
        {"engine": name, "round": i, "rate": rate}
        for name, of_rounds in rates.items()
        for i, rate in enumerate(of_rounds)
    ).assign(workload="tiny", processes=1, threads=1, floor=0.01)
    table = measure.ratios(rows).set_index("engine")
    assert table.loc["engine", "times B0"] == "30.00 [30.00, 30.00]"
    assert table.loc["engine", "times B1"] == "9.00 [9.00, 9.00]"
    assert table["of the floor"].to_dict() == {"engine": "90%", "B0": "3%", "B1": "10%"}
    measure.write_page(tmp_path, "cpu", rows, {"machine": "a slow one"})
    assert "| tiny | engine | 1 | 1 | 90 | 30.00" in (tmp_path / "speed.md").read_text()
    assert len(pd.read_csv(tmp_path / "speed-cpu.csv")) == 9

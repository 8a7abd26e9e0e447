"""The least time of an epoch, counted here by hand for a network that one can count."""

import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.engine.data import load_cell_data
from tests.speed import floor
from tests.speed.baselines import careful
from tests.speed.contest import MODELS, cells_of

CPU = torch.device("cpu")


@pytest.fixture
def rates(monkeypatch):
    """A device that calculates and moves so many operations and bytes a second."""

    def set_to(arithmetic, memory):
        monkeypatch.setattr(floor, "arithmetic_rate", lambda *_, **__: arithmetic)
        monkeypatch.setattr(floor, "memory_rate", lambda _: memory)

    return set_to


def test_the_floor_of_a_dense_network_moves_what_one_counts(rates):
    (cell,) = cells_of("tiny", CPU, 1)
    n, test = cell.dataset.sizes
    val = round(n * cell.recipe.val_fraction)
    outputs = 64 + 2 * 32 + 2 * 32 + 10  # flattened; dense and rectified, twice; logits
    weights = (64 + 1) * 32 + (32 + 1) * 32 + (32 + 1) * 10
    steps = -(-(n - val) // cell.recipe.batch)
    rates(float("inf"), 1.0)
    moved = 4 * ((n - val) * outputs * 5 + (n + test) * outputs * 2 + steps * weights * 8)
    assert floor.seconds(cell, CPU) == moved


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_arithmetic_is_that_of_the_precision_which_runs(monkeypatch, precision):
    """On a GPU what is trained in bfloat16 is evaluated in TF32, and all else in float32."""
    asked = []
    one = floor.Network(there=1.0, back=2.0, outputs=0.0, weights=0)
    monkeypatch.setattr(floor, "of_network", lambda *_: one)
    monkeypatch.setattr(floor, "memory_rate", lambda _: 1.0)

    def rate(_device, dtype=torch.float32, *, to_tf32=False):
        asked.append((dtype, to_tf32))
        return 1.0

    monkeypatch.setattr(floor, "arithmetic_rate", rate)
    (cell,) = cells_of("convnet", CPU, 1, precision=precision)
    floor.seconds(cell, torch.device("cuda"))
    half = precision == "bfloat16"
    assert asked == [(torch.bfloat16 if half else torch.float32, False), (torch.float32, half)]


@pytest.mark.parametrize("workload", MODELS)
def test_an_epoch_does_the_arithmetic_of_its_floor(rates, workload):
    (cell,) = cells_of(workload, CPU, 1, "small(epochs=2)")
    problem = load_cell_data(cell, None, CPU)
    with FlopCounterMode(display=False) as counted:
        list(careful.train(cell, problem))
    rates(1.0, float("inf"))
    assert floor.seconds(cell, CPU) == pytest.approx(counted.get_total_flops() / 2)


def test_nothing_is_faster_than_the_floor():
    (cell,) = cells_of("convnet", CPU, 1, "small(epochs=4)")
    running = careful.train(cell, load_cell_data(cell, None, CPU))
    next(running)  # the first is slower
    floors, taken = [], []
    for _ in range(3):  # in turn: a machine is slow and fast by phases
        floors.append(floor.seconds(cell, CPU))
        began = time.perf_counter()
        next(running)
        taken.append(time.perf_counter() - began)
    assert min(floors) < max(taken)

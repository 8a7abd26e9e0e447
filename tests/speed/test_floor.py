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


@pytest.mark.parametrize(("precision", "training"), [("float32", False), ("bfloat16", True)])
def test_arithmetic_is_that_of_the_precision_which_runs(monkeypatch, precision, training):
    """On a GPU, whose convolutions and products are shortened each by a flag of its own."""
    asked = []
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    shortened = [backend.allow_tf32 and not training for backend in backends]

    def rate(_device, dtype, *, short):
        asked.append((dtype, short))
        return 1.0

    monkeypatch.setattr(floor, "arithmetic_rate", rate)
    one = floor.Operations(1.0, 2.0)
    cuda, half = torch.device("cuda"), torch.bfloat16 if training else torch.float32
    assert floor._arithmetic(one, half, cuda) == 3.0
    assert asked == [(half, short) for short in shortened]
    (cell,) = cells_of("convnet", CPU, 1, precision=precision)
    there, back, *_ = floor.of_network(cell, CPU)
    assert min(*there, *back) > 0
    assert there.convolutions > there.products


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

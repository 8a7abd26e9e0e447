"""What a cell takes of a GPU: counted by hand, and what it does to the plan."""

from pathlib import Path

import pytest
import torch

from benchmarks.planning import memory, plan
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.throughput import Measured, SecondsPerImage, Throughput, work_of
from tests.cells import build

CPU = torch.device("cpu")
N, PIXELS, CLASSES = 1797, 64, 10
MLP = (64 + 1) * 256 + (256 + 1) * 128 + (128 + 1) * 10  # weights
KEPT = 64 + 256 + 128  # what each dense layer needs to go back; a rectifier shares the next one's


def test_a_dense_network_takes_what_its_layers_say():
    cell = build(recipe="small(batch=100, momentum=0.9)")
    data = N * (PIXELS + 16 + 8 * CLASSES)
    assert memory.of_cell(cell) == (3 * 4 * MLP, 4 * KEPT * 100, data)


@pytest.mark.parametrize(
    ("method", "recipe", "weights", "activations"),
    [
        ("co_teaching", "small", 2, 2),  # networks
        ("gjs", "small", 1, 2),  # views
        ("l2rw", "small", 1, memory.LOOKAHEAD_GRAPHS),
        ("ce_ema", "small", 4 / 3, 1),  # an average beside weights, gradient, momentum
        ("cross_entropy", "small(optimizer='adam')", 4 / 3, 1),
    ],
)
def test_what_a_method_and_its_recipe_multiply(method, recipe, weights, activations):
    plain, found = (
        memory.of_cell(build(recipe="small")),
        memory.of_cell(build(method, recipe=recipe)),
    )
    assert found.weights == pytest.approx(weights * plain.weights)
    assert found.activations == activations * plain.activations


def test_a_convolutional_network_keeps_what_normalisation_pooling_and_the_next_layer_need():
    _, found = memory._of_network(build(model="convnet").model, (3, 32, 32), 10, "float32")
    first, second = 16 * 32 * 32, 32 * 32 * 32  # numbers: of a convolution, and rectified
    pooled = 32 * 16 * 16
    assert found == 4 * (3 * 32 * 32 + 2 * first + 2 * second + pooled + 64) + 8 * pooled


def test_a_resnet_has_its_eleven_million_weights():
    weights, _ = memory._of_network(build(model="resnet18").model, (3, 32, 32), 10, "float32")
    assert weights == 4 * 11_173_962


def test_half_precision_keeps_about_half():
    single, half = (
        memory.of_cell(build(model="convnet", precision=name)) for name in ("float32", "bfloat16")
    )
    assert 0.4 < half.activations / single.activations < 0.65
    assert half.weights == single.weights


def test_packs_are_planned_no_wider_than_fits(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cells = [build(seed=seed) for seed in range(12)]
    widths = {1: SecondsPerImage(2.0, 2.0), 16: SecondsPerImage(1.0, 1.0)}
    Throughput({}).add(work_of(cells[0], CPU), Measured(widths, {}))
    total = memory.of_cell(cells[0]).total
    for free, width in ((None, 12), (int(6.5 * total / memory.SHARE), 6), (10, 1)):
        monkeypatch.setattr(plan, "free_bytes", lambda _, free=free: free)
        planned = plan.make_plan(Path("nowhere"), "mine", cells, TrainingOptions(CPU))
        assert planned.width(cells[0]) == width
        assert (
            plan.make_plan(Path("nowhere"), "mine", cells, TrainingOptions(CPU, 9)).width(cells[0])
            == 9
        )

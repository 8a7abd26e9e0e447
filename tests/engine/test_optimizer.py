"""The optimiser moves parameters to the bit as torch's classes do, and imports no compiler."""

import subprocess
import sys

import pytest
import torch

from benchmarks.engine.optimizer import Optimizer
from benchmarks.recipes import RECIPES

SPECS = (
    "small(momentum=0.7, weight_decay=0.2)",
    "small(nesterov=True)",
    "small(momentum=0.0, weight_decay=0.1)",
    "small(optimizer='adam', weight_decay=0.01)",
)


def of_torch(recipe, params):
    if recipe.optimizer == "adam":
        return torch.optim.Adam(params, weight_decay=recipe.weight_decay, fused=True)
    named = {"nesterov": recipe.nesterov, "weight_decay": recipe.weight_decay}
    return torch.optim.SGD(params, momentum=recipe.momentum, fused=True, **named)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("capturable", [False, True])
def test_the_kernels_are_those_of_torchs_classes(spec, capturable):
    recipe, rng = RECIPES.build(spec), torch.Generator().manual_seed(0)
    start = [torch.randn(5, 3, generator=rng), torch.randn(70, generator=rng)]
    ours, theirs = ([value.clone().requires_grad_() for value in start] for _ in range(2))
    optimizer, expected = Optimizer(recipe, ours, capturable=capturable), of_torch(recipe, theirs)
    for step in range(5):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn(own.shape, generator=rng)
            other.grad = own.grad.clone()
        optimizer.set_learning_rate(0.1 / (step + 1))
        assert optimizer.learning_rate() == pytest.approx(0.1 / (step + 1))
        (group,) = expected.param_groups
        group["lr"] = 0.1 / (step + 1)
        if capturable:
            group["lr"] = torch.tensor(group["lr"])
        for one in (optimizer, expected):
            one.step()
        for own, other, old in zip(ours, theirs, start, strict=True):
            assert torch.equal(own, other)
            assert not torch.equal(own, old)
    optimizer.zero_grad()
    assert all(own.grad is None for own in ours)


@pytest.mark.parametrize("width", [1, 2])
def test_a_pack_is_trained_without_the_compiler(width):
    program = f"""
import sys
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import train
from tests.cells import build, few
cell = build("ce_ema", model="mlp(first=8, second=8)", recipe="small(epochs=2)")
data = few(cell)
assert len(list(train(team_of([cell] * {width}, [data] * {width}, {width}, ())))) == 2
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)

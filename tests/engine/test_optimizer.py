"""The bare kernels move parameters to the bit as torch's classes do, and import no compiler."""

import subprocess
import sys

import pytest
import torch

from benchmarks.engine.graph import set_rate
from benchmarks.engine.optimizer import Bare, optimizer_of
from benchmarks.recipes import RECIPES

SPECS = (
    "small(momentum=0.7, weight_decay=0.2)",
    "small(nesterov=True)",
    "small(momentum=0.0, weight_decay=0.1)",
    "small(optimizer='adam', weight_decay=0.01)",
)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("graphed", [False, True])
def test_the_bare_kernels_are_those_of_the_classes(spec, graphed):
    recipe, rng = RECIPES.build(spec), torch.Generator().manual_seed(0)
    start = [torch.randn(5, 3, generator=rng), torch.randn(70, generator=rng)]
    ours, theirs = ([value.clone().requires_grad_() for value in start] for _ in range(2))
    both = Bare(recipe, ours, graphed=graphed), optimizer_of(recipe, theirs, graphed=graphed)
    for step in range(5):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn(own.shape, generator=rng)
            other.grad = own.grad.clone()
        for optimizer in both:
            set_rate(optimizer, 0.1 / (step + 1))
            optimizer.step()
        for own, other, old in zip(ours, theirs, start, strict=True):
            assert torch.equal(own, other)
            assert not torch.equal(own, old)


def test_a_pack_is_trained_without_the_compiler():
    program = """
import sys
from pathlib import Path
import torch
from benchmarks.engine.drivers import driven
from benchmarks.engine.data import load_cell_data
from tests.cells import build
cell = build("cross_entropy", model="mlp(first=8, second=8)", recipe="small(epochs=2)")
problem = load_cell_data(cell, Path("nowhere"), torch.device("cpu"))
assert len(list(driven([cell] * 2, [problem] * 2, 2, ()))) == 2
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)

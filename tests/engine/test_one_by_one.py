"""Cells with modules of their own, against a second engine, and as if each were alone."""

import pytest
import torch

from benchmarks.engine.loop import train
from benchmarks.engine.networks import fresh_networks
from benchmarks.engine.one_by_one import OneByOne
from methods import METHODS
from tests.cells import CPU, HARD, alone, build, few
from tests.oracles import fused

EVERY_HOOK = [
    "ce_ema",
    "pes",
    "reweighting",
    "co_teaching",
    "mixup",
    "gjs",
    "elr",
    "sop",
    "l2rw",
    "dividemix",
    "anl_ce(delta=0.01)",
]


@pytest.mark.parametrize("method", EVERY_HOOK)
@pytest.mark.usefixtures("double")
def test_every_hook_trains_as_in_a_second_engine(method):
    points = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1)]
    cells = [build(method, model="convnet", noise=n, seed=s, recipe=HARD) for n, s in points]
    data = [few(cell) for cell in cells]
    by_hand = fused.train(cells, data)  # (epochs, K, networks, M, C)
    for k, (cell, own) in enumerate(zip(cells, data, strict=True)):
        for epoch in alone(cell, own):
            expected = cell.method.predict(by_hand[epoch.number - 1, k])
            assert (epoch.test - expected).abs().max() < 1e-10


@pytest.mark.parametrize("method", ["co_teaching", "l2rw", "elr_plus", "pes", "sop", "forward"])
def test_a_cell_does_to_the_bit_what_it_does_alone_whoever_stands_beside(method):
    recipe = HARD.replace("epochs=2", "epochs=4")
    cells = [build(method, model="convnet", recipe=recipe, seed=seed) for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    together = list(train(OneByOne(cells, data)))
    for k, pair in enumerate(zip(cells, data, strict=True)):
        for epochs, expected in zip(together, alone(*pair), strict=True):
            assert (epochs[k].lr, epochs[k].loss) == (expected.lr, expected.loss)
            for name in ("train", "val", "test", "state"):
                both = getattr(epochs[k], name), getattr(expected, name)
                torch.testing.assert_close(*both, rtol=0, atol=0, equal_nan=True)


def test_methods_start_from_the_same_weights():
    weights = [fresh_networks(build(method), CPU, 0)[0][1].weight for method in METHODS]
    assert all(torch.equal(weight, weights[0]) for weight in weights)


def test_two_networks_and_a_second_stage_start_from_other_weights():
    two = [network[1].weight for network in fresh_networks(build("co_teaching"), CPU, 0)]
    fresh = fresh_networks(build("reweighting"), CPU, 1)[0][1].weight
    assert not torch.equal(two[0], two[1])
    assert not torch.equal(two[0], fresh)

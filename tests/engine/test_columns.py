"""Methods that ask for more outputs than there are classes: how those start, and who sees them."""

import pytest
import torch
from torch import nn

from benchmarks.engine.networks import fresh_networks
from benchmarks.models.base import widened
from tests.cells import alone, build, few


def test_outputs_beyond_the_classes_change_no_other_initial_weight():
    cells = [build(method, model="convnet", seed=3) for method in ("cross_entropy", "sgn")]
    (plain,), (wide,) = (fresh_networks(cell, few(cell), 0) for cell in cells)
    assert wide(torch.zeros(2, 1, 8, 8)).shape == (2, 18)
    for (name, own), other in zip(plain.named_parameters(), wide.parameters(), strict=True):
        assert torch.equal(own, other[: len(own)]), name
    rows = wide[-1].weight
    assert not torch.equal(rows[:8], rows[10:])  # drawn apart
    assert rows[10:].abs().max() <= 64**-0.5 < 1.1 * rows[10:].abs().max()  # as torch draws


def test_only_what_a_method_predicts_is_evaluated():
    cell = build("sgn", recipe="small(epochs=2)")
    epoch = alone(cell, few(cell))[-1]
    assert {own.shape[1] for own in (epoch.train, epoch.val, epoch.test)} == {10}


def test_a_network_whose_last_dense_layer_gives_no_logits_cannot_be_widened():
    network = nn.Sequential(nn.Linear(4, 6), nn.Softmax())
    with pytest.raises(ValueError, match="Sequential gives 6 numbers, not the logits of 10 cl"):
        widened(network, nn.Sequential(nn.Linear(4, 3)), 10)

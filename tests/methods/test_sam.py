"""Sharpness-aware minimisation against loops from its paper, and what a second pass leaves."""

import pytest
import torch

from benchmarks.engine.one_by_one import OneByOne
from tests.agreement import same
from tests.cells import batches_of, build, few
from tests.oracles import sam

pytestmark = pytest.mark.usefixtures("double")  # as the oracle does

RECIPE = "small(epochs=2, lr=0.3, batch=17, momentum=0.8, weight_decay=0.02)"


def started(method, model):
    """A cell of 41 images, and a team of it at the first of its 2 epochs."""
    cell = build(method, model=model, recipe=RECIPE)
    team = OneByOne([cell], [few(cell, 41)])
    team.begin(0, cell.method.stages(2)[0], cell.recipe)
    return cell, team


def test_weights_after_five_steps_are_those_of_the_loops():
    cell, team = started("sam(rho=0.7)", "linear")
    network = team.members[0].networks[0]
    first = [own.detach().clone() for own in network.parameters()]
    batches = [batch for epoch in (0, 1) for batch in batches_of(cell, team.data[0], epoch)][:5]
    network.train()
    losses = [team.step([batch], torch.tensor(0)).item() for batch in batches]
    rows = torch.cat([first[0], first[1][:, None]], 1).tolist()
    lists = [(image[0].flatten(1).tolist(), batch.label.tolist()) for image, batch in batches]
    weights, expected = sam.trained(rows, lists, 0.7, (0.3, 0.8, 0.02))
    own = [p.detach() for p in network.parameters()]
    same(torch.cat([own[0], own[1][:, None]], 1), torch.tensor(weights), atol=1e-12, rtol=0)
    assert losses == pytest.approx(expected, abs=1e-12)


def test_running_statistics_are_those_of_the_first_pass():
    after = []
    for method in ("cross_entropy", "sam(rho=0.7)"):
        cell, team = started(method, "convnet")
        network = team.members[0].networks[0].train()
        team.step(batches_of(cell, team.data[0], 0)[:1], torch.tensor(0))
        after.append((dict(network.named_buffers()), dict(network.named_parameters())))
    (buffers, params), (others, moved) = after
    assert len(buffers) > 1
    for name, value in buffers.items():
        same(others[name], value, rtol=0, atol=0)
    assert not torch.equal(next(iter(params.values())), next(iter(moved.values())))

"""Stages that renew layers, and averages of weights: in every team, and against loops."""

import pytest
import torch
from torch import nn

from benchmarks.contract.samples import EPOCHS, C, outputs_of, started, task
from benchmarks.engine.loop import train
from benchmarks.engine.one_by_one import Average
from benchmarks.engine.stack import Stack, StackedAverage
from benchmarks.models import MODELS
from benchmarks.models.base import last_layers
from methods import METHODS
from tests.agreement import same
from tests.cells import HARD, alone, build, few
from tests.methods.visits import visits
from tests.oracles import fused
from tests.oracles import methods as oracles
from tests.oracles import regularisation as papers

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


@pytest.mark.parametrize("method", ["pes(upper=3, top=2)", "elr_plus"])
def test_teams_agree_on_stages_that_renew_layers_and_on_averages_that_peek(method):
    points = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1)]
    recipe = HARD.replace("epochs=2", "epochs=4")  # all four stages of pes
    cells = [build(method, model="convnet", noise=n, seed=s, recipe=recipe) for n, s in points]
    data = [few(cell, 199) for cell in cells]
    one_by_one = [alone(*pair) for pair in zip(cells, data, strict=True)]
    by_hand = fused.train(cells, data)  # (epochs, K, networks, M, C)
    for number, epochs in enumerate(train(Stack(cells, data))):
        for k, epoch in enumerate(epochs):
            expected = one_by_one[k][number]
            assert epoch.lr == expected.lr
            assert (epoch.test - expected.test).abs().max() < 1e-10
            found = cells[k].method.predict(by_hand[number, k])
            assert (found - expected.test).abs().max() < 1e-10


def test_a_layer_is_a_child_with_a_matrix_and_what_follows_it():
    convnet = MODELS.build("convnet").build((1, 8, 8), 10)
    assert last_layers(convnet, 1) == ["10.weight", "10.bias"]
    assert {name.split(".")[0] for name in last_layers(convnet, 3)} == {"3", "4", "8", "10"}
    assert "4.running_var" in last_layers(convnet, 3)
    for count in (0, 4, 99):
        assert last_layers(convnet, count) == list(convnet.state_dict())
    resnet = MODELS.build("resnet18").build((3, 32, 32), 10)
    renewed = {name.split(".")[0] for name in last_layers(resnet, 3)}
    blocks = [
        name for name, child in resnet.named_children() if any(True for _ in child.children())
    ]
    assert renewed == {*blocks[-2:], list(dict(resnet.named_children()))[-1]}


def test_an_average_is_the_plain_mean_until_it_is_as_long_as_its_decay():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = Average(network, 0.75)
    stacked = StackedAverage(*_state_of(network), 0.75)
    weights, expected = [], None
    for step in range(1, 9):
        with torch.no_grad():
            for tensor in (*network.parameters(), network[1].running_mean):
                tensor.add_(torch.randn_like(tensor))
        average.update(network)
        stacked.update(*_state_of(network))
        weights.append(torch.cat([network[0].weight.flatten(), network[1].running_mean]).detach())
        mean = torch.stack(weights).mean(0)
        expected = mean if step <= 4 else 0.75 * expected + 0.25 * weights[-1]
        same(_flat(dict(average.network.state_dict())), expected)
        same(_flat({**stacked.params, **stacked.buffers}), expected)


def _state_of(network):
    params = {name: p.detach().clone() for name, p in network.named_parameters()}
    return params, {name: b.clone() for name, b in network.named_buffers()}


def _flat(tensors):
    return torch.cat([tensors["0.weight"].flatten(), tensors["1.running_mean"]])


def test_the_horizon_is_a_share_of_the_training_and_the_memory_a_number_of_epochs():
    assert METHODS.build("ce_ema(horizon=0.2)").decay(8, 30) == pytest.approx(1 - 1 / 48)
    assert METHODS.build("ce_ema(horizon=1e-06)").decay(8, 30) == 0.0
    assert METHODS.build("elr_plus").decay(391, 200) == pytest.approx(0.997, abs=2e-5)


def test_averaged_weights_never_steer_the_training_of_ce_ema():
    plain, averaged = (build(m, recipe="small(epochs=2)") for m in ("cross_entropy", "ce_ema"))
    data = few(plain)
    for one, other in zip(alone(plain, data), alone(averaged, data), strict=True):
        assert one.loss == other.loss
        assert not torch.equal(one.test, other.test)


@pytest.mark.parametrize("epochs", [2, 3, 4, 30, 200])
def test_pes_trains_all_then_less_and_less_then_all(epochs):
    stages = METHODS.build("pes").stages(epochs)
    assert [stage.fresh_layers for stage in stages] == [*[0, 2, 1][: epochs - 1], 0]
    if epochs == 200:
        assert [stage.epochs for stage in stages] == [25, 20, 20, 135]
    assert all(stage.recipe["optimizer"] == "adam" for stage in stages if stage.fresh_layers)


def test_pes_against_the_loop():
    method, training = METHODS.build("pes"), task()
    outputs = 2 * outputs_of(method)
    outputs[0, :, 1] -= 9  # so that no example of a class is confident
    start = sum(stage.epochs for stage in method.stages(EPOCHS)[:-1])
    before = started(method, training)
    early = method.refit(outputs, before, torch.tensor(start - 1))
    same(early["kept"], before["kept"])
    state = method.refit(outputs, before, torch.tensor(start))
    labels = training.label.tolist()
    kept, weights = papers.pes_weights(outputs[0].tolist(), labels, C)
    assert state["kept"].tolist() == kept
    assert 0 < sum(kept) < len(kept)
    assert weights[1] == 0
    same(state["weight"], torch.tensor(weights))
    for rows, batch, loss, gradient, after in visits("pes", torch.tensor(start), state):
        own, given = [kept[i] for i in batch.ids.tolist()], batch.label.tolist()

        def paper(moved, own=own, given=given):
            return papers.pes(moved, given, own, weights)

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-7)
        same(after["kept"], state["kept"])
    for rows, batch, loss, _, _ in visits("pes", torch.tensor(0)):
        plain = oracles.mean(oracles.cross_entropy(rows, batch.label.tolist()))
        assert loss == pytest.approx(plain, rel=1e-12)

"""Teams: cells one by one against a second engine, and stacks of cells against these."""

import math

import pytest
import torch

from benchmarks.engine import loop
from benchmarks.engine.batches import steps_of
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import EvaluationImages, train
from benchmarks.engine.networks import fresh_networks, without_running_statistics
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.engine.stack import Stack
from methods import METHODS, Method
from tests.cells import CPU, HARD, NOWHERE, alone, build, few
from tests.oracles import fused

EVERY_HOOK = ["ce_ema", "pes", "reweighting", "co_teaching", "mixup", "gjs", "elr", "sop"]
EVERY_HOOK += ["l2rw", "dividemix", "anl_ce(delta=0.01)", "sam", "sgn"]
VARIANTS = ["forward(source='given')", "co_teaching(loss='gce')"]
HOOKS = {name for name in vars(Method) if not name.startswith("_")} - {"losses"}
MORE_THAN_LOSSES = [name for name in METHODS if vars(METHODS[name]).keys() & HOOKS]
CASES = [(method, "mlp") for method in (*METHODS, *VARIANTS)]
CASES += [(method, "convnet") for method in ("cross_entropy", *EVERY_HOOK)]
CASES += [(method, "airbench(width=2)") for method in ("elr_plus", "l2rw")]
OTHERS = {(method, "convnet") for method in (*MORE_THAN_LOSSES, *VARIANTS)}.difference(CASES)
CASES += [pytest.param(*case, marks=pytest.mark.soak) for case in sorted(OTHERS)]
POINTS = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1), ("clean", 1)]  # noise, seed


@pytest.mark.parametrize("method", EVERY_HOOK)
@pytest.mark.usefixtures("double")
def test_every_hook_trains_as_in_a_second_engine(method):
    cells = [build(method, model="convnet", noise=n, seed=s, recipe=HARD) for n, s in POINTS[:2]]
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


def fresh(cell, stage):
    """The networks that a stage of a cell starts with."""
    return fresh_networks(cell, load_cell_data(cell, NOWHERE, CPU), stage)


def test_methods_start_from_the_same_weights():
    weights = [fresh(build(method), 0)[0][1].weight for method in METHODS]
    assert all(torch.equal(weight, weights[0]) for weight in weights)


def test_two_networks_and_a_second_stage_start_from_other_weights():
    two = [network[1].weight for network in fresh(build("co_teaching"), 0)]
    second = fresh(build("reweighting"), 1)[0][1].weight
    assert not torch.equal(two[0], two[1])
    assert not torch.equal(two[0], second)


@pytest.mark.usefixtures("double")
def test_initial_weights_that_depend_on_images_see_those_that_are_trained_on():
    cells = [build(model="airbench(width=2)", recipe=HARD, seed=seed) for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    by_hand = []
    for cell, own in zip(cells, data, strict=True):
        network = fresh_networks(cell, own, 0)[0]
        values = network[0](own.pixels(own.train))[:, :4]  # (n, directions, 7, 7)
        covariance = torch.einsum("nchw,ndhw->cd", values, values) / values[:, 0].numel()
        torch.testing.assert_close(covariance, torch.eye(4), rtol=0, atol=0.01)
        by_hand.append(network[0].weight)
    stack = Stack(cells, data)
    stack.begin(0, cells[0].method.stages(2)[0], cells[0].recipe)
    assert torch.equal(stack.buffers["0.weight"][:, 0], torch.stack(by_hand))


def test_a_schedule_of_steps_sets_the_rate_before_each_step():
    recipe = "airbench(epochs=2, batch=97, crop=1)"
    cell = build(recipe=recipe)
    team, rates = OneByOne([cell], [few(cell)]), []
    team.set_learning_rate = rates.append
    epochs = [epoch for (epoch,) in train(team)]
    steps = steps_of(cell, 293)
    expected = [cell.recipe.lr_at(step / steps, 2) for step in range(2 * steps)]
    assert rates == [expected[0], *expected[:steps], expected[steps], *expected[steps:]]
    assert [epoch.lr for epoch in epochs] == [expected[0], expected[steps]]


@pytest.mark.parametrize(("method", "model"), CASES)
@pytest.mark.usefixtures("double")
def test_a_stack_trains_as_its_cells_do_one_by_one(method, model):
    recipe = HARD.replace("clip_norm=0.5", "clip_norm=0.5, rotation=20.0, nesterov=True")
    cells = [build(method, model=model, noise=n, seed=s, recipe=recipe) for n, s in POINTS]
    data = [few(cell) for cell in cells]
    one_by_one = [alone(*pair) for pair in zip(cells, data, strict=True)]
    for number, epochs in enumerate(train(Stack(cells, data))):
        for k, epoch in enumerate(epochs):
            expected = one_by_one[k][number]
            assert (epoch.number, epoch.final_stage, epoch.lr) == expected[:3]
            assert epoch.loss == pytest.approx(expected.loss, abs=1e-10)
            for name in ("train", "val", "test"):
                apart = getattr(epoch, name) - getattr(expected, name)
                assert apart.abs().max() < 1e-10
            assert epoch.state.keys() == expected.state.keys()
            for name, value in expected.state.items():
                apart = epoch.state[name].double() - value.double()
                assert apart.abs().max() < 1e-10 * max(1.0, value.double().abs().max())


@pytest.mark.parametrize("method", ["elr", "co_teaching", "reweighting"])
def test_neighbours_place_and_width_of_a_pack_change_no_byte(method):
    recipe = "small(epochs=2, batch=127)"  # leaves 81: nothing that registers divide
    noises = [f"symmetric(rate=0.{k + 1})" for k in range(4)]
    cells = [build(method, seed=k, noise=noise, recipe=recipe) for k, noise in enumerate(noises)]
    bad = build(method, seed=7, noise="clean", recipe=recipe)
    seen = {}
    for width in (4, 5, 9):
        for pack in (cells[:2], cells[::-1], cells, [cells[2], bad, cells[0]], [cells[0]]):
            records = train_and_record(pack, PackSetup(NOWHERE, CPU, keep_all=True, width=width))
            for cell, record in zip(pack, records, strict=True):
                bytes_ = {name: array.tobytes() for name, array in record.arrays.items()}
                assert seen.setdefault(cell.id, bytes_) == bytes_
    assert len(seen) == 5


@pytest.mark.parametrize("method", ["l2rw", "cross_entropy"])
def test_a_network_is_copied_for_a_look_ahead_once_a_stage(method, monkeypatch):
    copied = []
    monkeypatch.setattr(
        "benchmarks.engine.stack.without_running_statistics",
        lambda network: copied.append(network) or without_running_statistics(network),
    )
    cells = [build(method, model="convnet", recipe=HARD, seed=seed) for seed in (0, 1)]
    list(train(Stack(cells, [few(cell) for cell in cells])))
    assert len(copied) == (method == "l2rw")


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("method", ["l2rw", "mw_net"])
def test_a_method_without_a_clean_image_to_learn_from_is_refused_in_every_team(method, width):
    setup = PackSetup(NOWHERE, CPU, keep_all=True, width=width)
    cells = [build(method, noise="open_set(rate=1.0)", seed=seed) for seed in (0, 1)]
    with pytest.raises(ValueError, match=rf"{method} learns .* under open_set\(rate=1.0\) none"):
        train_and_record(cells, setup)
    cells = [build(method, seed=seed) for seed in (0, 1)]
    data = [few(cell)._replace(trusted=torch.tensor([], dtype=torch.long)) for cell in cells]
    with pytest.raises(ValueError, match="this method needs the privilege clean_subset"):
        list(train(team_of(cells, data, width, ())))


def test_a_diverging_cell_leaves_its_neighbours_alone(monkeypatch):
    cells = [build(seed=k) for k in range(3)]
    together = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))

    def poison(cell, root, device):
        data = load_cell_data(cell, root, device)
        return data._replace(mean=data.mean * math.nan) if cell.seed == 1 else data

    monkeypatch.setattr("benchmarks.engine.record.load_cell_data", poison)
    poisoned = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))
    assert [record.meta.status for record in poisoned] == ["done", "diverged", "done"]
    for k in (0, 2):
        for name, array in together[k].arrays.items():
            assert array.tobytes() == poisoned[k].arrays[name].tobytes()


def test_images_made_anew_for_every_evaluation_are_those_that_are_kept(monkeypatch):
    data = [load_cell_data(build(seed=seed), NOWHERE, CPU) for seed in (0, 1)]
    kept = EvaluationImages(data)
    monkeypatch.setattr(loop, "KEPT_PIXELS", 0)
    anew = EvaluationImages(data)
    images = (data[1].train, data[1].val, data[1].test.image)
    for name, image in zip(loop.SETS, images, strict=True):
        one, other = kept.of(name), anew.of(name)
        assert isinstance(one, list)
        assert torch.equal(torch.cat(one, 1), torch.cat(list(other), 1))
        assert torch.equal(torch.cat(one, 1)[1], data[1].pixels(image))


@pytest.mark.parametrize("spec", ["small(epochs=2)", "small(epochs=2, crop=1)"])
@pytest.mark.parametrize("team", [OneByOne, Stack])
def test_images_that_are_normalised_once_train_as_they_do_otherwise(spec, team, monkeypatch):
    cell = build(recipe=spec)
    data = load_cell_data(cell, NOWHERE, CPU)
    (chosen,) = team_of([cell], [data], 1, ()).data
    assert chosen.train.is_floating_point() == (not cell.recipe.augments)
    both = (train(team([cell] * 2, [own] * 2)) for own in (chosen, data))
    for one, other in zip(*both, strict=True):
        assert torch.equal(one[0].test, other[0].test)
        assert one[0].loss == other[0].loss
    monkeypatch.setattr("benchmarks.engine.data.FEW_PIXELS", 10)
    assert data.normalised_once().train.dtype == torch.uint8


def test_teams_are_chosen_by_width_and_padded_to_it():
    cells = [build(seed=seed, model="mlp(first=19, second=13)") for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    team = team_of(cells, data, 4, ())
    assert isinstance(team, Stack)
    assert [cell.seed for cell in team.cells] == [0, 1, *[1] * (2 + 1)]  # and beyond the tail
    one = team_of(cells[:1], data[:1], 1, ())
    assert isinstance(one, OneByOne)
    assert torch.equal([*train(one)][-1][0].test, alone(cells[0], data[0])[-1].test)

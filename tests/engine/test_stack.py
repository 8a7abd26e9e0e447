"""Stacked cells train as they do one by one, whoever stands beside them."""

import math

import pytest

from benchmarks.engine.data import load_cell_data
from benchmarks.engine.loop import train
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.engine.stack import Stack
from methods import METHODS, Method
from tests.cells import CPU, HARD, NOWHERE, alone, build, few

VARIANTS = ["forward(source='given')", "co_teaching(loss='gce')"]
HOOKS = {name for name in vars(Method) if not name.startswith("_")} - {"losses"}
MORE_THAN_LOSSES = [name for name in METHODS if vars(METHODS[name]).keys() & HOOKS]
CASES = [(method, "mlp") for method in (*METHODS, *VARIANTS)]
CASES += [(method, "convnet") for method in ("cross_entropy", *MORE_THAN_LOSSES, *VARIANTS)]


@pytest.mark.parametrize(("method", "model"), CASES)
@pytest.mark.usefixtures("double")
def test_a_stack_trains_as_its_cells_do_one_by_one(method, model):
    points = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1), ("clean", 1)]
    recipe = HARD.replace("clip_norm=0.5", "clip_norm=0.5, rotation=20.0, nesterov=True")
    cells = [build(method, model=model, noise=n, seed=s, recipe=recipe) for n, s in points]
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
                assert (epoch.state[name].double() - value.double()).abs().max() < 1e-10


@pytest.mark.usefixtures("double")
def test_a_stack_steps_with_adam_as_its_cells_do_one_by_one():
    recipe = "small(epochs=2, optimizer='adam', lr=0.001, weight_decay=0.01)"
    cells = [build(recipe=recipe, seed=seed) for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    *_, last = train(Stack(cells, data))
    for epoch, cell, own in zip(last, cells, data, strict=True):
        assert (epoch.test - alone(cell, own)[-1].test).abs().max() < 1e-10


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


def test_a_diverging_cell_leaves_its_neighbours_alone(monkeypatch):
    cells = [build(seed=k) for k in range(3)]
    together = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))

    def poison(cell, root, device):
        data = load_cell_data(cell, root, device)
        return data._replace(mean=data.mean * math.nan) if cell.seed == 1 else data

    monkeypatch.setattr("benchmarks.engine.record.load_cell_data", poison)
    poisoned = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))
    assert [record.meta["status"] for record in poisoned] == ["done", "diverged", "done"]
    for k in (0, 2):
        for name, array in together[k].arrays.items():
            assert array.tobytes() == poisoned[k].arrays[name].tobytes()

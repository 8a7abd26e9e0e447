"""The drivers against each other and a second engine, and what a cell leaves behind."""

import math
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import schema
from benchmarks.engine import packed, reference
from benchmarks.engine.batches import batches
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.optimizer import optimizer_of
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.planning.plan import choose_device, kinds, packs
from benchmarks.store import CURVE_VALUES
from methods import METHODS, Method
from tests.cells import build
from tests.oracles import fused

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")
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
]
EVERY_HOOK += ["anl_ce(delta=0.01)"]
VARIANTS = ["forward(source='given')", "co_teaching(loss='gce')"]
HOOKS = {name for name in vars(Method) if not name.startswith("_")} - {"losses"}
MORE_THAN_LOSSES = [name for name in METHODS if vars(METHODS[name]).keys() & HOOKS]
PACKED = [(method, "mlp") for method in (*METHODS, *VARIANTS)]
PACKED += [(method, "convnet") for method in ("cross_entropy", *MORE_THAN_LOSSES, *VARIANTS)]
HARD = "small(epochs=2, lr=0.05, batch=97, weight_decay=0.01, clip_norm=0.5, crop=1, flip=True)"


def trained(cell, *, keep_all=True, width=1):
    (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all, width))
    return record


def few(problem, size=293):
    names = ("train", "noisy", "clean", "position")
    kept = {name: getattr(problem, name)[:size] for name in names}
    kept |= {name: getattr(problem, name)[:31] for name in ("val", "val_noisy", "val_clean")}
    test = type(problem.test)(problem.test.image[:83], problem.test.label[:83])
    trusted = problem.trusted[problem.trusted < size][:20]
    return problem._replace(**kept, test=test, trusted=trusted)


@pytest.mark.parametrize("method", EVERY_HOOK)
@pytest.mark.usefixtures("double")
def test_hooks_mapped_over_cells_train_as_the_reference_does_one_by_one(method):
    points = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1)]
    cells = [build(method, model="convnet", noise=n, seed=s, recipe=HARD) for n, s in points]
    problems = [few(load_cell_data(cell, NOWHERE, CPU)) for cell in cells]
    together = fused.train(cells, problems)  # (epochs, K, networks, M, C)
    for k, (cell, problem) in enumerate(zip(cells, problems, strict=True)):
        for epoch in reference.train(cell, problem):
            expected = cell.method.predict(together[epoch.number - 1, k])
            assert (epoch.test - expected).abs().max() < 1e-10


@pytest.mark.parametrize(("method", "model"), PACKED)
@pytest.mark.usefixtures("double")
def test_a_pack_trains_as_the_reference_does_one_by_one(method, model):
    points = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1), ("clean", 1)]
    recipe = HARD.replace("clip_norm=0.5", "clip_norm=0.5, rotation=20.0, nesterov=True")
    cells = [build(method, model=model, noise=n, seed=s, recipe=recipe) for n, s in points]
    problems = [few(load_cell_data(cell, NOWHERE, CPU)) for cell in cells]
    alone = [list(reference.train(*pair)) for pair in zip(cells, problems, strict=True)]
    for number, epochs in enumerate(packed.train(cells, problems)):
        for k, epoch in enumerate(epochs):
            expected = alone[k][number]
            assert (epoch.number, epoch.final_stage, epoch.lr) == expected[:3]
            assert epoch.loss == pytest.approx(expected.loss, abs=1e-10)
            for name in ("train", "val", "test"):
                apart = getattr(epoch, name) - getattr(expected, name)
                assert apart.abs().max() < 1e-10
            assert epoch.state.keys() == expected.state.keys()
            for name, value in expected.state.items():
                assert (epoch.state[name].double() - value.double()).abs().max() < 1e-10


@pytest.mark.usefixtures("double")
def test_a_pack_steps_with_adam_as_the_reference_does():
    recipe = "small(epochs=2, optimizer='adam', lr=0.001, weight_decay=0.01)"
    cells = [build(recipe=recipe, seed=seed) for seed in (0, 1)]
    problems = [few(load_cell_data(cell, NOWHERE, CPU)) for cell in cells]
    *_, last = packed.train(cells, problems)
    for epoch, cell, problem in zip(last, cells, problems, strict=True):
        *_, expected = reference.train(cell, problem)
        assert (epoch.test - expected.test).abs().max() < 1e-10


@pytest.mark.parametrize("method", ["elr", "co_teaching", "reweighting"])
def test_neighbours_place_and_width_of_a_pack_change_no_byte(method):
    recipe = "small(epochs=2, batch=127)"  # leaves 81: nothing that registers divide
    noises = [f"symmetric(rate=0.{k + 1})" for k in range(4)]
    cells = [build(method, seed=k, noise=noise, recipe=recipe) for k, noise in enumerate(noises)]
    bad = build(method, seed=7, noise="clean", recipe=recipe)
    found = {}
    for width in (4, 5, 9):
        for pack in (cells[:2], cells[::-1], cells, [cells[2], bad, cells[0]], [cells[0]]):
            records = train_and_record(pack, PackSetup(NOWHERE, CPU, keep_all=True, width=width))
            for cell, record in zip(pack, records, strict=True):
                bytes_ = {name: array.tobytes() for name, array in record.arrays.items()}
                assert found.setdefault(cell.id, bytes_) == bytes_
    assert len(found) == 5


def test_a_diverging_cell_leaves_its_neighbours_alone(monkeypatch):
    cells = [build(seed=k) for k in range(3)]
    together = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))

    def poison(cell, root, device):
        problem = load_cell_data(cell, root, device)
        return problem._replace(mean=problem.mean * math.nan) if cell.seed == 1 else problem

    monkeypatch.setattr("benchmarks.engine.record.load_cell_data", poison)
    poisoned = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))
    assert [record.meta["status"] for record in poisoned] == ["done", "diverged", "done"]
    for k in (0, 2):
        for name, array in together[k].arrays.items():
            assert array.tobytes() == poisoned[k].arrays[name].tobytes()


def test_packs_are_cut_evenly_from_cells_that_are_alike():
    cells = [build(method, seed=s) for method in ("elr", "co_teaching") for s in range(25)]
    cells += [build("elr", recipe="small(epochs=4)")]
    found = packs(cells, dict.fromkeys(kinds(cells), 8))
    assert [len(pack.cells) for pack in found] == [7, 6, 6, 6, 7, 6, 6, 6, 1]
    every = [cell.id for pack in found for cell in pack.cells]
    assert sorted(every) == sorted(cell.id for cell in cells)
    assert all(len({(c.method, c.recipe) for c in pack.cells}) == 1 for pack in found)
    assert found[0].cells[0].method.networks == 2  # the longest go first
    alone = packs(cells, dict.fromkeys(kinds(cells), 1))
    assert {len(pack.cells) for pack in alone} == {1}


@pytest.mark.parametrize("method", METHODS)
def test_training_again_gives_the_same_bytes(method):
    first, again = (trained(build(method), keep_all=True) for _ in range(2))
    assert {n: a.tobytes() for n, a in first.arrays.items()} == {
        n: a.tobytes() for n, a in again.arrays.items()
    }


def test_methods_start_from_the_same_weights_and_see_the_same_order():
    cells = [build(method) for method in METHODS]
    problems = [load_cell_data(cell, NOWHERE, CPU) for cell in cells]
    weights = [reference.networks_of(cell, CPU, 0)[0][1].weight for cell in cells]
    orders = [
        torch.cat([batch.ids for _, batch in batches(cell, problem, 1)])
        for cell, problem in zip(cells, problems, strict=True)
    ]
    assert all(torch.equal(w, weights[0]) for w in weights)
    assert all(torch.equal(o, orders[0]) for o in orders)
    assert len({p.noise_sha256 for p in problems}) == 1


def test_two_networks_and_a_second_stage_start_from_other_weights():
    two = [net[1].weight for net in reference.networks_of(build("co_teaching"), CPU, 0)]
    fresh = reference.networks_of(build("reweighting"), CPU, 1)[0][1].weight
    assert not torch.equal(two[0], two[1])
    assert not torch.equal(two[0], fresh)


@pytest.mark.parametrize(
    ("size", "lengths"), [(128, [64, 64]), (129, [64, 65]), (130, [64, 64, 2])]
)
def test_a_last_batch_of_one_joins_the_one_before(size, lengths):
    cell = build(recipe="small(batch=64)")
    problem = load_cell_data(cell, NOWHERE, CPU)
    short = problem._replace(noisy=problem.noisy[:size])
    found = [batch.ids for _, batch in batches(cell, short, 0)]
    assert [len(ids) for ids in found] == lengths
    assert torch.cat(found).sort().values.tolist() == list(range(size))


def test_the_recipe_reaches_the_optimiser():
    networks = reference.networks_of(build(), CPU, 0)
    adam = build(recipe="small(optimizer='adam', lr=0.003, weight_decay=0.1)").recipe
    sgd = build(recipe="small(momentum=0.7, weight_decay=0.2)").recipe
    for recipe, kind in ((adam, torch.optim.Adam), (sgd, torch.optim.SGD)):
        optimizer = optimizer_of(recipe, list(networks[0].parameters()))
        (group,) = optimizer.param_groups
        assert type(optimizer) is kind
        assert (group["lr"], group["weight_decay"]) == (recipe.lr, recipe.weight_decay)
    assert group["momentum"] == 0.7


def test_a_cell_leaves_what_its_rows_need():
    record = trained(build("reweighting"), keep_all=True)
    arrays, n = record.arrays, record.meta["facts"]["n_train"]
    assert record.meta["status"] == "done"
    assert record.meta["selections"] == ["last", "val", "oracle"]
    assert n == 1078 - round(107.8)
    assert arrays["curves"].shape == (3, len(CURVE_VALUES))
    assert arrays["logits"].shape == (3, 719, 10)
    assert arrays["logits"].dtype == np.float32
    assert arrays["bins"].shape == (3, schema.BINS_COUNT, 3)
    assert (arrays["bins"][..., 0].sum(1) == 719).all()
    assert arrays["train_scores"].shape == (2, n)
    assert arrays["final"].tolist() == [1, 2]  # the first epoch is the warm-up
    assert arrays["selected"].min() >= 1


def test_selections_are_the_first_best_epochs_of_the_final_stage():
    record = trained(build(recipe="small(epochs=12)"), keep_all=True)
    curves = record.arrays["curves"]
    val, acc = (curves[:, CURVE_VALUES.index(name)] for name in ("val_acc", "acc"))
    assert record.arrays["selected"].tolist() == [11, int(val.argmax()), int(acc.argmax())]


def test_without_validation_images_nothing_is_selected_on_them():
    record = trained(build(recipe="small(val_fraction=0.0)"), keep_all=False)
    assert record.meta["selections"] == ["last", "oracle"]
    assert record.arrays["logits"].shape[0] == 1


def test_the_scores_rank_mislabelled_examples_by_the_loss_on_their_given_label():
    cell = build(recipe="small(epochs=4)")
    problem = load_cell_data(cell, NOWHERE, CPU)
    epochs = list(reference.train(cell, problem))
    losses = [
        torch.nn.functional.cross_entropy(e.train.double(), problem.noisy, reduction="none")
        for e in epochs
    ]
    last, mean = trained(cell, keep_all=False).arrays["train_scores"]
    np.testing.assert_allclose(last, losses[-1].numpy(), rtol=1e-12)
    np.testing.assert_allclose(mean, torch.stack(losses).mean(0).numpy(), rtol=1e-12)


def test_a_diverging_cell_says_when_and_keeps_its_curves():
    record = trained(build(recipe="small(lr=1e30)"), keep_all=True)
    assert record.meta["status"] == "diverged"
    assert "epoch" in record.meta["reason"]
    assert list(record.arrays) == ["curves"]


@pytest.mark.parametrize(
    ("method", "backward"),
    [("cross_entropy", 1), ("co_teaching", 2), ("gjs", 2), ("forward", 1), ("dividemix", 4)],
)
def test_costs_count_networks_views_peeks_and_refits(method, backward):
    cell = build(method)
    with counted_images() as seen:
        costs = trained(cell, keep_all=False).meta["costs"]
    refits = 2 * 970 * cell.method.networks if method in {"forward", "dividemix"} else 0
    assert costs["forward_passes"] == sum(seen) + refits
    assert costs["backward_passes"] == backward * 3 * 970
    assert costs["steps"] == 3 * 8


def test_costs_count_the_look_ahead_of_reweighting_by_clean_examples():
    cell = build("l2rw(per_class=15)")  # 150 trusted images: batches of 128, 22, 128, ...
    with counted_images() as seen:
        costs = trained(cell, keep_all=False).meta["costs"]
    assert costs["forward_passes"] == sum(seen) == 3 * (2 * 970 + 4 * 150)
    assert costs["backward_passes"] == 3 * (3 * 970 + 4 * 150)


@contextmanager
def counted_images():
    """The size of every batch that whole networks see in training mode."""
    seen = []

    def note(module, inputs, _):
        if isinstance(module, nn.Sequential) and module.training and inputs[0].ndim == 4:
            seen.append(len(inputs[0]))

    hook = nn.modules.module.register_module_forward_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


def test_longest_cells_go_first():
    cells = [build(), build("co_teaching"), build(recipe="small(epochs=9)")]
    found = packs(cells, dict.fromkeys(kinds(cells), 1))
    assert [pack.cells[0] for pack in found] == [cells[2], cells[1], cells[0]]


def test_a_device_that_is_not_there_is_refused():
    assert choose_device("cpu") == CPU
    with pytest.raises(RefusedError, match="unknown device 'gpu'; known: cuda"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(RefusedError, match="no cuda device"):
            choose_device("cuda")

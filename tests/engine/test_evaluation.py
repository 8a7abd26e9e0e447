"""Evaluation: the epochs that a recipe leaves out of it, its seconds, and its images."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import schema
from benchmarks.engine import arithmetic, loop
from benchmarks.engine.loop import train
from benchmarks.engine.measure import collect
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.engine.stack import Stack
from benchmarks.engine.vmap import forward
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import make_plan
from benchmarks.planning.throughput import SecondsPerImage
from benchmarks.recipes import RECIPES
from benchmarks.store import CURVE_VALUES, Parts, derive, write_part
from tests.cells import CPU, NOWHERE, build, few

EPOCHS = 12
EVERY, THINNED = f"small(epochs={EPOCHS})", f"small(epochs={EPOCHS}, evaluate_every=5)"
METHODS = ["cross_entropy", "early_stopping", "ce_ema", "gce_trunc", "reweighting", "dividemix"]


def both(method):
    """A cell that is evaluated after every epoch, and one that is not."""
    return build(method, recipe=EVERY), build(method, recipe=THINNED)


def trained(cell):
    (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all=True))
    return record


def column(record, name):
    return record.arrays["curves"][:, CURVE_VALUES.index(name)]


@pytest.mark.parametrize("stages", [[12], [4, 8], [1, 1, 10], [0, 12], [12, 0], []])
@pytest.mark.parametrize("every", [1, 5, 12, 100])
def test_every_nth_epoch_is_evaluated_and_the_last_of_each_stage(stages, every):
    ends = {sum(stages[: k + 1]) for k in range(len(stages))}
    expected = [number % every == 0 or number in ends for number in range(1, sum(stages) + 1)]
    assert RECIPES.build(f"small(evaluate_every={every})").evaluated(stages) == expected


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("team", [OneByOne, Stack])
def test_the_weights_are_those_of_a_cell_that_is_evaluated_after_every_epoch(method, team):
    plain, thinned = both(method)
    data, shown = few(plain), set()
    pairs = zip(*(train(team([cell], [data])) for cell in (plain, thinned)), strict=True)
    for (expected,), (epoch,) in pairs:
        assert epoch[:4] == expected[:4]
        torch.testing.assert_close(epoch.state, expected.state, rtol=0, atol=0, equal_nan=True)
        if epoch.evaluated:
            shown.add(epoch.number)
        for name in ("train", "val", "test"):
            wanted = getattr(expected, name)
            assert torch.equal(getattr(epoch, name), wanted if epoch.evaluated else wanted[:0])
    ends = np.cumsum([stage.epochs for stage in plain.method.stages(EPOCHS)])
    assert shown == {5, 10, *ends.tolist()}


@pytest.mark.parametrize("method", ["cross_entropy", "early_stopping", "reweighting"])
def test_epochs_between_have_a_row_with_blank_metrics_and_are_never_selected(method):
    plain, thinned = map(trained, both(method))
    shown = ~np.isnan(column(thinned, "acc"))
    assert [e for e in column(thinned, "epoch")[shown] if e != 2] == [5, 10, EPOCHS]
    blank = thinned.arrays["curves"][~shown]
    assert np.isnan(blank[:, CURVE_VALUES.index("val_acc") :]).all()
    known = CURVE_VALUES.index("val_acc")
    np.testing.assert_array_equal(
        thinned.arrays["curves"][:, :known], plain.arrays["curves"][:, :known]
    )
    same = thinned.arrays["curves"][shown], plain.arrays["curves"][shown]
    np.testing.assert_allclose(*same, rtol=1e-12, atol=1e-14)
    final, (last, *_) = thinned.arrays["final"], thinned.arrays["selected"]
    assert final.tolist() == list(range(plain.arrays["final"][0], last + 1))
    own = np.array([row for row in range(EPOCHS) if shown[row] and row >= final[0]])
    best = {name: own[np.argmax(column(thinned, name)[own])] for name in ("val_acc", "acc")}
    last = best["val_acc"] if method == "early_stopping" else EPOCHS - 1
    assert thinned.arrays["selected"].tolist() == [last, best["val_acc"], best["acc"]]


def test_a_mean_loss_is_over_the_evaluated_epochs_and_costs_are_the_same():
    plain, thinned = both("forward")
    data = few(plain)
    losses = [
        torch.nn.functional.cross_entropy(epoch.train.double(), data.noisy, reduction="none")
        for (epoch,) in train(OneByOne([thinned], [data]))
        if epoch.evaluated and epoch.final_stage
    ]
    assert len(losses) == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.engine.record.load_cell_data", lambda *_: data)
        records = trained(plain), trained(thinned)
    mean = records[1].arrays["train_scores"][1]
    np.testing.assert_allclose(mean, torch.stack(losses).mean(0).numpy(), rtol=1e-12)
    costs = [record.meta.costs for record in records]
    for name in ("steps", "forward_passes", "backward_passes"):
        assert getattr(costs[0], name) == getattr(costs[1], name)


def test_a_cell_that_diverges_between_evaluations_is_found_at_the_next():
    record = trained(build(recipe="small(epochs=4, lr=1e30, evaluate_every=4)"))
    assert record.meta.status == "diverged"


def test_tables_leave_blank_what_needs_the_epochs_between(tmp_path):
    cells = both("cross_entropy")
    make_plan(tmp_path, "s", cells, TrainingOptions(CPU, 1)).write(tmp_path)
    write_part(tmp_path, [trained(cell) for cell in cells])
    derive(tmp_path, Parts(tmp_path))
    results, curves = (pd.read_csv(tmp_path / name) for name in ("results.csv", "curves.csv"))
    for table in (results, curves):
        assert set(table["recipe"]) == {EVERY, THINNED}
    mean = results[results["selection"] == "last10"].set_index("recipe")
    assert mean.loc[THINNED, list(schema.EPOCH_METRICS)].isna().all()
    assert mean.loc[EVERY, list(schema.EPOCH_METRICS)].notna().all()
    drawn = curves[curves["recipe"] == THINNED]
    assert drawn.loc[drawn["acc"].notna(), "epoch"].tolist() == [5, 10, 12]
    assert drawn[["epoch", "lr", "train_loss"]].notna().to_numpy().all()
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    collect(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")} == before


@pytest.mark.parametrize("team", [OneByOne, Stack])
def test_seconds_end_when_what_they_are_of_has_been_read(team, monkeypatch):
    """On a GPU only reading waits for the work; and as an epoch waits twice, for any pack."""
    events = []

    def noted(name, function):
        return lambda *args, **kwargs: events.append(name) or function(*args, **kwargs)

    for kind in ("step", "evaluate"):
        monkeypatch.setattr(team, kind, noted(kind, getattr(team, kind)))
    monkeypatch.setattr(torch.Tensor, "tolist", noted("read", torch.Tensor.tolist))
    monkeypatch.setattr(loop.time, "perf_counter", noted("time", loop.time.perf_counter))
    cells = [build(recipe="small(epochs=2)", seed=seed) for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    epochs, steps = train(team(cells, data)), [*["step"] * 3, "read", "time"]
    for _ in range(2):
        events.clear()
        next(epochs)
        assert events == ["time", *steps, *["evaluate"] * 3, "read", "time"]


def test_a_forecast_counts_the_images_that_are_evaluated():
    cost = SecondsPerImage(0.0, 1.0)
    every = 1078 + 719
    assert cost.of_cell(build(recipe=THINNED)) == 3 * every
    assert cost.of_cell(build("dividemix", recipe=THINNED)) == 3 * every + 9 * 970
    ends = {2, 5, 10, EPOCHS}  # two stages
    assert math.isclose(
        cost.of_cell(build("reweighting", recipe=THINNED)),
        len(ends) * every + (EPOCHS - len(ends)) * 970,
    )


CUDA = torch.device("cuda")


@pytest.fixture
def rounded():
    """Whether products and convolutions on a GPU are rounded, as PyTorch is told."""
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield lambda: (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = flags


def evaluated(precision, device, seen):
    with arithmetic.products_of_evaluation(precision, device):
        return seen()


def test_products_are_rounded_in_the_evaluation_of_bfloat16_alone(rounded):
    torch.backends.cuda.matmul.allow_tf32 = True
    before = rounded()
    assert evaluated("bfloat16", CPU, rounded) == before
    arithmetic.exact_products(CPU)
    assert rounded() == before
    arithmetic.exact_products(CUDA)
    assert rounded() == (False, False)
    assert evaluated("float32", CUDA, rounded) == (False, False)
    assert evaluated("bfloat16", CUDA, rounded) == (True, True)
    assert rounded() == (False, False)
    with pytest.raises(ZeroDivisionError):
        evaluated("bfloat16", CUDA, lambda: 1 / 0)
    assert rounded() == (False, False)


@pytest.mark.parametrize(
    ("shape", "cells", "size"),
    [
        ((1, 8, 8), 1, 1024),
        ((1, 8, 8), 600, 128),
        ((1, 28, 28), 1, 1024),
        ((1, 28, 28), 8, 334),
        ((3, 32, 32), 1, 682),
        ((3, 32, 32), 4, 170),
    ],
)
def test_a_gpu_evaluates_as_many_images_at_once_as_fill_it_and_fit(shape, cells, size):
    assert loop.gpu_batch(math.prod(shape) * cells) == size


@pytest.mark.parametrize(("model", "networks"), [("mlp(first=19, second=13)", 2), ("convnet", 4)])
def test_copies_that_pad_a_stack_of_products_are_not_evaluated(model, networks, monkeypatch):
    cells = [build(model=model, recipe="small(epochs=2)", seed=seed) for seed in (0, 1)]
    data, seen = [few(cell) for cell in cells], set()
    alike = [[*both, both[-1], both[-1]] for both in (cells, data)]
    *_, plain = train(Stack(*alike))

    def noted(network, weights, image, **asked):
        if not network.training:
            seen.add(len(image))
        return forward(network, weights, image, **asked)

    monkeypatch.setattr("benchmarks.engine.stack.forward", noted)
    *_, epochs = train(Stack(*alike, copies=2))
    assert seen == {networks}
    for one, other in zip(epochs[:2], plain[:2], strict=True):
        for name in ("train", "val", "test"):
            assert torch.equal(getattr(one, name), getattr(other, name))

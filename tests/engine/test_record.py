"""What a cell leaves behind: curves, selections, scores and costs."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import schema
from benchmarks.datasets import DATASETS
from benchmarks.engine import selection
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.store import CURVE_VALUES
from tests.cells import CPU, NOWHERE, alone, build
from tests.datasets.split_anew import SplitAnew


def trained(cell, *, keep_all=True):
    (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all))
    return record


def test_a_cell_leaves_what_its_rows_need():
    record = trained(build("reweighting"))
    arrays, n = record.arrays, record.meta.facts.n_train
    assert record.meta.status == "done"
    assert record.meta.selections == ("last", "val", "oracle")
    assert n == 1078 - round(107.8)
    assert arrays["curves"].shape == (3, len(CURVE_VALUES))
    assert arrays["logits"].shape == (3, 719, 10)
    assert arrays["logits"].dtype == np.float32
    assert arrays["bins"].shape == (3, schema.BINS_COUNT, 3)
    assert (arrays["bins"][..., 0].sum(1) == 719).all()
    assert arrays["train_scores"].shape == (3, n)
    assert arrays["final"].tolist() == [1, 2]  # the first epoch is the warm-up
    assert arrays["selected"].min() >= 1


@pytest.mark.parametrize(("dataset", "own"), [("digits", False), ("split_anew", True)])
def test_a_record_says_whether_its_seed_has_test_images_of_its_own(dataset, own):
    DATASETS.register("split_anew", SplitAnew)
    assert trained(build(dataset=dataset, recipe="small(epochs=2)")).meta.own_images == own


def test_selections_are_the_first_best_epochs_of_the_final_stage():
    record = trained(build(recipe="small(epochs=12)"))
    curves = record.arrays["curves"]
    val, acc = (curves[:, CURVE_VALUES.index(name)] for name in ("val_acc", "acc"))
    selected = dict(zip(record.meta.selections, record.arrays["selected"].tolist(), strict=True))
    expected = {"last": 11, "val": int(val.argmax()), "oracle": int(acc.argmax())}
    assert {name: selected[name] for name in expected} == expected


def first_minimum(epochs):
    """The row where the changed predictions, a mean of three counts, stop falling: by loops."""
    counts, lowest = [], None
    for row in range(1, len(epochs)):
        before, now = epochs[row - 1].train.tolist(), epochs[row].train.tolist()
        pairs = zip(before, now, strict=True)
        counts.append(sum(a.index(max(a)) != b.index(max(b)) for a, b in pairs))
        if len(counts) < 3:
            continue
        mean = (counts[-1] + counts[-2] + counts[-3]) / 3
        if lowest and mean > lowest[0]:
            return lowest[1]
        if not lowest or mean < lowest[0]:
            lowest = mean, row
    return lowest[1]


def test_label_wave_selects_where_predictions_first_change_least(monkeypatch):
    cell = build("label_wave", recipe="small(epochs=16, lr=0.1)")
    record = trained(cell)
    expected = first_minimum(alone(cell, load_cell_data(cell, NOWHERE, CPU)))
    assert 3 < expected < 15
    assert record.meta.selections == ("last", "val", "label_wave", "oracle")
    assert record.arrays["selected"].tolist()[::2] == [expected, expected]
    assert record.arrays["final"].tolist() == list(range(expected + 1))
    monkeypatch.setattr(selection, "AT_ONCE", 1)
    assert trained(cell).arrays["selected"].tolist() == record.arrays["selected"].tolist()


def test_label_wave_ends_at_the_last_epoch_of_a_run_too_short_for_it():
    record = trained(build("label_wave", recipe="small(epochs=3)"))
    assert record.meta.selections == ("last", "val", "oracle")
    assert record.arrays["selected"][0] == 2


def test_without_validation_images_nothing_is_selected_on_them():
    record = trained(build(recipe="small(val_fraction=0.0)"), keep_all=False)
    assert record.meta.selections == ("last", "label_wave", "oracle")
    assert record.arrays["logits"].shape[0] == 1


def test_the_scores_rank_mislabelled_examples_by_the_loss_on_their_given_label():
    cell = build(recipe="small(epochs=4)")
    data = load_cell_data(cell, NOWHERE, CPU)
    epochs = alone(cell, data)
    losses = [
        torch.nn.functional.cross_entropy(e.train.double(), data.noisy, reduction="none")
        for e in epochs
    ]
    last, mean, margin = trained(cell, keep_all=False).arrays["train_scores"]
    np.testing.assert_allclose(last, losses[-1].numpy(), rtol=1e-12)
    np.testing.assert_allclose(mean, torch.stack(losses).mean(0).numpy(), rtol=1e-12)
    fitted = epochs[-1].train.argmax(-1) == data.noisy
    for i in (int(fitted.nonzero()[0]), int((~fitted).nonzero()[0])):
        given = int(data.noisy[i])
        rows = [epoch.train[i].tolist() for epoch in epochs]
        below = [max(row[:given] + row[given + 1 :]) - row[given] for row in rows]
        assert margin[i] == pytest.approx(sum(below) / len(below), rel=1e-6)


def test_a_diverging_cell_says_when_and_keeps_its_curves():
    record = trained(build(recipe="small(lr=1e30)"))
    assert record.meta.status == "diverged"
    assert "epoch" in record.meta.reason
    assert list(record.arrays) == ["curves"]


@pytest.mark.parametrize(
    ("method", "backward"),
    [
        ("cross_entropy", 1),
        ("co_teaching", 2),
        ("gjs", 2),
        ("forward", 1),
        ("dividemix", 4),
        ("sam", 2),
    ],
)
def test_costs_count_networks_views_peeks_and_refits(method, backward):
    cell = build(method)
    with counted_images() as seen:
        costs = trained(cell, keep_all=False).meta.costs
    refits = 2 * 970 * cell.method.networks if method in {"forward", "dividemix"} else 0
    assert costs.forward_passes == sum(seen) + refits
    assert costs.backward_passes == backward * 3 * 970
    assert costs.steps == 3 * 8


NUMBER = 4  # bytes of a float32


@pytest.mark.parametrize(
    ("method", "networks", "of_images"),
    [
        ("cross_entropy", 2, 0),
        ("co_teaching", 4, 2 * 970 / 4),
        ("elr", 2, 970 * 10),
        ("ce_ema", 3, 0),
    ],
)
@pytest.mark.parametrize("pack", [1, 4])
def test_costs_know_the_weights_moments_averages_and_values_of_images(
    method, networks, of_images, pack
):
    """A network and its momentum take two of its size, an average of its weights a third.

    Co-teaching keeps a byte for each image and network: whether it was kept.
    """
    cells = [build(method, seed=seed) for seed in range(pack)]
    weights = sum(param.numel() for param in cells[0].model.build((1, 8, 8), 10).parameters())
    records = train_and_record(cells, PackSetup(NOWHERE, CPU, False, width=pack))
    few = 64  # numbers beside them: counts of steps, a mean of the predictions
    for record in records:
        held = record.meta.costs.state_mb * 2**20 / NUMBER
        assert 0 <= held - (networks * weights + of_images) <= few


def test_costs_count_the_look_ahead_of_reweighting_by_clean_examples():
    cell = build("l2rw(per_class=15)")  # 150 trusted images: batches of 128, 22, 128, ...
    with counted_images() as seen:
        costs = trained(cell, keep_all=False).meta.costs
    assert costs.forward_passes == sum(seen) == 3 * (2 * 970 + 4 * 150)
    assert costs.backward_passes == 3 * (3 * 970 + 4 * 150)


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


def test_metrics_of_many_epochs_together_are_those_of_one_after_the_other(monkeypatch):
    cell = build(recipe="small(epochs=7)")
    together = trained(cell).arrays
    monkeypatch.setattr(selection, "AT_ONCE", 1)
    torch.testing.assert_close(
        trained(cell).arrays, together, rtol=1e-12, atol=1e-14, equal_nan=True
    )


@pytest.mark.parametrize("width", [1, 3])
def test_half_precision_on_the_cpu_trains_near_what_single_precision_does(width):
    found = {}
    for precision in ("float32", "bfloat16"):
        cells = [build(seed=k, noise="clean", model="mlp", precision=precision) for k in range(3)]
        cells = cells[:width]
        records = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=False, width=width))
        assert {record.meta.status for record in records} == {"done"}
        found[precision] = records[0].arrays
    logits = [arrays["logits"][0] for arrays in found.values()]
    assert (logits[0] != logits[1]).all()
    label = found["float32"]["label"]
    assert np.isclose(*((z.argmax(-1) == label).mean() for z in logits), atol=0.03)

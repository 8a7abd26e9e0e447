"""What was measured: kept, chosen by, and predicted from."""

import pytest
import torch

from benchmarks.planning import throughput
from benchmarks.planning.throughput import (
    Measured,
    SecondsPerImage,
    Throughput,
    cache_file,
    work_of,
)
from tests.cells import CPU, build


def measured(cell, widths, processes=None):
    """A throughput of one kind of work, each number for training and evaluation alike or a pair."""
    rows = [
        {count: SecondsPerImage(*cost) for count, cost in row.items()}
        for row in (widths, processes or {})
    ]
    return Throughput({work_of(cell, CPU): Measured(*rows)})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "noisy-label-bench" / "throughput.json"


def test_what_was_measured_is_kept_beside_what_was_known(cache):
    first = Measured({1: (3e-5, 1e-5), 16: (1e-5, 1e-5)}, {})
    second = Measured({1: (2e-5, 1e-5)}, {1: (2e-5, 1e-5), 2: (1e-5, 1e-5)})
    Throughput.read().add("a", first)
    Throughput.read().add("b", second)
    assert cache_file() == cache
    assert Throughput.read().entries == {"a": first, "b": second}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"a": 3}', '{"a": {"1": [2, 3]}}', '{"a": {"widths": {"1": 2}, "processes": {}}}'],
)
def test_a_damaged_cache_is_as_good_as_none(cache, text):
    cache.parent.mkdir(parents=True)
    cache.write_text(text)
    assert Throughput.read().entries == {}


def test_the_fastest_measured_width_is_chosen_for_what_a_cell_evaluates_too():
    cell = build()
    trains = {1: (2.0, 1.0), 4: (1.0, 1.0), 16: (1.0, 3.0)}
    assert measured(cell, trains).best_width(cell, CPU) == 4
    assert measured(cell, {4: (1.0, 1.0), 1: (0.5, 1.0)}).best_width(cell, CPU) == 1


def test_unmeasured_small_dense_networks_are_stacked_on_the_cpu_and_nothing_else():
    width = Throughput({}).best_width
    assert width(build(), CPU) == 16
    assert width(build(model="mlp(first=32, second=32)"), CPU) == 32
    assert width(build(model="mlp(first=2000, second=128)"), CPU) == 1
    assert width(build(model="convnet"), CPU) == 1
    assert width(build(), torch.device("mps")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"model": "mlp(first=32)"},
        {"method": "gce"},
        {"precision": "bfloat16"},
        {"recipe": "small(batch=64)"},
        {"recipe": "small(crop=2)"},
    ],
)
def test_a_measurement_is_that_of_one_kind_of_work(change):
    assert work_of(build(**change), CPU) != work_of(build(), CPU)


def test_a_measurement_holds_for_every_seed_noise_and_number_of_epochs():
    other = build(noise="clean", seed=7, recipe="small(epochs=90)")
    assert work_of(other, CPU) == work_of(build(), CPU)


def test_a_prediction_counts_images_and_takes_the_nearest_width():
    cell = build(recipe="small(epochs=3, val_fraction=0.1)")  # 1,078 images, 719 to test on
    known = measured(cell, {1: (1e-3, 1e-4), 16: (1e-5, 1e-6), 32: (0.0, 0.0)})
    expected = 3 * (970 * 1e-3 + (1078 + 719) * 1e-4)
    begun = throughput.CELL_SECONDS
    assert known.seconds(cell, CPU, 1) == pytest.approx(begun + expected)
    assert known.seconds(cell, CPU, 13) == pytest.approx(begun + expected / 100)
    assert known.seconds(build("gce"), CPU, 1) is None


def test_as_many_processes_share_a_gpu_as_were_fastest_together():
    cell, other = build(), build("gce")
    shared = {1: (1.0, 1.0), 2: (0.6, 0.5), 4: (0.9, 0.5)}
    known = measured(cell, {1: (2.0, 1.0), 16: (1.0, 1.0)}, shared)
    assert known.best_processes([cell, other], CPU) == 2
    assert known.best_processes([other], CPU) == 1  # not measured
    pair = throughput.CELL_SECONDS + 2 * SecondsPerImage(*shared[2]).of_cell(cell)
    assert known.seconds(cell, CPU, 16, processes=2) == pytest.approx(pair)
    assert known.seconds(cell, CPU, 16, processes=3) == known.seconds(cell, CPU, 16)

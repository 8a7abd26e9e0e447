"""How fast this machine trains: measured, kept, chosen by, and predicted from."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.launch.forecast import time_left
from benchmarks.launch.request import Request
from benchmarks.launch.session import prepare, requested
from benchmarks.planning import memory, probe, throughput
from benchmarks.planning.throughput import (
    Measured,
    SecondsPerImage,
    Throughput,
    cache_file,
    work_of,
)
from benchmarks.store import write_part
from tests.cells import CPU, NOWHERE, build

SETUP = PackSetup(NOWHERE, CPU, keep_all=False)
WIDTHS = {16: SecondsPerImage(1.0, 1.0)}
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def short_probes(monkeypatch):
    monkeypatch.setattr(probe, "ENOUGH_SECONDS", 0.0)


def test_probing_measures_every_kind_once_at_every_width_and_the_plan_uses_it(tmp_path):
    request = Request(
        out=tmp_path / "never_run",
        methods=("cross_entropy", "co_teaching"),
        noises=("clean", "symmetric(rate=0.4)"),
        seeds=(0, 1),
        workers=2,
    )
    probed = list(probe.probe(requested(request).cells, NOWHERE, CPU))
    widths = ["one by one", "packs of 4", "packs of 16", "packs of 32"]
    assert [(cell.method.networks, width) for cell, width, _ in probed] == [
        (networks, width) for networks in (1, 2) for width in widths
    ]
    assert all(cost.train > 0 and cost.evaluate > 0 for _, _, cost in probed)
    assert "as fast as probe measured" in time_left(prepare(request))
    for (cell, _, cost), width in zip(probed, 2 * probe.WIDTHS, strict=True):
        assert Throughput.read().entries[work_of(cell, CPU)].widths[width] == cost
    assert "unknown" in time_left(prepare(replace(request, methods=("gce",))))


def test_processes_are_tried_together_as_far_as_memory_goes_and_kept(monkeypatch):
    cell = build()

    cost = SecondsPerImage(1.0, 2.0)
    monkeypatch.setattr(probe, "probe_together", lambda *_: cost)
    tried = []
    for fit in (None, 100, 40, 8):
        Throughput.read().add(work_of(cell, CPU), Measured(WIDTHS, {}))
        monkeypatch.setattr(memory, "widest", lambda *_, fit=fit: fit)
        probed = probe.probe_processes(cell, SETUP)
        tried.append([words for _, words, _ in probed])
        kept = Throughput.read().entries[work_of(cell, CPU)]
        assert kept.widths == WIDTHS
        assert len(kept.processes) == (len(tried[-1]) + 1 if tried[-1] else 0)  # and one alone
    two, four = (f"{count} processes on the GPU" for count in (2, 4))
    assert tried == [[two, four], [two, four], [two], []]


def test_processes_that_share_a_device_are_measured_at_the_same_time():
    cell = build(recipe="small(epochs=2)")
    cost = probe.probe_together(cell, SETUP._replace(width=4), 2)
    assert 0 < cost.train < 1
    assert 0 < cost.evaluate < 1


def test_processes_that_do_not_fit_together_are_no_choice(monkeypatch):
    cell = build()
    Throughput.read().add(work_of(cell, CPU), Measured(WIDTHS, {}))

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(probe, "probe_together", full)
    assert list(probe.probe_processes(cell, SETUP)) == []


def measured(cell, widths, processes=None):
    """A throughput of one kind of work, each number for training and evaluation alike or a pair."""
    rows = [
        {count: SecondsPerImage(*cost) for count, cost in row.items()}
        for row in (widths, processes or {})
    ]
    return Throughput({work_of(cell, CPU): Measured(*rows)})


def test_what_was_measured_is_kept_beside_what_was_known(cache):
    first = Measured({1: (3e-5, 1e-5), 16: (1e-5, 1e-5)}, {})
    second = Measured({1: (2e-5, 1e-5)}, {1: (2e-5, 1e-5), 2: (1e-5, 1e-5)})
    Throughput.read().add("a", first)
    Throughput.read().add("b", second)
    assert cache_file() == cache
    assert Throughput.read().entries == {"a": first, "b": second}


GOOD = '{"a": {"widths": {"1": [3e-5, 1e-5]}, "processes": {}}}'
DAMAGED = {
    "": "is not JSON",
    "[]": "a table is expected here, not a list",
    "{": "is not JSON",
    "[" * 100_000: "a table is expected",
    '{"a": 3}': "[...]: a table is expected here, not a whole number",
    '{"a": {"1": [2, 3]}}': "unknown key '1'",
    '{"a": {}}': "missing key 'widths'",
    '{"a": {"widths": {"1": 2}, "processes": {}}}': "a list is expected here, not a whole number",
    GOOD.replace("3e-5", "NaN"): "is not JSON",
    GOOD.replace("3e-5", "1e999"): "number out of range",
    GOOD.replace("3e-5", "-1.0"): ">= 0.0",
    GOOD.replace("3e-5", "1, 1"): "of length 2",
    GOOD.replace('"1"', '"0"'): ">= 1",
    GOOD.replace('"1"', f'"{"9" * 5000}"'): "key in [...].widths: integer value out of range",
}


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_cache_is_as_good_as_none_and_said_once(cache, capsys, text):
    assert Throughput.read().entries == {}
    assert capsys.readouterr().err == ""  # there is none
    cache.parent.mkdir(parents=True)
    cache.write_text(text)
    assert Throughput.read() == Throughput.read() == Throughput({})
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith(f"note: {cache}")
    assert DAMAGED[text] in note
    Throughput.read().add("a", Measured(WIDTHS, {}))
    assert Throughput.read().entries == {"a": Measured(WIDTHS, {})}


def test_a_cache_that_is_no_file_or_has_no_home_is_as_good_as_none(cache, capsys, monkeypatch):
    cache.mkdir(parents=True)
    assert Throughput.read().entries == {}
    assert "this is a directory" in capsys.readouterr().err
    cache.rmdir()
    os.mkfifo(cache)
    assert Throughput.read().entries == {}
    assert "this is a pipe" in capsys.readouterr().err

    def homeless():
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert Throughput.read().entries == {}
    with pytest.raises(RefusedError, match="set XDG_CACHE_HOME"):
        Throughput({}).add("a", Measured(WIDTHS, {}))


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


def test_finished_cells_predict_the_others(tmp_path):
    request = Request(methods=("cross_entropy",), noises=("clean",), seeds=(0, 1), workers=1)
    request = replace(request, out=tmp_path)
    plan = prepare(request).plan
    plan.write(tmp_path)
    first, second = plan.cells
    (record,) = train_and_record([first], SETUP)
    record.meta.costs.train_seconds, record.meta.costs.eval_seconds = 30.0, 10.0
    write_part(tmp_path, [record])
    session = prepare(request)
    assert session.missing() == [second]
    passes = first.recipe.epochs * round(0.9 * 1078)
    seconds = 40 / passes * first.recipe.epochs * 1078
    assert time_left(session) == f"about {seconds:.0f} s, as fast as the finished cells"

"""How fast this machine trains: measured, kept, chosen by, and predicted from."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.durations import in_words
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.launch.duration import Packs, lines, makespan
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


def test_probing_measures_every_kind_once_at_every_width_and_the_plan_uses_it(
    monkeypatch, tmp_path
):
    request = Request(
        out=tmp_path / "never_run",
        methods=("cross_entropy", "co_teaching"),
        noises=("clean", "symmetric(rate=0.4)"),
        seeds=(0, 1),
        workers=2,
    )
    monkeypatch.setattr(probe, "WORSE", 1000.0)  # measured for an instant alone
    found = list(probe.probe(requested(request).cells, NOWHERE, CPU))
    widths = ["one by one", "packs of 4", "packs of 16", "packs of 32"]
    assert [(cell.method.networks, width) for cell, width, _ in found] == [
        (networks, width) for networks in (1, 2) for width in widths
    ]
    assert all(cost.train > 0 and cost.evaluate > 0 for _, _, cost in found)
    assert "as fast as probe measured" in told(prepare(request))
    for (cell, _, cost), width in zip(found, 2 * probe.WIDTHS, strict=True):
        assert Throughput.read().entries[work_of(cell, CPU)].widths[width] == cost
    assert "unknown" in told(prepare(replace(request, methods=("gce",))))


def probed(cell, setup=SETUP):
    """What was measured of a cell: for every width in words, seconds or why there are none."""
    return [(words, cost) for _, words, cost in probe.probe_widths(cell, setup)]


def kept(cell):
    return Throughput.read().entries[work_of(cell, CPU)]


def test_a_width_that_cannot_be_measured_is_kept_with_its_reason_and_the_others_are(monkeypatch):
    cell, cost = build(), SecondsPerImage(1.0, 2.0)

    def some(_cell, _data, setup):
        if setup.width == 4:
            raise RuntimeError("Expected running_mean to have type BFloat16 but got Float")
        return cost

    monkeypatch.setattr(probe, "_probe_pack", some)
    reason = "RuntimeError: Expected running_mean to have type BFloat16 but got Float"
    assert probed(cell) == [
        ("one by one", cost),
        ("packs of 4", reason),
        ("packs of 16", cost),
        ("packs of 32", cost),
    ]
    assert kept(cell) == Measured(dict.fromkeys((1, 16, 32), cost), {4: reason})


def test_data_that_are_missing_end_a_probe_which_keeps_nothing_of_them(monkeypatch):
    def missing(*_):
        raise DataMissingError("no images")

    monkeypatch.setattr(probe, "load_cell_data", missing)
    with pytest.raises(DataMissingError):
        probed(build())
    assert Throughput.read().entries == {}


def test_nothing_wider_is_tried_than_what_filled_the_memory(monkeypatch):
    cell, cost = build(), SecondsPerImage(1.0, 2.0)

    def up_to_4(_cell, _data, setup):
        if setup.width > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return cost

    monkeypatch.setattr(probe, "_probe_pack", up_to_4)
    assert [words for words, _ in probed(cell)] == ["one by one", "packs of 4", "packs of 16"]
    assert kept(cell).widths == {1: cost, 4: cost}


def test_nothing_is_tried_that_would_not_fit(monkeypatch):
    cell, cost = build(), SecondsPerImage(1.0, 2.0)
    monkeypatch.setattr(probe, "_probe_pack", lambda *_: cost)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 3 * 2**30)
    monkeypatch.setattr(memory, "widest", lambda *_: 7)
    reason = "at most 7 would fit into the 3.0 GiB of memory that are free"
    assert probed(cell) == [("one by one", cost), ("packs of 4", cost), ("packs of 16", reason)]
    assert kept(cell) == Measured({1: cost, 4: cost}, {16: reason})


def test_what_was_measured_before_a_probe_is_stopped_is_kept(monkeypatch):
    cell, cost = build(), SecondsPerImage(1.0, 2.0)

    def stopped(_cell, _data, setup):
        if setup.width > 1:
            raise KeyboardInterrupt
        return cost

    monkeypatch.setattr(probe, "_probe_pack", stopped)
    with pytest.raises(KeyboardInterrupt):
        probed(cell)
    assert kept(cell) == Measured({1: cost})


def test_packs_grow_no_further_once_they_are_clearly_slower(monkeypatch):
    cell, seconds = build(), {1: 1.0, 4: 1.4, 16: 1.6, 32: 0.1}
    monkeypatch.setattr(
        probe, "_probe_pack", lambda _cell, _data, setup: SecondsPerImage(seconds[setup.width], 0.0)
    )
    assert [words for words, _ in probed(cell)] == ["one by one", "packs of 4", "packs of 16"]


def test_a_probe_has_trusted_examples_wherever_they_lie_in_a_large_set(monkeypatch):
    cell = build("l2rw", recipe="small(batch=16, val_fraction=0.1)")
    whole = load_cell_data(cell, NOWHERE, CPU)
    last = torch.arange(len(whole.noisy) - 20, len(whole.noisy))
    monkeypatch.setattr(probe, "load_cell_data", lambda *_: whole._replace(trusted=last))
    data = probe.few_images(cell, SETUP)
    assert len(data.noisy) == probe.BATCHES * 16
    assert len(data.trusted) == 20
    assert torch.equal(data.clean[data.trusted], whole.clean[last])
    assert torch.equal(data.train[data.trusted], whole.train[last])
    ((_, cost), *_) = probed(cell)
    assert cost.train > 0


def measured(cell, widths):
    """A throughput of one kind of work: of training and of evaluation, by width."""
    costs = {width: SecondsPerImage(*pair) for width, pair in widths.items()}
    return Throughput({work_of(cell, CPU): Measured(costs)})


def test_what_was_measured_is_kept_beside_what_was_known(cache):
    first = Measured({1: (3e-5, 1e-5), 16: (1e-5, 1e-5)}, {})
    second = Measured({1: (2e-5, 1e-5)}, {4: "out of memory"})
    Throughput.read().add("a", first)
    Throughput.read().add("b", second)
    assert cache_file() == cache
    assert Throughput.read().entries == {"a": first, "b": second}


GOOD = '{"a": {"widths": {"1": [3e-5, 1e-5]}, "cannot": {}}}'
DAMAGED = {
    "": "is not JSON",
    "[]": "a table is expected here, not a list",
    "{": "is not JSON",
    "[" * 100_000: "a table is expected",
    '{"a": 3}': "[...]: a table is expected here, not a whole number",
    '{"a": {"1": [2, 3]}}': "unknown key '1'",
    '{"a": {}}': "missing key 'widths'",
    '{"a": {"widths": {"1": 2}, "cannot": {}}}': "a list is expected here, not a whole number",
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


def test_unmeasured_networks_are_stacked_or_branched_on_cuda_as_their_kind_and_size_say(
    monkeypatch,
):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Green 9")
    cuda, flags = torch.device("cuda"), ("graph", "branches")

    def width(flags=flags, **specs):
        return Throughput({}).best_width(build(precision="bfloat16", **specs), cuda, flags)

    assert width() == width(flags=()) == 128
    assert width(dataset="mnist") == 64
    assert width(dataset="cifar10", model="mlp(first=1000, second=500)") == 16
    assert width(dataset="cifar10", model="mlp(first=5000, second=1000)") == 1
    assert width(model="convnet") == width(dataset="mnist", model="mnist_convnet") == 8
    assert width(dataset="cifar10", model="mnist_convnet", recipe="small(batch=512)") == 4
    assert width(dataset="cifar10", model="resnet18") == 1
    assert width(dataset="mnist", model="mnist_convnet", flags=("graph",)) == 1


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
    seconds = 40 / passes * first.recipe.epochs * 1078 + throughput.CELL_SECONDS
    wall = in_words(seconds + throughput.STARTED_SECONDS)
    assert lines(session, session.missing_groups) == [
        f"time     about {wall}, as fast as the finished cells",
        f"work     {seconds / 3600:.2g} core-hours",
    ]


def told(session):
    return lines(session, session.missing_groups)[0]


def test_a_forecast_is_what_was_measured_of_each_pack_on_as_many_workers(monkeypatch, tmp_path):
    """By hand: ten cells in packs of four are three packs, and five slower ones are two."""
    recipe = "small(epochs=4, val_fraction=0.5)"
    slow, fast = build("elr", recipe=recipe), build(recipe=recipe)
    known = measured(slow, {4: (0.03, 0.0)}).entries | measured(fast, {4: (0.01, 0.0)}).entries
    monkeypatch.setattr(Throughput, "read", lambda: Throughput(known))
    request = Request(noises=["clean"], recipes=[recipe], pack=4, workers=2)
    groups, widths = [], {}
    for method, number in (("cross_entropy", 10), ("elr", 5)):
        own = replace(request, methods=[method], seeds=list(range(number)), out=tmp_path / method)
        session = prepare(own)
        groups += session.missing_groups
        widths |= session.plan.widths
    session = replace(session, plan=replace(session.plan, widths=widths))
    second = 4 * 539 * 0.03 + throughput.CELL_SECONDS
    first = 4 * 539 * 0.01 + throughput.CELL_SECONDS
    assert makespan([Packs(3, 10 / 3 * first), Packs(2, 2.5 * second)], 2) == pytest.approx(
        2.5 * second + 2 * 10 / 3 * first  # a slow pack each, then two of the three others
    )
    wall = 2.5 * second + 20 / 3 * first + throughput.STARTED_SECONDS
    assert lines(session, groups) == [
        f"time     about {in_words(wall)}, as fast as probe measured",
        f"work     {(10 * first + 5 * second) / 3600:.2g} core-hours",
    ]

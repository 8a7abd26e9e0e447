"""What is trained together: as measured, as asked for, as fixed; and how long it takes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.launch import session, worker
from benchmarks.launch.request import Request
from benchmarks.launch.worker import Job
from benchmarks.planning import memory, processes_per_gpu, throughput
from benchmarks.planning.plan import Wish, choose_device, kind_of, kinds, packs, settle
from benchmarks.planning.throughput import Rate, Rates, cache_file, key
from benchmarks.store import write_part
from tests.cells import build

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "noisy-label-bench" / "rates.json"


def test_what_was_measured_is_kept_beside_what_was_known(cache):
    Rates.read().write({"a": {1: Rate(3e-5, 1e-5), 16: Rate(1e-5, 1e-5)}})
    Rates.read().write({"b": {1: Rate(2e-5, 1e-5)}})
    assert cache_file() == cache
    assert Rates.read().found == {
        "a": {1: (3e-5, 1e-5), 16: (1e-5, 1e-5)},
        "b": {1: (2e-5, 1e-5)},
    }


@pytest.mark.parametrize("text", ["", "[]", '{"a": 3}', '{"a": {"x": [1, 2]}}', '{"a": {"1": 2}}'])
def test_a_damaged_cache_is_as_good_as_none(cache, text):
    cache.parent.mkdir(parents=True)
    cache.write_text(text)
    assert Rates.read().found == {}


def test_the_fastest_measured_width_is_chosen_for_what_a_cell_evaluates_too():
    cell = build()
    trains = {1: Rate(2.0, 1.0), 4: Rate(1.0, 1.0), 16: Rate(1.0, 3.0)}
    assert Rates({key(cell, CPU): trains}).width(cell, CPU) == 4
    assert Rates({key(cell, CPU): {4: Rate(1.0, 1.0), 1: Rate(0.5, 1.0)}}).width(cell, CPU) == 1


def test_unmeasured_small_dense_networks_are_packed_on_the_cpu_and_nothing_else():
    width = Rates({}).width
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
def test_a_rate_is_that_of_one_kind_of_work(change):
    assert key(build(**change), CPU) != key(build(), CPU)


def test_a_rate_holds_for_every_seed_noise_and_number_of_epochs():
    other = build(noise="clean", seed=7, recipe="small(epochs=90)")
    assert key(other, CPU) == key(build(), CPU)


def test_a_prediction_counts_images_and_takes_the_nearest_driver():
    cell = build(recipe="small(epochs=3, val_fraction=0.1)")  # 1,078 images, 719 to test on
    one, packs = Rate(1e-3, 1e-4), Rate(1e-5, 1e-6)
    measured = Rates({key(cell, CPU): {1: one, 16: packs, 32: Rate(0.0, 0.0)}})
    expected = 3 * (970 * 1e-3 + (1078 + 719) * 1e-4)
    assert measured.seconds(cell, CPU, 1) == pytest.approx(throughput.CELL_SECONDS + expected)
    assert measured.seconds(cell, CPU, 13) == pytest.approx(
        throughput.CELL_SECONDS + expected / 100
    )
    assert measured.seconds(build("gce"), CPU, 1) is None


def test_probing_measures_every_kind_once_at_every_width_and_the_plan_uses_it(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(throughput, "ENOUGH_SECONDS", 0.0)
    request = Request(
        out=tmp_path / "never_run",
        methods=("cross_entropy", "co_teaching"),
        noises=("clean", "symmetric(rate=0.4)"),
        seeds=(0, 1),
    )
    found = list(session.probe(request))
    drivers = ["one by one", "packs of 4", "packs of 16", "packs of 32"]
    assert [(cell.method.networks, driver) for cell, driver, _ in found] == [
        (networks, driver) for networks in (1, 2) for driver in drivers
    ]
    assert all(rate.train > 0 and rate.evaluate > 0 for _, _, rate in found)
    prepared = session.prepare(replace(request, workers=2))
    assert "from the rates that probe measured" in prepared.estimate()
    for (cell, _, rate), width in zip(found, 2 * throughput.WIDTHS, strict=True):
        assert Rates.read().found[key(cell, CPU)][width] == rate
    assert "unknown" in session.prepare(replace(request, methods=("gce",))).estimate()


def test_as_many_processes_share_a_gpu_as_were_fastest_together():
    cell, other = build(), build("gce")
    alone = {1: Rate(2.0, 1.0), 16: Rate(1.0, 1.0)}
    shared = {1: Rate(1.0, 1.0), 2: Rate(0.6, 0.5), 4: Rate(0.9, 0.5)}
    found = Rates({key(cell, CPU): alone, key(cell, CPU) + throughput.SHARED: shared})
    assert found.processes([cell, other], CPU) == 2
    assert found.processes([other], CPU) == 1  # not measured
    pair = throughput.CELL_SECONDS + 2 * throughput.seconds(cell, shared[2])
    assert found.seconds(cell, CPU, 16, sharing=2) == pytest.approx(pair)
    assert found.seconds(cell, CPU, 16, sharing=3) == found.seconds(cell, CPU, 16)


def test_processes_are_tried_together_as_far_as_memory_goes(monkeypatch):
    cell = build()
    alone = Rates({key(cell, CPU): {16: Rate(1.0, 1.0)}})
    monkeypatch.setattr(processes_per_gpu, "together", lambda *place: Rate(1.0, float(place[-1])))
    tried = []
    for fit in (None, 100, 40, 8):
        monkeypatch.setattr(memory, "widest", lambda *_, fit=fit: fit)
        tried.append(
            [
                n
                for _, n, _ in processes_per_gpu.probe(
                    [cell, build(seed=1)], NOWHERE, CPU, alone, ()
                )
            ]
        )
    assert tried == [[2, 4], [2, 4], [2], []]


def test_processes_that_share_a_device_are_measured_at_the_same_time(monkeypatch):
    monkeypatch.setattr(throughput, "ENOUGH_SECONDS", 0.0)
    rate = processes_per_gpu.together(
        build(recipe="small(epochs=2)"), PackSetup(NOWHERE, CPU, keep_all=False, width=4), 2
    )
    assert 0 < rate.train < 1
    assert 0 < rate.evaluate < 1


def test_processes_that_do_not_fit_together_are_no_choice(monkeypatch):
    cell = build()
    failing = build("co_teaching", recipe="small(epochs=2)")
    alone = Rates({key(c, CPU): {4: Rate(1.0, 1.0)} for c in (cell, failing)})

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(processes_per_gpu, "together", full)
    assert list(processes_per_gpu.probe([cell, failing], NOWHERE, CPU, alone, ())) == []


def test_a_new_folder_takes_the_measured_width_cut_evenly(tmp_path):
    cells = [build(seed=seed) for seed in range(25)]
    plan = settle(tmp_path, "mine", cells, Wish(CPU))
    assert (plan.pack, plan.width(cells[0])) == (None, 13)  # of at most 16: 13 and 12
    Rates({}).write({key(cells[0], CPU): {1: Rate(1.0, 1.0), 4: Rate(0.5, 1.0)}})
    assert settle(tmp_path, "mine", cells, Wish(CPU)).width(cells[0]) == 4
    assert settle(tmp_path, "mine", cells[:1], Wish(CPU)).width(cells[0]) == 1
    assert settle(tmp_path, "mine", cells[:1], Wish(CPU, 7)).width(cells[0]) == 7  # as asked for


def test_a_folder_keeps_its_widths_and_gains_those_of_new_kinds(tmp_path):
    cells = [build(seed=seed) for seed in range(5)]
    settle(tmp_path, "mine", cells, Wish(CPU)).write(tmp_path)
    Rates({}).write({key(cells[0], CPU): {1: Rate(1.0, 1.0)}})
    more = [build(seed=seed) for seed in range(50)] + [build("gce", model="convnet")]
    plan = settle(tmp_path, "other", more, Wish(CPU))
    assert {plan.width(cell) for cell in more[:50]} == {5}
    assert plan.width(more[-1]) == 1
    assert (plan.suite, len(plan.cells)) == ("mine", 51)
    with pytest.raises(RefusedError, match="started with packs of its own choice"):
        settle(tmp_path, "mine", cells, Wish(CPU, 5))


def test_a_folder_started_with_a_width_goes_on_with_it(tmp_path):
    cells = [build(seed=seed) for seed in range(5)]
    settle(tmp_path, "mine", cells, Wish(CPU, 3)).write(tmp_path)
    assert settle(tmp_path, "mine", [build("gce")], Wish(CPU)).widths == {
        kind_of(build()): 3,
        kind_of(build("gce")): 3,
    }
    drivers = json.loads((tmp_path / "plan.json").read_text())["drivers"]
    assert drivers == {
        kind_of(build()): {"driver": "stack", "width": 3, "precision": "float32"},
    }
    with pytest.raises(RefusedError, match=r"started with --pack 3 and is finished with it"):
        settle(tmp_path, "mine", cells, Wish(CPU, 1))


def test_finished_cells_predict_the_others(tmp_path):
    request = Request(methods=("cross_entropy",), noises=("clean",), seeds=(0, 1), workers=1)
    request = replace(request, out=tmp_path)
    first, second = session.prepare(request).plan.cells
    (record,) = train_and_record([first], PackSetup(NOWHERE, CPU, keep_all=False))
    costs = record.meta["costs"] | {"train_seconds": 30.0, "eval_seconds": 10.0}
    stamped = record.meta | {"costs": costs, "stamp": worker.stamp(_job(tmp_path))}
    (tmp_path / "parts").mkdir()
    write_part(tmp_path, [record._replace(meta=stamped)])
    prepared = session.prepare(request)
    assert prepared.missing() == [second]
    passes = first.recipe.epochs * round(0.9 * 1078)
    seconds = 40 / passes * first.recipe.epochs * 1078
    assert prepared.estimate() == f"about {seconds:.0f} s, as fast as the finished cells"


def _job(folder):
    return Job(folder, NOWHERE, "cpu", keep_all=False, commit="")


def test_a_pack_that_does_not_fit_is_tried_at_half_its_width(monkeypatch, tmp_path):
    tried, run = [], train_and_record

    def small_memory(cells, how):
        tried.append((len(cells), how.width))
        if how.width > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nmore")
        return run(cells, how)

    monkeypatch.setattr(worker, "train_and_record", small_memory)
    cells = [build(seed=seed, recipe="small(epochs=2)") for seed in range(5)]
    how = PackSetup(NOWHERE, CPU, keep_all=False, width=8)
    records = worker._train(_job(tmp_path), cells, how)
    assert [record.cell_id for record in records] == [cell.id for cell in cells]
    assert {record.meta["status"] for record in records} == {"done"}
    assert tried == [(5, 8), (4, 4), (2, 2), (2, 2), (1, 4), (1, 2)]


def test_a_cell_that_never_fits_is_a_failed_row(monkeypatch, tmp_path):
    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nmore")

    monkeypatch.setattr(worker, "train_and_record", no_memory)
    how = PackSetup(NOWHERE, CPU, keep_all=False, width=2)
    records = worker._train(_job(tmp_path), [build(seed=seed) for seed in range(2)], how)
    assert [(r.meta["status"], r.meta["reason"]) for r in records] == [
        ("failed", "out of memory: CUDA out of memory. Tried to allocate 20 GiB.")
    ] * 2


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


def test_a_folder_has_its_flags_from_its_start(tmp_path):
    cells = [build(model="convnet")]
    plan = settle(tmp_path, "mine", cells, Wish(CPU, flags=("deterministic",)))
    plan.write(tmp_path)
    again = settle(tmp_path, "mine", cells, Wish(CPU))
    assert again.flags == ("deterministic",)
    with pytest.raises(RefusedError, match="started without --graph, which changes"):
        settle(tmp_path, "mine", cells, Wish(CPU, flags=("graph",)))
    written = (tmp_path / "plan.json").read_text()
    assert '"driver": "one_by_one deterministic"' in written
    (tmp_path / "plan.json").write_text(written.replace('"deterministic"', '"compile"'))
    with pytest.raises(RefusedError, match="started with --compile, which this version does not"):
        settle(tmp_path, "mine", cells, Wish(CPU))

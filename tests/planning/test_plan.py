"""What is trained together: as measured, asked for, fixed at a folder's start, and as fits."""

import functools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.engine.drivers import in_words
from benchmarks.errors import RefusedError
from benchmarks.launch.forecast import describe, forecast
from benchmarks.launch.request import Request
from benchmarks.launch.session import options_of, prepare
from benchmarks.models import MODELS
from benchmarks.noise import NOISES
from benchmarks.planning import memory
from benchmarks.planning.options import TrainingOptions, choose_device, default_precision
from benchmarks.planning.plan import kind_of, kinds, make_plan, packs
from benchmarks.planning.throughput import (
    Measured,
    SecondsPerImage,
    Throughput,
    work_of,
)
from benchmarks.question import Question
from benchmarks.store import read_plan
from benchmarks.sweep import Cell, Suite
from methods import METHODS
from tests.cells import CPU, NOWHERE, build

N, PIXELS, CLASSES = 1797, 64, 10
MLP = (64 + 1) * 256 + (256 + 1) * 128 + (128 + 1) * 10  # weights
KEPT = 64 + 256 + 128  # what each dense layer needs to go back; a rectifier shares the next one's
pytestmark = pytest.mark.usefixtures("cache")


def note(cell, seconds, flags=()):
    """Keep seconds per image as measured, by width."""
    widths = {width: SecondsPerImage(cost, cost) for width, cost in seconds.items()}
    Throughput.read().add(work_of(cell, CPU, flags), Measured(widths, {}))


def test_a_new_folder_takes_the_measured_width_cut_evenly(tmp_path):
    cells = [build(seed=seed) for seed in range(25)]
    plan = make_plan(tmp_path, "mine", cells, TrainingOptions(CPU))
    assert (plan.pack, plan.width(cells[0])) == (None, 13)  # of at most 16: 13 and 12
    note(cells[0], {1: 1.0, 4: 0.9})
    assert make_plan(tmp_path, "mine", cells, TrainingOptions(CPU)).width(cells[0]) == 4
    assert make_plan(tmp_path, "mine", cells[:1], TrainingOptions(CPU)).width(cells[0]) == 1
    asked = make_plan(tmp_path, "mine", cells[:1], TrainingOptions(CPU, 7))
    assert asked.width(cells[0]) == 7


def test_a_folder_keeps_its_widths_and_gains_those_of_new_kinds(tmp_path):
    cells = [build(seed=seed) for seed in range(5)]
    make_plan(tmp_path, "mine", cells, TrainingOptions(CPU)).write(tmp_path)
    note(cells[0], {1: 1.0})
    more = [build(seed=seed) for seed in range(50)] + [build("gce", model="convnet")]
    plan = make_plan(tmp_path, "other", more, TrainingOptions(CPU))
    assert {plan.width(cell) for cell in more[:50]} == {5}
    assert plan.width(more[-1]) == 1
    assert (plan.suite, len(plan.cells)) == ("mine", 51)
    with pytest.raises(RefusedError, match="started with packs of its own choice"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CPU, 5))


def test_a_folder_keeps_its_widths_however_the_path_of_a_dataset_is_spelled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (out := tmp_path / "out").mkdir()
    np.savez("data.npz", image=np.zeros((8, 4, 4), np.uint8), label=np.arange(8) % 2)
    for file, seeds in ((str(tmp_path / "data.npz"), 3), ("data.npz", 5)):
        cells = [build(dataset=f"arrays(file={file!r}, test=0.5)", seed=s) for s in range(seeds)]
        plan = make_plan(out, "mine", cells, TrainingOptions(CPU))
        plan.write(out)
        assert [driver.width for driver in read_plan(out).drivers.values()] == [3]
        assert plan.width(cells[0]) == 3


def test_a_folder_keeps_the_first_question_and_gains_what_is_known_of_new_datasets(tmp_path):
    first, second = Question("cross_entropy", ("elr",)), Question("elr", ("gce",))
    for cells, question in (
        ([build()], None),
        ([build("elr")], first),
        ([build("gce", dataset="cifar100")], second),
    ):
        plan = make_plan(tmp_path, "mine", cells, TrainingOptions(CPU))
        replace(plan, question=question).write(tmp_path)
    written = read_plan(tmp_path)
    assert written.question == first
    asked = prepare(Request(methods=["elr"], out=tmp_path / "new")).plan.question
    assert asked == Suite.read("default").asked()
    assert written.classes == {"digits": 10, "cifar100": 100}
    assert written.class_names["digits"] == tuple("0123456789")
    assert len(written.class_names["cifar100"]) == 100
    assert written.licences["digits"] == "CC BY 4.0"
    assert "states none" in written.licences["cifar100"]


def test_a_folder_started_with_a_width_goes_on_with_it(tmp_path):
    cells = [build(seed=seed) for seed in range(5)]
    make_plan(tmp_path, "mine", cells, TrainingOptions(CPU, 3)).write(tmp_path)
    assert make_plan(tmp_path, "mine", [build("gce")], TrainingOptions(CPU)).widths == {
        kind_of(build()): 3,
        kind_of(build("gce")): 3,
    }
    drivers = json.loads((tmp_path / "plan.json").read_text())["drivers"]
    assert drivers == {
        kind_of(build()): {"driver": "stack", "width": 3, "precision": "float32"},
    }
    with pytest.raises(RefusedError, match=r"started with --pack 3 and is finished with it"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CPU, 1))


def test_packs_are_cut_evenly_from_cells_that_are_alike():
    cells = [build(method, seed=s) for method in ("elr", "co_teaching") for s in range(25)]
    cells += [build("elr", recipe="small(epochs=4)")]
    cut = packs(cells, dict.fromkeys(kinds(cells), 8))
    assert [len(pack.cells) for pack in cut] == [7, 6, 6, 6, 7, 6, 6, 6, 1]
    every = [cell.id for pack in cut for cell in pack.cells]
    assert sorted(every) == sorted(cell.id for cell in cells)
    assert all(len({(c.method, c.recipe) for c in pack.cells}) == 1 for pack in cut)
    assert cut[0].cells[0].method.networks == 2  # the longest go first
    alone = packs(cells, dict.fromkeys(kinds(cells), 1))
    assert {len(pack.cells) for pack in alone} == {1}


def test_longest_cells_go_first():
    cells = [build(), build("co_teaching"), build(recipe="small(epochs=9)")]
    cut = packs(cells, dict.fromkeys(kinds(cells), 1))
    assert [pack.cells[0] for pack in cut] == [cells[2], cells[1], cells[0]]


def test_a_device_that_is_not_there_is_refused():
    assert choose_device("cpu") == CPU
    with pytest.raises(RefusedError, match="unknown device 'gpu'; known: cuda"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(RefusedError, match="no cuda device"):
            choose_device("cuda")


def test_a_folder_has_its_flags_from_its_start(tmp_path):
    cells = [build(model="convnet")]
    plan = make_plan(tmp_path, "mine", cells, TrainingOptions(CPU, flags=("deterministic",)))
    plan.write(tmp_path)
    again = make_plan(tmp_path, "mine", cells, TrainingOptions(CPU))
    assert again.flags == ("deterministic",)
    with pytest.raises(RefusedError, match="started without --graph, which changes"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CPU, flags=("graph",)))
    written = (tmp_path / "plan.json").read_text()
    assert '"driver": "one_by_one deterministic"' in written
    (tmp_path / "plan.json").write_text(written.replace('"deterministic"', '"compile"'))
    with pytest.raises(RefusedError, match="started with --compile, which this version does not"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CPU))


def test_noise_that_may_leave_images_out_has_packs_of_its_own():
    noises = ("clean", "cifar10n(labels='aggre')", "symmetric(rate=0.4)", "cifar10n")
    cells = [
        build(dataset="cifar10(classes='cat dog')", noise=noise, seed=seed)
        for noise in noises
        for seed in (0, 1, 2)
    ]
    cut = packs(cells, dict.fromkeys(kinds(cells), 8))
    held = [{NOISES.spec(cell.noise) for cell in pack.cells} for pack in cut]
    assert {"clean", "symmetric(rate=0.4)"} in held
    assert sorted(map(len, held)) == [1, 1, 2]


def test_branches_are_as_many_as_were_measured_and_packs_say_nothing_of_them(tmp_path):
    cells = [build(seed=seed, model="convnet") for seed in range(30)]
    branches = TrainingOptions(CPU, flags=("graph", "branches"))
    note(cells[0], {1: 1.0, 4: 0.1})
    for options in (TrainingOptions(CPU), TrainingOptions(CPU, flags=("graph",))):
        assert make_plan(tmp_path, "mine", cells, options).width(cells[0]) == 4
    assert make_plan(tmp_path, "mine", cells, branches).width(cells[0]) == 8
    note(cells[0], {1: 1.0, 3: 0.1}, ("graph", "branches"))
    plan = make_plan(tmp_path, "mine", cells, branches)
    assert plan.width(cells[0]) == 3
    plan.write(tmp_path)
    assert '"driver": "branches graph"' in (tmp_path / "plan.json").read_text()
    assert make_plan(tmp_path, "mine", cells, TrainingOptions(CPU)).flags == ("graph", "branches")
    assert in_words(3, plan.flags) == "branches of 3"


CUDA = torch.device("cuda")


@pytest.fixture
def no_gpu(monkeypatch):
    """A plan for a GPU asks none how much memory is free, nor what it is called."""
    monkeypatch.setattr("benchmarks.planning.plan.free_bytes", lambda _: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Green 9")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("device", "width"), [("cuda", 3), ("cuda:1", 9)])
def test_packs_are_narrow_enough_for_all_gpus_to_have_one(monkeypatch, tmp_path, device, width):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    cells = [build(seed=seed) for seed in range(9)]
    plan = make_plan(tmp_path, "mine", cells, TrainingOptions(torch.device(device)))
    assert plan.width(cells[0]) == width
    assert len(packs(cells, plan.widths)) == 9 // width


@pytest.mark.usefixtures("no_gpu")
def test_a_folder_on_a_gpu_of_which_nothing_is_known_gets_fast_drivers_and_keeps_them(tmp_path):
    cells = [build(model=name, seed=s) for name in ("mlp", "convnet") for s in range(200)]
    cells += [build(dataset="cifar10", model="resnet18", seed=seed) for seed in range(2)]
    plan = make_plan(tmp_path, "mine", cells, TrainingOptions(CUDA))
    plan.write(tmp_path)
    drivers = json.loads((tmp_path / "plan.json").read_text())["drivers"]
    drivers = [drivers[kind] for kind in kinds(cells)]
    assert [(driver["driver"], driver["width"]) for driver in drivers] == [
        ("stack graph", 100),
        ("branches graph", 8),
        ("one_by_one graph", 1),
    ]
    text = describe(replace(prepare(Request(out=tmp_path / "other")), plan=plan))
    assert "packs of 100, each step a CUDA graph" in text
    assert "branches of 8, each step a CUDA graph" in text
    note(cells[0], {1: 1.0})
    again = make_plan(tmp_path, "mine", cells[:1], TrainingOptions(CUDA))
    assert (again.flags, again.width(cells[0])) == (("graph", "branches"), 100)
    with pytest.raises(RefusedError, match=r"started with --graph, .*; leave --no-graph out or"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CUDA, without=("graph",)))


@pytest.mark.usefixtures("no_gpu")
def test_a_folder_started_without_a_graph_goes_on_without_one(tmp_path):
    cells = [build(seed=seed) for seed in range(3)]
    make_plan(tmp_path, "mine", cells, TrainingOptions(CUDA, without=("graph",))).write(tmp_path)
    assert make_plan(tmp_path, "mine", cells, TrainingOptions(CUDA)).flags == ()
    with pytest.raises(RefusedError, match="started without --graph"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CUDA, flags=("graph",)))


def test_what_is_asked_for_of_graph_and_branches_decides_the_flags_of_a_new_folder():
    def flags(device, **asked):
        return options_of(Request(**asked), torch.device(device)).flags_at_start()

    assert flags("cuda") == ("graph", "branches")
    assert flags("cuda", deterministic=True) == ("graph", "branches", "deterministic")
    assert flags("cuda", branches=False) == ("graph",)
    assert flags("cuda", graph=False) == flags("cpu") == flags("mps") == flags("cpu", graph=False)
    assert flags("cpu") == ()
    with pytest.raises(RefusedError, match="--branches are those of a graph, got --no-graph"):
        flags("cuda", branches=True, graph=False)


def test_on_a_gpu_convolutions_are_trained_in_bfloat16_and_dense_networks_in_float32():
    suite = Suite.read("default").override({"model": ["mlp", "convnet"], "seed": [0]})
    for device, names in (("cuda", ("float32", "bfloat16")), ("cpu", ("float32", "float32"))):
        precision = functools.partial(default_precision, torch.device(device))
        found = {(MODELS.name(cell.model), cell.precision) for cell in suite.cells(precision)}
        assert found == set(zip(("mlp", "convnet"), names, strict=True))


@pytest.mark.parametrize("name", ["cuda:2", "cuda:", "cuda:-1", "cuda:x"])
def test_a_gpu_of_a_number_that_is_not_there_is_refused(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(RefusedError, match=f"from 0 to 1, as .* has 2 such devices, got '{name}'"):
        choose_device(name)


def test_a_dense_network_takes_what_its_layers_say():
    cell = build(recipe="small(batch=100, momentum=0.9)")
    data = N * (PIXELS + 16 + 8 * CLASSES)
    assert memory.of_cell(cell) == (3 * 4 * MLP, 4 * KEPT * 100, data)


@pytest.mark.parametrize(
    ("method", "recipe", "weights", "activations"),
    [
        ("co_teaching", "small", 2, 2),  # networks
        ("gjs", "small", 1, 2),  # views
        ("l2rw", "small", 1, memory.LOOKAHEAD_GRAPHS),
        ("ce_ema", "small", 4 / 3, 1),  # an average beside weights, gradient, momentum
        ("cross_entropy", "small(optimizer='adam')", 4 / 3, 1),
    ],
)
def test_what_a_method_and_its_recipe_multiply(method, recipe, weights, activations):
    plain, found = (
        memory.of_cell(build(recipe="small")),
        memory.of_cell(build(method, recipe=recipe)),
    )
    assert found.weights == pytest.approx(weights * plain.weights)
    assert found.activations == activations * plain.activations


def test_a_convolutional_network_keeps_what_normalisation_pooling_and_the_next_layer_need():
    found = memory._of_network(build(model="convnet").model, (3, 32, 32), 10, "float32")
    first, second = 16 * 32 * 32, 32 * 32 * 32  # numbers: of a convolution, and rectified
    pooled = 32 * 16 * 16
    assert found.kept == 4 * (3 * 32 * 32 + 2 * first + 2 * second + pooled + 64) + 8 * pooled
    assert found.largest == 4 * second
    assert found.live == 2 * found.largest  # before a layer, and behind it


def test_a_resnet_has_its_eleven_million_weights():
    found = memory._of_network(build(model="resnet18").model, (3, 32, 32), 10, "float32")
    assert found.weights == 4 * 11_173_962
    assert found.live == 3 * found.largest == 3 * 4 * 64 * 32 * 32  # and what is added in the end


def test_half_precision_keeps_about_half():
    single, half = (
        memory.of_cell(build(model="convnet", precision=name)) for name in ("float32", "bfloat16")
    )
    assert 0.4 < half.activations / single.activations < 0.65
    assert half.weights == single.weights


@pytest.mark.parametrize("flags", [(), ("graph",), ("graph", "branches")])
def test_the_widest_pack_is_the_last_that_fits_with_every_narrower_one(flags):
    cell = build(model="convnet", precision="bfloat16")
    sizes = [memory.of_pack(cell, count, flags) for count in range(1, 700)]
    falls = [i for i in range(1, len(sizes)) if sizes[i] < sizes[i - 1]]  # to what i + 1 cells take
    assert falls or "branches" not in flags
    for size in (sizes[9], sizes[600], *(1.1 * sizes[i] for i in falls)):
        free = math.ceil(size / memory.SHARE)
        width = memory.widest(cell, free, flags)
        assert max(sizes[:width]) <= memory.SHARE * free < sizes[width]
        assert memory.widest(cell, free, flags, 5) == min(width, 5)


def test_packs_are_planned_no_wider_than_fits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    cells = [build(seed=seed) for seed in range(12)]
    note(cells[0], {1: 2.0, 16: 1.0})
    between = (memory.of_pack(cells[0], 6) + memory.of_pack(cells[0], 7)) / 2
    for free, width in ((None, 12), (int(between / memory.SHARE), 6), (10, 1)):
        monkeypatch.setattr("benchmarks.planning.plan.free_bytes", lambda _, free=free: free)
        planned = make_plan(NOWHERE, "mine", cells, TrainingOptions(CPU))
        assert planned.width(cells[0]) == width
        assert options_of(Request(workers=4), CUDA).sharing == 4
        shared = make_plan(NOWHERE, "mine", cells, TrainingOptions(CPU, sharing=4))
        assert shared.width(cells[0]) == (12 if free is None else 1)
        assert make_plan(NOWHERE, "mine", cells, TrainingOptions(CPU, 9)).width(cells[0]) == 9


def test_a_suite_of_too_many_cells_is_counted_before_any_is_built(monkeypatch):
    monkeypatch.setattr(METHODS, "build", None)
    rates = [f"symmetric(rate=0.{k})" for k in range(1001)]
    suite = Suite.read("default").override({"noise": rates, "seed": range(1000)})
    with pytest.raises(
        RefusedError, match=r"names 6,006,000 cells, and a plan holds at most 1,000"
    ):
        suite.cells("float32")


def test_a_plan_asks_of_one_cell_what_its_seeds_share(monkeypatch, tmp_path):
    asked, keys = [], Cell.keys
    monkeypatch.setattr(Cell, "keys", lambda cell: asked.append(cell) or keys(cell))
    for count in (3, 300):
        before = len(asked)
        text = forecast(
            Request(out=tmp_path / "new", methods=["elr"], noises=["clean"], seeds=range(count))
        )
        assert f"{count} planned, 0 done, {count} to do" in text
        assert len(asked) - before < 10
    assert "59  and 240 more" in text


@pytest.mark.parametrize("width", [50_000, 65_536])
def test_a_network_beyond_bounds_is_refused_by_its_shapes(tmp_path, width):
    cells = [build(model=f"mlp(first={width}, second={width})")]
    with pytest.raises(RefusedError, match=r"GiB of weights, and at most 8 GiB are planned and"):
        make_plan(tmp_path, "mine", cells, TrainingOptions(CPU))


def test_a_network_that_cannot_be_counted_is_as_large_as_any():
    class Endless:
        def build(self, shape, num_classes):
            return torch.nn.Linear(2**40, 2**40)

    assert memory.weights_of(Endless(), (1, 8, 8), 10) > memory.LARGEST_NETWORK


@pytest.mark.parametrize("model", ["mlp", "convnet"])
def test_shapes_say_the_same_of_a_network_as_its_numbers(monkeypatch, model):
    args = build(model=model).model, (3, 32, 32), 10, "float32"
    found = memory._of_network.__wrapped__(*args)
    monkeypatch.setattr(memory, "ALLOCATED", 0)
    assert memory._of_network.__wrapped__(*args) == found

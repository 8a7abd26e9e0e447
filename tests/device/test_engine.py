"""What only a device shows of the engine, each by a program on the stub that is a line or two."""

SETUP = """
import json
import torch
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import train
from tests.cells import build, few
from tests.device.matrix import on

def begun(method="cross_entropy", model="convnet", recipe="small(epochs=2, batch=40)", width=1,
          flags=("graph",), device="cuda", precision="float32", team_of=team_of):
    chosen = {"model": model, "recipe": recipe, "precision": precision}
    cells = [build(method, seed=seed, **chosen) for seed in range(width)]
    data = [on(torch.device(device), few(cell)) for cell in cells]
    return team_of(cells, data, width, flags)
"""


def test_graphs_train_in_float64_where_rates_are_tensors(on_the_stub):
    program = """
torch.set_default_dtype(torch.float64)
reasons = []
for optimizer in ("sgd", "adam"):
    team = begun(recipe=f"small(epochs=2, batch=40, optimizer='{optimizer}')")
    list(train(team))
    reasons.append(team.reason)
print(json.dumps({"reasons": reasons}))
"""
    assert on_the_stub("-c", SETUP + program) == [{"reasons": ["", ""]}]


def test_a_refused_capture_leaves_its_stream_and_memory_and_says_why(on_the_stub):
    program = """
from tests.device.faults import item_in_a_hook
main = torch.cuda.current_stream()
with item_in_a_hook():
    team = begun()
    list(train(team))
here = torch.cuda.current_stream() == main
torch.cuda.empty_cache()  # refused while a capture is under way
after = begun()
list(train(after))
print(json.dumps({"why": team.reason, "here": here, "after": after.reason}))
"""
    (line,) = on_the_stub("-c", SETUP + program)
    assert line["why"].startswith("CUDA error: operation not permitted when stream is capturing")
    assert (line["here"], line["after"]) == (True, "")


def test_a_lack_of_memory_and_a_bug_of_a_method_are_no_refusal_of_a_graph(on_the_stub):
    program = """
from unittest import mock
from benchmarks.engine.one_by_one import Member
def at_capture(wrong):
    plain = Member.step
    def step(self, *args):
        if torch.cuda.is_current_stream_capturing():
            wrong()
        return plain(self, *args)
    return mock.patch.object(Member, "step", step)
def too_large():
    torch.empty(2**50, device="cuda")
def bug():
    torch.ones(2, device="cuda") @ torch.ones(2)
main, ends = torch.cuda.current_stream(), []
for wrong in (too_large, bug):
    with at_capture(wrong):
        try:
            list(train(begun()))
        except RuntimeError as error:
            ends.append(f"{type(error).__name__} {torch.cuda.current_stream() == main}")
list(train(begun()))
print(json.dumps({"ends": ends}))
"""
    assert on_the_stub("-c", SETUP + program) == [
        {"ends": ["OutOfMemoryError True", "RuntimeError True"]}
    ]


def test_graphs_and_branches_run_on_the_second_device(on_the_stub):
    program = """
from tests.device.counters import Stub
stub = Stub()
for flags, width in ((("graph",), 1), (("graph",), 2), (("graph", "branches"), 2)):
    for device in ("cuda:0", "cuda:1"):
        team = begun(flags=flags, width=width, device=device)
        epochs = train(team)
        next(epochs)
        before = stub.counts()
        next(epochs)
        spent = stub.counts() - before
        took = {"replays": spent["replay"], "kernels": spent["replayed_kernel"]}
        print(json.dumps({"why": team.reason, **took}))
"""
    found = on_the_stub("-c", SETUP + program, devices=2)
    assert found[::2] == found[1::2]
    assert len(found) == 2 * 3
    for line in found:
        assert (line["why"], line["replays"]) == ("", 7)
        assert line["kernels"] > 7 * 30


def test_averages_take_a_few_kernels_and_nobody_waits_for_them(on_the_stub):
    program = """
from tests.device.counters import Stub
from tests.device.metered import KERNELS, WAITS, Metered
stub = Stub()
drivers = ((), 1), (("graph",), 1), ((), 2), (("graph",), 2), (("graph", "branches"), 2)
for flags, width in drivers:
    team = Metered(begun("elr_plus", flags=flags, width=width), stub)
    epochs = train(team)
    next(epochs)
    team.forget()
    next(epochs)
    kernels, waits = (team.of("update_averages", kinds) for kinds in (KERNELS, WAITS))
    print(json.dumps({"graphed": len(flags) > 0, "kernels": kernels, "waits": waits}))
"""
    found = on_the_stub("-c", SETUP + program)
    assert len(found) == 5
    for line in found:
        assert line["waits"] == 0
        steps = 1 if line["graphed"] else 8  # the short last one of an epoch has no graph
        assert 0 < line["kernels"] < steps * 40


def test_an_epoch_begins_with_a_transfer_for_each_type_and_nobody_waits_for_it(on_the_stub):
    program = """
from tests.device.counters import Stub
from tests.device.metered import TRANSFERS
stub, recipe = Stub(), "small(epochs=3, batch=40, crop=1, flip=True, rotation=10.0)"
for method in ("cross_entropy", "dividemix", "l2rw", "promix"):
    epochs = train(begun(method, "mlp(first=19, second=13)", recipe, width=2, flags=()))
    next(epochs)
    before = stub.counts()
    with stub.waits() as waits:
        next(epochs)
    spent = stub.counts() - before
    line = {"transfers": [spent[kind] for kind in TRANSFERS]}
    print(json.dumps(line | {"phases": sorted(wait.phase for wait in waits.elements())}))
"""
    found = on_the_stub("-c", SETUP + program)
    assert len(found) == 4
    for line in found:
        pageable, pinned, to_host = line["transfers"]
        assert (pageable, to_host) == (0, 2)  # losses, and whether logits are finite
        assert pinned <= 4  # whole numbers, bytes, and two types of real ones
        assert line["phases"] == ["train", "train"]


def test_a_replay_copies_what_it_reads_by_a_kernel_for_each_type_however_many_cells(on_the_stub):
    program = """
from tests.device.counters import Stub
from tests.device.metered import Metered
stub = Stub()
for width in (2, 5):
    team = Metered(begun("elr", "mlp", width=width, flags=("graph", "branches")), stub)
    epochs = train(team)
    next(epochs)
    batches = list(team.batches(1))
    epoch = torch.tensor(1, device="cuda")
    team.forget()
    for batch in batches[:-1]:
        team.step(batch, epoch)
    launched = ("kernel", "library", "fill", "on_device", "replay")
    print(json.dumps({"launches": team.of("step", launched) / team.calls["step"]}))
"""
    few, many = on_the_stub("-c", SETUP + program)
    assert few == many
    assert few["launches"] <= 5  # real, whole, the graph, and the losses


def test_every_layer_of_a_stack_has_the_type_on_the_device_that_autocast_gives_it(on_the_stub):
    program = """
from benchmarks.engine.networks import autocast
from benchmarks.models import MODELS
from tests.engine.test_precision import Others, mapped, types_by_layer
device = torch.device("cuda")
for model in ("mnist_convnet", "preact_resnet18", "resnet18"):
    network, image = MODELS.build(model).build((1, 8, 8), 10).to(device), torch.randn(2, 1, 8, 8)
    with autocast("bfloat16", device):
        alone = types_by_layer(network, lambda: network(image.to(device)))
    both = alone, types_by_layer(network, lambda: mapped(network, image.to(device)))
    print(json.dumps({"types": [[str(layer) for layer in layers] for layers in both]}))
network, image = Others().to(device), torch.randn(2, 1, 4, 4).to(device)
with autocast("bfloat16", device):
    both = network(image), mapped(network, image)
print(json.dumps({"types": [[str(layer.dtype) for layer in layers] for layers in both]}))
"""
    found = on_the_stub("-c", SETUP + program)
    assert len(found) == 4
    for line in found:
        alone, mapped = line["types"]
        assert alone == mapped
        assert len(alone) > 9


def test_feature_vectors_are_trained_on_the_device_by_every_driver(on_the_stub):
    program = """
from tests.device.matrix import DRIVERS
SPEC = "embedded(dataset='digits', backbone='random_conv(patches=12, size=10)')"
def vectors(data):
    def of(images):
        return torch.rand(len(images), 10, 1, 1)
    flat = {"train": of(data.train), "val": of(data.val), "mean": torch.zeros(10, 1, 1)}
    test = data.test._replace(image=of(data.test.image))
    moments = torch.ones(2, 10, 1, 1)
    return data._replace(**flat, std=torch.ones(10, 1, 1), test=test, moments=moments)
ends = {}
for driver, (width, flags) in DRIVERS.items():
    for method, model in (("mixup", "linear"), ("disc", "mlp(first=19, second=13)")):
        chosen = {"dataset": SPEC, "model": model, "recipe": "small(epochs=2, batch=40)"}
        own = [build(method, seed=seed, **chosen) for seed in range(width)]
        digits = [few(build(seed=seed)) for seed in range(width)]
        data = [on(torch.device("cuda"), vectors(each)) for each in digits]
        team = team_of(own, data, width, flags)
        epochs = list(train(team))
        where = {epoch.test.device.type for epoch in epochs[-1]}
        ends[f"{driver} {model}"] = [len(epochs), getattr(team, "reason", ""), sorted(where)]
print(json.dumps(ends))
"""
    (line,) = on_the_stub("-c", SETUP + program)
    assert len(line) == 10
    assert {repr(end) for end in line.values()} == {repr([2, "", ["cuda"]])}

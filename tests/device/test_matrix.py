"""Every method trains on the device by every driver, as the lines of ``matrix.py`` say.

``make soak`` tries all; what every commit tries is ``lines.QUICK``. Numbers that come from the stub
are not judged: its kernels compute none.
"""

import itertools

import pytest

from benchmarks.engine.drivers import driver_name
from benchmarks.planning.options import FLAGS
from methods import METHODS
from tests.device import lines
from tests.device.faults import FAULTS


def problems(line):
    """Say what is wrong with how a combination has trained."""
    if line["status"] != "ok":
        return [line["status"]]
    wanted = [int("graph" in line["driver"])] * line["stages"]
    waits = [wait for wait in line["waits"] if wait[0] == "step" and "/cuda/" not in wait[1]]
    checks = {
        f"not on the device: {line['elsewhere']}": line["elsewhere"],
        f"moved between replays: {line['moved']}": line["moved"],
        f"captures by stage: {line['captures']}": line["captures"] != wanted,
        f"no graph: {line['reasons']}": line["reasons"],
        f"refused by a GPU: {line['faults']}": line["faults"],
        f"waits in a step: {waits}": waits,
    }
    return [sentence for sentence, wrong in checks.items() if wrong]


@pytest.mark.parametrize("combination", lines.CHOSEN, ids=str)
def test_a_method_trains_on_the_device(quick, combination):
    assert problems(quick(combination)) == []


def test_every_commit_tries_every_method_and_driver():
    assert {one.method for one in lines.CHOSEN} == set(METHODS)
    assert {one.driver for one in lines.CHOSEN} == set(lines.DRIVERS)
    assert set(lines.CHOSEN) <= set(lines.EVERY)
    count = len(METHODS) * len(lines.MODELS) * len(lines.DRIVERS) * len(lines.PRECISIONS)
    assert len(set(lines.EVERY)) == len(lines.EVERY) == count


def test_every_driver_that_flags_can_ask_for_is_tried():
    asked = [flags for n in range(3) for flags in itertools.combinations(("graph", "branches"), n)]
    asked = [flags for flags in asked if flags != ("branches",)]  # they are those of a graph
    assert {"graph", "branches"} == set(FLAGS) - {"deterministic"}
    names = {driver_name(width, flags) for width in (1, 2) for flags in asked}
    assert names == set(lines.DRIVERS)
    for name, (width, flags) in lines.DRIVERS.items():
        assert driver_name(width, flags) == name


@pytest.mark.soak
@pytest.mark.parametrize("combination", lines.EVERY, ids=str)
def test_every_method_trains_on_the_device_by_every_driver(whole, combination):
    assert problems(whole(combination)) == []


DRIVERS_OF_CUDA = ("one_by_one graph", "stack graph", "branches graph")


@pytest.fixture(scope="module")
def second(on_the_stub):
    program = ("-m", "tests.device.matrix", "--model", "convnet", "--precision", "float32")
    trained = [f"{driver}=elr" for driver in DRIVERS_OF_CUDA]
    found = on_the_stub(*program, "--device", "cuda:1", "--train", *trained, devices=2)
    return {line["driver"]: line for line in found}


@pytest.mark.parametrize("driver", DRIVERS_OF_CUDA)
def test_a_method_trains_on_the_second_of_two_devices(second, driver):
    assert problems(second[driver]) == []


# ---- the tests above find what is planted ----


FOUND_BY = {
    "tensor_on_the_cpu": "not on the device: ['state seen']",
    "mixed_devices": "RuntimeError: Expected all tensors to be on the same device",
    "item_in_a_hook": "waits in a step: [['step', 'methods/base.py', 'Method.loss', 'stream'",
    "state_rebound": "moved between replays: ['carried']",
    "rate_as_a_number": "moved between replays: ['learning rate']",
    "stream_not_joined": "no graph: ['no CUDA graph, kernels are launched one by one: CUDA error: "
    "capturing stream has unjoined work']",
}


@pytest.fixture(scope="module")
def planted(on_the_stub):
    program = ("-m", "tests.device.matrix", "--model", "mlp", "--precision", "float32")
    trained = ("--train", "branches graph=cross_entropy,elr")
    return on_the_stub(*program, *trained, "--faults", *FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(planted, fault):
    found = [said for line in planted if line["fault"] == fault for said in problems(line)]
    assert any(said.startswith(FOUND_BY[fault]) for said in found), found

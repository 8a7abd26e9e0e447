"""The stub knows what a GPU refuses, and one that refuses nothing is found out."""

import pytest

from tests.device import controls

EXPECTED = dict.fromkeys(controls.HELD, (True, False))
EXPECTED |= dict.fromkeys(controls.NOT_HELD, (False, None))
EXPECTED |= dict.fromkeys(controls.BESIDE, (True, True))
"""Of each control: whether it can be captured, and whether the stub finds a fault; None: either."""


def verdicts(lines):
    """Return for each control whether the stub judged it as a GPU would."""
    judged = {}
    for line in lines:
        captured, faulty = EXPECTED[line["name"]]
        right = line["captured"] == captured and faulty in {None, bool(line["faults"])}
        judged[line["name"]] = right
    return judged


@pytest.fixture(scope="module")
def lines(on_the_stub):
    return on_the_stub("-m", "tests.device.controls")


def test_every_control_is_judged_as_a_gpu_would(lines):
    judged = verdicts(lines)
    assert set(judged) == set(EXPECTED)
    assert [name for name, right in judged.items() if not right] == []


def test_a_refusal_names_the_call(lines):
    (item,) = [line for line in lines if line["name"] == "item"]
    assert "cudaStreamSynchronize: not permitted while a stream is capturing" in item["faults"]


def test_a_stub_that_refuses_nothing_is_found_out(on_the_stub):
    judged = verdicts(on_the_stub("-m", "tests.device.controls", lenient=True))
    wrong = {name for name, right in judged.items() if not right}
    assert wrong >= {"item", "nonzero", "a wait for the device", "streams that are not joined"}
    assert wrong >= set(controls.BESIDE)
    assert not wrong & set(controls.HELD)

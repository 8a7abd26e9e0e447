"""Evaluation on a GPU: what is rounded, how many images at once, and how often the host waits."""

import pytest

from tests.device.evaluation import TEST, TRAIN, VAL
from tests.device.matrix import DRIVERS


@pytest.fixture(scope="module")
def lines(on_the_stub):
    return on_the_stub("-m", "tests.device.evaluation")


def test_every_driver_was_tried_in_both_precisions(lines):
    found = [(line["driver"], line["precision"]) for line in lines]
    assert found == [(driver, kind) for driver in DRIVERS for kind in ("float32", "bfloat16")]


def test_products_are_rounded_where_bfloat16_is_evaluated_and_nowhere_else(lines):
    for line in lines:
        evaluated = [True, True] if line["precision"] == "bfloat16" else [False, False]
        assert line["rounded"] == {"step": [[False, False]], "evaluate": [evaluated]}


def test_images_are_evaluated_in_batches_that_a_gpu_fills(lines):
    once = [*[100] * (TRAIN // 100), TRAIN % 100, VAL, TEST]
    for line in lines:
        assert line["sizes"] == 2 * once  # of four epochs two are evaluated
        assert line["kernels"] > 0


def test_an_epoch_waits_for_the_device_twice_whoever_trains_and_whether_it_is_evaluated(lines):
    """Once for its losses, at which training has ended, and once for whether logits are finite."""
    assert [line["waits"] for line in lines] == [[2, 2]] * len(lines)

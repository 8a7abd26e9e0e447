"""Every method by every driver, held to the CPU in float64: on a GPU where there is one."""

import time

import pytest
import torch

from methods import METHODS
from tests.gpu import truth
from tests.gpu.findings import GREEN, read
from tests.gpu.work import Session, work

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def wrong(device, method, folder):
    """Train a method by the drivers of a device, as the script does; return what is not green."""
    session = Session(folder, device, {"methods": time.time() + 300}, toy=True, methods=(method,))
    work({"methods": truth.stage}, session)
    rows = list(read(folder))
    assert len(rows) == len(truth.of_drivers(session))
    return [row for row in rows if row["verdict"] != GREEN]


@needs_gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_trains_as_the_cpu(method, tmp_path):
    assert wrong("cuda", method, tmp_path) == []


@pytest.mark.parametrize("method", ["cross_entropy", "dividemix"])
def test_the_drivers_that_need_no_gpu_train_as_a_cell_alone(method, tmp_path):
    assert wrong("cpu", method, tmp_path) == []


def test_methods_that_sort_are_methods():
    assert set(METHODS) >= truth.SORTS

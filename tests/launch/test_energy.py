"""The joules of a pack: read from a stand-in with the functions of NVML, on no GPU."""

import contextlib
import sys
import types

import pytest
import torch

from benchmarks.launch import energy, worker
from tests.cells import CPU, NOWHERE, build

GPU = torch.device("cuda", 0)


class NVMLError(Exception):
    """Raised as NVML's own is."""


@pytest.fixture
def counts(monkeypatch):
    """What the counter of the GPU reads, one after another, in millijoules; None is refused."""
    readings, opened = [], []

    def reading(handle):
        assert (handle, opened) == ("handle of GPU-ab", ["open"])
        if (value := readings.pop(0)) is None:
            raise NVMLError
        return value

    nvml = types.ModuleType("pynvml")
    nvml.NVMLError = NVMLError
    nvml.nvmlInit = lambda: opened.append("open")
    nvml.nvmlShutdown = opened.clear
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: f"handle of {uuid}"
    nvml.nvmlDeviceGetTotalEnergyConsumption = reading
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    about = types.SimpleNamespace(uuid="ab")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: about)
    yield readings
    assert opened == []


@pytest.mark.parametrize(
    ("readings", "joules"),
    [([5000, 12500], 7.5), ([None, None], None), ([5000, None], None), ([5000, 12], None)],
)
def test_the_joules_of_a_gpu_are_the_difference_of_its_counter(counts, readings, joules):
    counts += readings
    with energy.spent(GPU) as spent:
        assert len(counts) == 1
    assert spent.total == joules
    assert spent.each(3) == (None if joules is None else joules / 3)


def test_nothing_is_counted_on_the_processor_or_without_the_library(counts, monkeypatch):
    with energy.spent(CPU) as spent:
        pass
    assert spent.total is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with energy.spent(GPU) as spent:
        pass
    assert (spent.total, counts) == (None, [])


@pytest.mark.parametrize(("workers", "each"), [(1, 4.0), (2, None)])
def test_the_cells_of_a_pack_share_its_joules_unless_others_use_the_gpu(
    tmp_path, monkeypatch, workers, each
):
    @contextlib.contextmanager
    def spent(_device):
        joules = energy.Joules()
        yield joules
        joules.total = 12.0

    monkeypatch.setattr(energy, "spent", spent)
    cells = [build(seed=seed, recipe="small(epochs=2)") for seed in range(3)]
    job = worker.Job(tmp_path, NOWHERE, "cpu", keep_all=False, commit="", workers=workers, gpus=1)
    records = worker.train_pack(job, [cell.specs() for cell in cells], 3, CPU)
    assert [record.meta.costs.energy_joules for record in records] == [each] * 3

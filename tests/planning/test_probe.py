"""How fast this machine trains, measured at every width and by several processes at once."""

import pytest
import torch

from benchmarks.engine.record import PackSetup
from benchmarks.planning import memory, probe, processes_per_gpu
from benchmarks.planning.throughput import Measured, SecondsPerImage, Throughput, work_of
from tests.cells import CPU, NOWHERE, build

WIDTHS = {16: SecondsPerImage(1.0, 1.0)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(probe, "ENOUGH_SECONDS", 0.0)


def test_processes_are_tried_together_as_far_as_memory_goes_and_kept(monkeypatch):
    cell = build()

    def together(*place):
        return SecondsPerImage(1.0, float(place[-1]))

    monkeypatch.setattr(processes_per_gpu, "probe_together", together)
    tried = []
    for fit in (None, 100, 40, 8):
        Throughput.read().add(work_of(cell, CPU), Measured(WIDTHS, {}))
        monkeypatch.setattr(memory, "widest", lambda *_, fit=fit: fit)
        probed = processes_per_gpu.probe_processes([cell, build(seed=1)], NOWHERE, CPU)
        tried.append([words for _, words, _ in probed])
        kept = Throughput.read().entries[work_of(cell, CPU)]
        assert kept.widths == WIDTHS
        assert len(kept.processes) == (len(tried[-1]) + 1 if tried[-1] else 0)  # and one alone
    two, four = (f"{count} processes on the GPU" for count in (2, 4))
    assert tried == [[two, four], [two, four], [two], []]


def test_processes_that_share_a_device_are_measured_at_the_same_time():
    cell = build(recipe="small(epochs=2)")
    setup = PackSetup(NOWHERE, CPU, keep_all=False, width=4)
    cost = processes_per_gpu.probe_together(cell, setup, 2)
    assert 0 < cost.train < 1
    assert 0 < cost.evaluate < 1


def test_processes_that_do_not_fit_together_are_no_choice(monkeypatch):
    cells = build(), build("co_teaching", recipe="small(epochs=2)")
    for cell in cells:
        Throughput.read().add(work_of(cell, CPU), Measured(WIDTHS, {}))

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(processes_per_gpu, "probe_together", full)
    assert list(processes_per_gpu.probe_processes(cells, NOWHERE, CPU)) == []

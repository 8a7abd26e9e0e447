"""Cells measured side by side are measured as one after the other."""

import multiprocessing
import time

import numpy as np
import pytest

from benchmarks import processes
from benchmarks.engine import measurers, record
from benchmarks.engine.measurers import measure_all
from benchmarks.engine.record import PackSetup, train_and_record
from tests.cells import CPU, NOWHERE, build

pytestmark = pytest.mark.skipif(not processes.FORKS, reason="only there are they forked")


@pytest.fixture(autouse=True)
def ended():
    """Processes end with the test that began them."""
    yield
    for measurer in list(measurers._measurers):
        measurer.process.kill()
        measurers._let_go(measurer)


def trained():
    cells = [build("reweighting", seed=seed, recipe="small(epochs=2)") for seed in range(3)]
    return train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=True, width=3))


def assert_same(found, records):
    for numbers, own in zip(found, records, strict=True):
        assert numbers.seconds > 0
        assert numbers.arrays
        for name, value in numbers.arrays.items():
            assert value.dtype == own.arrays[name].dtype
            np.testing.assert_array_equal(value, own.arrays[name])


def test_numbers_are_the_same_whoever_measures_even_if_a_process_dies():
    records = trained()
    for _ in range(2):
        assert_same(measure_all(records, 2), records)
    first, second = measurers._measurers
    first.process.kill()
    first.process.join()
    assert_same(measure_all(records, 2), records)
    assert_same(measure_all(records, 8), records)
    again = [measurer.process.pid for measurer in measurers._measurers]
    assert len(again) == 3
    assert second.process.pid in again
    assert first.process.pid not in again


def test_what_cannot_be_measured_fails_here_with_its_reason():
    records = trained()
    damaged = records[1]._replace(arrays={})
    with pytest.raises(KeyError, match="selected"):
        measure_all([records[0], damaged], 2)
    assert_same(measure_all(records, 2), records)


def test_a_process_that_measures_ends_in_silence_with_its_worker():
    ours, theirs = multiprocessing.Pipe()
    ours.send([])
    ours.close()
    assert measurers._serve(theirs) is None


def test_they_serve_a_worker_that_was_spawned_and_end_with_it():
    records, context = trained(), processes.worker_context((), "cuda")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(theirs, records))
    worker.start()
    found, numbers = ours.recv()
    assert_same(found, records)
    worker.kill()
    worker.join()
    ends = time.monotonic() + 60
    while any(map(processes.is_running, numbers)):
        assert time.monotonic() < ends
        time.sleep(0.1)


def _work(pipe, records):
    processes.start_fork_server(processes.MEASURING)  # as a worker of a GPU does
    found = measure_all(records, 2)
    pipe.send((found, [measurer.process.pid for measurer in measurers._measurers]))
    time.sleep(600)


def test_the_cores_of_a_gpu_measure_its_cells_and_a_worker_of_the_processor_its_own(monkeypatch):
    counts = []
    monkeypatch.setattr(processes, "cores", lambda: 16)
    monkeypatch.setattr(record, "measure_all", lambda _, count: counts.append(count) or [])
    for device in ("cpu", "cuda:1"):
        record.add_numbers([], record.torch.device(device), keep_all=False, workers=2)
    assert counts == [1, 8]

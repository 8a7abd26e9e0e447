"""The workers of this machine: which of them has which GPU."""

import os
import time

import pytest
import torch
from pebble import ProcessExpired, ProcessPool

from benchmarks import processes
from benchmarks.launch import pool

_here = {}


def test_a_worker_that_begins_again_takes_the_place_of_the_one_that_died():
    context = processes.worker_context(processes.TRAINING)
    slots = context.Array("q", 2)
    with ProcessPool(2, context=context, initializer=_begin, initargs=(slots,)) as workers:
        before = _numbers(workers)
        assert sorted(before.values()) == [0, 1]
        with pytest.raises(ProcessExpired):
            workers.schedule(os._exit, [3]).result()
        while len(after := _numbers(workers)) < 2 or after == before:
            pass
    assert sorted(after.values()) == [0, 1]
    (lives,) = before.keys() & after.keys()
    assert before[lives] == after[lives]


def _begin(slots):
    with slots.get_lock():
        _here["number"] = pool.take_slot(slots)


def _numbers(workers):
    """Return the number of each worker that is met by a few tasks."""
    return dict(future.result() for future in [workers.schedule(_number) for _ in range(6)])


def _number():
    time.sleep(0.05)
    return os.getpid(), _here["number"]


@pytest.mark.parametrize(
    ("asked", "workers", "used"), [("cuda", 8, [3, 2, 0]), ("cuda:3", 1, [3, 3, 3])]
)
def test_workers_are_spread_over_all_gpus_unless_one_is_named(monkeypatch, asked, workers, used):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert pool.default_workers(torch.device(asked)).number == workers
    devices = [torch.device("cuda", index) for index in used]
    assert [pool._use_device(asked, number) for number in (3, 2, 8)] == chosen == devices

"""Which worker hangs, by the beats that it gives."""

import math
import os

import pytest

from benchmarks import processes
from benchmarks.launch.watch import EPOCHS, NOT_BEGUN, QUIET, Beats, TaskProgress, Watch

SLOW = 3000.0  # seconds of an epoch of a large network on a processor


def looked(beats):
    progress = TaskProgress()
    for now, beat in beats:
        progress.look(beat, now)
    return progress


@pytest.mark.parametrize(
    ("beats", "limit", "allowed"),
    [
        ([(0, NOT_BEGUN)], 1.0, math.inf),  # waits for a worker
        ([(0, 0.0)], None, QUIET),  # the first step never ends
        ([(0, 0.0), (1, 1.0), (2, 2.0)], None, QUIET),  # fast epochs, then none
        ([(0, 0.0), (SLOW, 1.0), (2 * SLOW, 2.0)], None, EPOCHS * SLOW),
        ([(0, 0.0), (SLOW / 10, 0.1)], None, EPOCHS * SLOW),  # the first epoch, by its steps
        ([(0, 0.0), (SLOW, 1.0), (SLOW + 1, 2.0), (SLOW + 2, 3.0)], None, QUIET),  # the median
        ([(0, 0.0), (SLOW, 1.0)], 7.0, 7.0),
        ([(0, 0.0), (1, 1.0), (2, 0.0), (3, 0.5)], None, QUIET),  # the cells of a pack, one by one
    ],
)
def test_a_task_is_late_when_no_epoch_has_ended_for_as_long_as_it_may_take(beats, limit, allowed):
    progress = looked(beats)
    last = progress.finished
    if allowed == math.inf:
        assert progress.late(1e9, limit) is None
        return
    assert progress.late(last + allowed - 0.01, limit) is None
    assert progress.late(last + allowed + 0.01, limit) == pytest.approx(allowed)


def test_a_worker_that_is_gone_is_missed_at_the_second_look(monkeypatch):
    beats = Beats([NOT_BEGUN] * 2, [0] * 2)
    watch = Watch(beats, None)
    assert not watch.orphaned(1)
    beats.begin(1)
    assert beats.workers[1] == os.getpid()
    assert [watch.orphaned(1), watch.orphaned(1)] == [False, False]
    monkeypatch.setattr(processes, "is_running", lambda _process: False)
    assert [watch.orphaned(0), watch.orphaned(1), watch.orphaned(1)] == [False, False, True]
    assert watch.late(1) is None

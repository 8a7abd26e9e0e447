"""The workers of this machine: which of them has which GPU."""

import multiprocessing
import os
import subprocess
import sys
import time

import pytest
import torch
from pebble import ProcessExpired, ProcessPool

from benchmarks import processes
from benchmarks.launch import pool, slots
from benchmarks.launch.worker import Job
from benchmarks.planning.plan import Pack
from benchmarks.store import Parts
from tests.cells import NOWHERE, build

_here = {}


def test_a_worker_that_begins_again_takes_the_place_of_the_one_that_died():
    context = processes.worker_context(processes.TRAINING)
    taken = context.Array("q", 2)
    with ProcessPool(2, context=context, initializer=_begin, initargs=(taken,)) as workers:
        while len(before := _numbers(workers)) < 2:
            pass
        assert sorted(before.values()) == [0, 1]
        with pytest.raises(ProcessExpired):
            workers.schedule(os._exit, [3]).result()
        while len(after := _numbers(workers)) < 2 or after == before:
            pass
    assert sorted(after.values()) == [0, 1]
    (lives,) = before.keys() & after.keys()
    assert before[lives] == after[lives]


def _begin(taken):
    with taken.get_lock():
        _here["number"] = slots.take_slot(taken)


def _numbers(workers):
    """Return the number of each worker that is met by a few tasks."""
    return dict(future.result() for future in [workers.schedule(_number) for _ in range(6)])


def _number():
    time.sleep(0.05)
    return os.getpid(), _here["number"]


@pytest.mark.parametrize(
    ("asked", "told", "seen"),
    [
        ("cuda", None, list("01234567")),
        ("cuda:3", None, ["3"]),
        ("cuda", "5, 6", ["5", "6"]),
        ("cuda:1", "GPU-a,GPU-b", ["GPU-b"]),
        ("cpu", "5", []),
    ],
)
def test_workers_are_spread_over_all_gpus_unless_one_is_named(monkeypatch, asked, told, seen):
    monkeypatch.delenv(slots.VISIBLE, raising=False)
    if told:
        monkeypatch.setenv(slots.VISIBLE, told)
    assert slots.gpus_to_see(asked, 8) == seen


@pytest.mark.parametrize(("asked", "sharing", "workers"), [("cuda", 1, 8), ("cuda", 3, 24)])
def test_every_gpu_has_as_many_workers_as_slots(monkeypatch, asked, sharing, workers):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert pool.default_workers(torch.device(asked), sharing).number == workers
    assert pool.default_workers(torch.device("cuda:3"), sharing).number == sharing


CHOSEN_FIRST = """
import multiprocessing
import os
import sys

class Witness:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ.get("CUDA_VISIBLE_DEVICES"))
            sys.exit()

sys.meta_path.insert(0, Witness())
from benchmarks.launch import slots

taken = multiprocessing.Array("q", [os.getpid(), 0, 0, 0])
turns = multiprocessing.Array("q", 2)
slots.begin(b"", ["7", "9"], slots.Shared(multiprocessing.Value("i", 0), taken, turns, None))
"""


def test_a_worker_chooses_its_gpu_before_pytorch_is_imported():
    words = [sys.executable, "-c", CHOSEN_FIRST]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "9\n"


def test_the_turn_of_a_process_that_died_is_another_s():
    other = multiprocessing.Process(target=time.sleep, args=(600,))
    other.start()
    turns = multiprocessing.Array("q", [0, other.pid])
    assert not pool._taken(turns, 1)
    other.kill()
    other.join()
    with pool._turn(turns, 1):
        assert turns[:] == [0, os.getpid()]
    assert turns[:] == [0, 0]


WATCHED = """
import os
import signal
import time
from pathlib import Path

from benchmarks.launch import pool, slots
from methods import METHODS
from methods.cross_entropy import CrossEntropy

LOG = Path(__file__).with_name("events")
train, finish = pool.train_pack, pool.finish_pack

def note(event):
    with LOG.open("a") as file:
        file.write(f"{event} {os.getpid()}\\n")

def train_pack(*args):
    dies = not LOG.exists()
    note("train")
    records = train(*args)
    note("trained")
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return records

def finish_pack(job, records):
    note("measure")
    for _ in range(400):
        if LOG.read_text().count("train ") < 3:
            time.sleep(0.05)  # until the next pack's training has begun
    if any(record.meta.keys.seed == 3 for record in records):
        raise ValueError("it cannot be measured")
    summaries = finish(job, records)
    note("measured")
    return summaries

pool.train_pack, pool.finish_pack = train_pack, finish_pack
METHODS.register("watched", type("Watched", (CrossEntropy,), {}))
"""


def test_a_gpu_trains_the_next_pack_while_the_one_before_is_measured(monkeypatch, tmp_path):
    """Its two processes train here on the CPU; one that dies when it has trained is replaced."""
    plugin = tmp_path / "watched.py"
    plugin.write_text(WATCHED)
    monkeypatch.setattr(pool, "processes_of_worker", lambda _device: 2)
    job = Job(tmp_path, NOWHERE, "cpu", keep_all=False, commit="", plugins=(plugin,))
    cells = [build(seed=seed, recipe="small(epochs=2)") for seed in range(4)]
    seeds, told = {cell.id: cell.seed for cell in cells}, {}

    def tell(outcome):
        meta = Parts(tmp_path).meta[outcome.cell_id]
        told[seeds[outcome.cell_id]] = (meta.status, meta.reason, "finish_pack" in meta.trace)

    packs = [Pack((cells[0],), 1), Pack((cells[1],), 1), Pack(tuple(cells[2:]), 1)]
    pool.run(job, packs, 1, tell)
    assert told.pop(3) == ("failed", "ValueError: it cannot be measured", True)
    assert told == dict.fromkeys(range(3), ("done", "", False))
    events, numbers = zip(
        *(line.split() for line in (tmp_path / "events").read_text().splitlines()), strict=True
    )
    training = [event for event in events if event.startswith("train")]
    assert training == ["train", "trained"] * 6
    third = [i for i, event in enumerate(events) if event == "train"][2]
    assert third < events.index("measured")
    assert len(set(numbers)) == 3

"""Run command lines with a fault at one of their steps, each in a fork of one interpreter.

Run as ``python -m tests.chaos.forked``: reads a case as JSON from each line of its input and prints
its exit code, output and errors. A case has ``args`` and may have ``steps``, the arguments of
:class:`tests.chaos.steps.Steps`; a batch that was trained on is a step, too. Workers are copies of
the process, which has imported everything.
"""

import json
import multiprocessing
import signal
import sys

import sklearn.datasets

from benchmarks import contract, processes
from benchmarks.engine import measure, record
from benchmarks.launch import pool, run
from tests.chaos.steps import Steps
from tests.system import forked

PRELOADED = (sklearn, contract, measure, record, pool, run)
SECONDS = 1_000
"""The time that a case may take, on a machine that is busy."""


def enter(case):
    """Put this process into the surroundings of a case, and count its steps."""
    surroundings(case)
    signal.alarm(SECONDS)
    processes.worker_context = lambda *_: multiprocessing.get_context("fork")
    if case.get("steps"):
        _count(Steps(**case["steps"]))


def _count(steps):
    """Count the steps, and each batch as one."""
    steps.install()
    honest = pool.train_pack

    def train_pack(job, specs, width, device, beat):
        def counted(epochs):
            steps.take("train", job.folder / "batch")
            beat(epochs)

        return honest(job, specs, width, device, counted)

    pool.train_pack = train_pack


surroundings, forked.enter = forked.enter, enter

if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(forked.outcome(json.loads(line))), flush=True)

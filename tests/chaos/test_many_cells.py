"""Ten thousand cells leave a run as it was after a thousand: its memory, descriptors, processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.chaos.tree import held, tree
from tests.system.runs import ROOT, rows

TINY = """
import torch

from benchmarks.datasets import DATASETS, Dataset, Split


class Tiny(Dataset):
    \"\"\"Sixteen grey images of four pixels, bright above or below.\"\"\"

    num_classes, classes = 2, ("above", "below")
    published, shape = (16, 8), (1, 2, 2)
    mean, std = (127.5,), (127.5,)

    def load(self, root, seed):
        label = torch.arange(24) % 2
        image = (255 * torch.stack([1 - label, 1 - label, label, label], 1)).reshape(24, 1, 2, 2)
        image = image.to(torch.uint8)
        return Split(image[:16], label[:16]), Split(image[16:], label[16:])


DATASETS.register("tiny", Tiny)
"""
CELLS, WORKERS = 10_000, 2
SWEEP = ["run", "--datasets", "tiny", "--methods", "cross_entropy", "--noises", "clean"]
SWEEP += ["--models", "mlp(first=1, second=1)", "--recipes", "small(epochs=2, batch=16)"]
SWEEP += ["--pack", "1", "--workers", str(WORKERS), "--no-report"]
MEMORY = {"parent": 32.0, "workers": 16.0}
"""The MiB by which the last thousand cells may be above the second: of the parent, of a worker."""


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="only there /proc says what a process holds")
def test_ten_thousand_cells_leave_memory_descriptors_and_processes_as_they_were(tmp_path):
    plugin, out, log = tmp_path / "tiny.py", tmp_path / "out", tmp_path / "log"
    plugin.write_text(TINY)
    seeds = [str(seed) for seed in range(CELLS)]
    program = [sys.executable, ROOT / "run_all.py", *SWEEP, "--plugin", plugin, "--out", out]
    with (
        log.open("wb") as file,
        _killed_in_the_end(
            subprocess.Popen([*program, "--seeds", *seeds], stdout=file, start_new_session=True)
        ) as run,
    ):
        samples = list(_sampled(run, log))
        run.wait()
    assert run.returncode == 0
    assert {row["status"] for row in rows(out)} == {"done"}
    early = [now for done, now in samples if CELLS * 0.1 <= done < CELLS * 0.2]
    late = [now for done, now in samples if CELLS * 0.9 <= done < CELLS]
    assert early
    assert late
    parent, workers = (_line(name, early, late) for name in ("parent", "workers"))
    for name, (before, after) in (("parent", parent), ("workers", workers)):
        print(f"{name}: {_told(before)} -> {_told(after)}, {len(samples)} samples")
        assert after[0] - before[0] < MEMORY[name]
        assert after[1:] <= before[1:]


@contextlib.contextmanager
def _killed_in_the_end(process):
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _sampled(run, log):
    """Yield how many cells are done and what parent and workers hold, until the last is done."""
    done = 0
    while run.poll() is None and done < CELLS:
        time.sleep(2.0)
        done = log.read_bytes().count(b"\n[")
        parent, *others = [held(process) for process in tree(run.pid)]
        others = [each for each in others if each]
        if parent:
            yield done, {"parent": [parent], "workers": others}


def _line(name, *phases):
    """Return of each phase the most MiB, descriptors, threads and number of these processes."""
    return [
        (
            *(
                max(getattr(each, field) for now in phase for each in now[name])
                for field in _FIELDS
            ),
            max(len(now[name]) for now in phase),
        )
        for phase in phases
    ]


_FIELDS = ("memory", "descriptors", "threads")


def _told(held):
    memory, descriptors, threads, processes = held
    return f"{memory:.0f} MiB, {descriptors} descriptors, {threads} threads, {processes} processes"

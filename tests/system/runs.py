"""Start the command line as a user does, and kill it as a cluster does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = [
    *("--methods", "cross_entropy", "reweighting", "co_teaching"),
    *("--noises", "clean", "symmetric(rate=0.4)"),
    *("--recipes", "small(epochs=3)"),
    *("--seeds", "0", "1"),
    "--no-report",
]
"""Twelve cells that take a second or two together."""

IDENTICAL = ("results.csv", "curves.csv", "bins.csv", "detection.csv")


def start(*args, **environment):
    """Start ``run_all.py`` at the head of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "run_all.py", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(*args, **environment):
    """Run ``run_all.py`` to its end; return (exit code, stdout, stderr)."""
    with start(*args, **environment) as process:
        out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def kill_tree(process):
    """SIGKILL every process of the run at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition, seconds=60.0):
    """Wait until the condition holds or the time is over."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def contents(folder):
    """Return the bytes of every file that must not differ between runs."""
    return {name: (folder / name).read_bytes() for name in IDENTICAL}

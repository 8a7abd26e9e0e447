"""Run the command line: in this process where that is enough, else as a user starts it."""

import csv
import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from benchmarks.cli.app import main

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


def run(*args):
    """Run in this process, which imports PyTorch once; return (exit code, stdout, stderr)."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([str(arg) for arg in args])
    return code, out.getvalue(), err.getvalue()


def start(*args, **environment):
    """Run ``run_all.py`` at the head of a process group of its own; return it when it has ended."""
    with subprocess.Popen(
        [sys.executable, ROOT / "run_all.py", *map(str, args)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        out, err = process.communicate(timeout=240)
    return process, out, err


def contents(folder):
    """Return the bytes of every file that must not differ between runs."""
    return {name: (folder / name).read_bytes() for name in IDENTICAL}


def rows(folder, table="results.csv"):
    """Return the rows of a table."""
    return list(csv.DictReader((folder / table).read_text().splitlines()))

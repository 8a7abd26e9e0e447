"""Run a program of Python on the stub, and read what it prints."""

import json
import subprocess
import sys
from typing import Any

from tests.device.runtime import environment

BEGINNING = """
import os, runpy, sys
option, program = sys.argv[1:3]
sys.argv = sys.argv[2:]
if option == "-m":
    runpy.run_module(program, run_name="__main__", alter_sys=True)
else:
    exec(program, {"__name__": "__main__"})
sys.stdout.flush()
os._exit(0)
"""
"""Runs a program and ends at once: a thread of PyTorch's backward pass that still holds a graph
while Python takes itself down aborts the process, once in thirty of the shortest programs."""


def printed(*program: object, seconds: float = 300, **switches: Any) -> list[dict[str, Any]]:
    """Return the objects of the lines of JSON that a program prints.

    Args:
        program: ``-c`` and its text, or ``-m``, a module and its arguments.
        seconds: after which it has failed.
        switches: of ``runtime.environment``; further ones are variables of the environment.
    """
    variables = {name: switches.pop(name) for name in list(switches) if name.isupper()}
    ran = subprocess.run(
        [sys.executable, "-c", BEGINNING, *map(str, program)],
        env=environment(**switches) | variables,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if ran.returncode:
        said = f"{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
        raise RuntimeError(f"{' '.join(map(str, program))} exited with {ran.returncode}\n{said}")
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]

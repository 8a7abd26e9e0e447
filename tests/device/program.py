"""Run a program of Python on the stub, and read what it prints."""

import json
import subprocess
import sys
from typing import Any

from tests.device.runtime import environment


def printed(*program: object, seconds: float = 300, **switches: Any) -> list[dict[str, Any]]:
    """Return the objects of the lines of JSON that a program prints.

    Args:
        program: the arguments of Python.
        seconds: after which it has failed.
        switches: of ``runtime.environment``; further ones are variables of the environment.
    """
    variables = {name: switches.pop(name) for name in list(switches) if name.isupper()}
    command = [sys.executable, *map(str, program)]
    ran = subprocess.run(
        command,
        env=environment(**switches) | variables,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if ran.returncode:
        said = f"{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
        raise RuntimeError(f"{' '.join(command)} exited with {ran.returncode}\n{said}")
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]

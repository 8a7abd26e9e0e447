"""Programs that run on the stub, for the tests that look at what they print."""

import json
import subprocess
import sys

import pytest

from tests.device.runtime import environment, why_absent


def printed(*program, seconds=300, **switches):
    """Run a program of Python on the stub; return the objects of its lines of JSON."""
    command = [sys.executable, *map(str, program)]
    ran = subprocess.run(
        command,
        env=environment(**switches),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def on_the_stub():
    """What runs a program on the stub; where there can be none, tests are skipped and say why."""
    if reason := why_absent():
        pytest.skip(reason)
    return printed

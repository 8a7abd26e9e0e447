"""A fault at any step of any change of a folder leaves each file as it was or as it will be."""

import json
import subprocess
import sys

import pytest

from tests.agreement import case
from tests.chaos.commits import COMMITS


@pytest.mark.skipif(sys.platform != "linux", reason="it forks, and asks /proc for open files")
def test_a_fault_at_any_step_of_a_change_is_told_or_kills_and_doing_it_again_heals(tmp_path):
    program = [sys.executable, "-m", "tests.chaos.commits", tmp_path]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["change"] for line in lines} == COMMITS.keys()
    kinds = {line["step"].partition(" ")[0] for line in lines}
    assert kinds >= {"create", "write", "fsync", "replace", "unlink", "mkdir", "rmdir"}
    assert any(line["step"].startswith("fsync parts/x") for line in lines)  # the folder's
    for line in lines:
        with case(*line.values()):
            assert (line["odd"], line["healed"], line["remains"]) == ([], True, [])
            if line["deed"] == "kill":
                assert line["code"] == -9
            elif line["code"]:
                assert line["said"].startswith("WritingError [Errno 28] No space left on device: ")
                assert "HERE" in line["said"]
                assert ".tmp" not in line["said"]
                assert line["left"] == []

"""One sweep that is killed ten times in a chain ends in the bytes of one that was not."""

import json
import random
import subprocess
import sys

import pytest

from benchmarks.store import Parts
from tests.system.runs import contents

SWEEP = ["--methods", "cross_entropy", "co_teaching", "--noises", "symmetric(rate=0.4)"]
SWEEP += ["--models", "mlp(first=4, second=4)", "--recipes", "small(epochs=8, batch=1000)"]
SWEEP += ["--seeds", "0", "1", "2", "--no-report", "--pack", "2", "--workers", "1"]
SWEEP += ["--checkpoint-every", "0.001s"]
KILLS = 10
SHARE = 0.45
"""The share of the steps that the killed runs take together: what is left is the last one's."""


@pytest.fixture
def program():
    """A program that runs command lines, and kills the tree of each at a step."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.forked"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(out, **steps):
            one = {"args": ["run", *SWEEP, "--out", str(out)]}
            one["steps"] = {"folder": str(out), "log": f"{out}.log", **steps}
            process.stdin.write(json.dumps(one) + "\n")
            process.stdin.flush()
            code, _, err = json.loads(process.stdout.readline())
            return code, err

        yield run
        process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="it forks")
def test_a_sweep_that_is_killed_ten_times_ends_in_the_bytes_of_one_that_was_not(tmp_path, program):
    alone, out = tmp_path / "alone", tmp_path / "out"
    assert program(alone) == (0, "")
    steps = (tmp_path / "alone.log").read_text().splitlines()
    rng = random.Random("ten kills")  # noqa: S311  no secret
    begins, weights = steps.index("train batch"), [0.2 + rng.random() for _ in range(KILLS)]
    share = SHARE * (len(steps) - begins) / sum(weights)
    done, kept = set(), 0
    for weight in weights:
        at = begins + round(share * weight)
        code, err = program(out, at=at, deed="kill")
        assert (code, err) == (-9, "")
        parts = Parts(out)
        assert not parts.damaged
        assert parts.done() >= done
        done, kept = parts.done(), kept + len(list(out.glob("checkpoints/*.npz")))
    assert kept
    assert 0 < len(done) < 6
    assert program(out) == (0, "")
    assert contents(out) == contents(alone)
    assert not list(out.glob("checkpoints/*.npz"))

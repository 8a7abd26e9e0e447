"""The script for a rented GPU: on the CPU, on a GPU that is not there, and whatever befalls it."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.runtime import environment, why_absent
from tests.gpu import hurdles, work
from tests.gpu.bundle import WHEELS
from tests.gpu.findings import FILE, GREEN, RED, UNJUDGED, Findings, read
from tests.gpu.stages import STAGES
from tests.gpu.summary import summary
from tests.gpu.work import Session, supervise

PLANTED = """
from dataclasses import dataclass
import torch
from methods import METHODS, Method

@dataclass(frozen=True)
class Astray(Method, label="Astray", family="baseline"):
    "Goes astray in a stack."
    def losses(self, logits, batch, state, epoch):
        losses = torch.nn.functional.cross_entropy(logits, batch.label, reduction="none")
        return losses + 1e-5 * logits[:, 0] * torch._C._functorch.is_batchedtensor(logits), state

@dataclass(frozen=True)
class Peeping(Method, label="Peeping", family="baseline"):
    "Looks at a number on the host."
    def losses(self, logits, batch, state, epoch):
        losses = torch.nn.functional.cross_entropy(logits, batch.label, reduction="none")
        return losses * (1 if epoch.item() >= 0 else 2), state

METHODS.register("astray", Astray)
METHODS.register("peeping", Peeping)
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Run where no earlier test has found anything: what is known is not looked for again."""
    monkeypatch.chdir(tmp_path)


def run(*options, env=None):
    """Run the script at toy size; return the exit code and the findings by stage and key."""
    command = [sys.executable, "-m", "tests.gpu", "--toy", "--out", "found", *map(str, options)]
    ran = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert ran.returncode in {0, 1}, ran.stderr
    return ran, {(row["stage"], row["key"]): row for row in read_here()}


def read_here():
    return list(read(Path("found")))


def verdicts(found, stage):
    return {key: row["verdict"] for (name, key), row in found.items() if name == stage}


def test_a_planted_error_is_red_and_named(tmp_path):
    (tmp_path / "planted.py").write_text(PLANTED)
    options = ["--device", "cpu", "--stages", "environment", "methods", "default", "kernels"]
    methods = ["--methods", "astray", "peeping"]
    ran, found = run(*options, *methods, "--plugin", tmp_path / "planted.py")
    judged = verdicts(found, "methods")
    red = {key for key, verdict in judged.items() if verdict == RED}
    astray = {"astray by stack", "astray by stack graph"}
    peeping = {"peeping by graph", "peeping by stack graph"}
    assert red == astray | peeping
    assert set(judged.values()) == {RED, GREEN}
    assert found["methods", "astray by stack"]["off"] > 1e-8
    assert "RED        methods: astray by stack" in ran.stdout
    assert ran.returncode == 1
    compared = found["default", "all methods"]
    assert (compared["verdict"], compared["pairs"]) == (GREEN, compared["of"])
    assert "RED methods: astray by stack" in Path("found/summary.md").read_text()


@pytest.mark.soak
def test_all_runs_on_a_gpu_that_is_not_there_and_no_number_is_judged():
    if reason := why_absent():
        pytest.skip(reason)
    ran, found = run("--methods", "elr", env=environment())
    assert [row for row in found.values() if row["verdict"] == RED] == []
    assert GREEN not in {row["verdict"] for row in found.values()}
    measured = [key for key, row in found.items() if row["verdict"] == "measured"]
    assert measured == [("environment", "machine")]
    assert not found["environment", "machine"]["calculates"]
    assert {stage for stage, _ in found} == set(STAGES)
    assert "This device calculates nothing" in ran.stdout
    assert ran.returncode == 0


def session_of(folder, seconds=60.0, **known):
    ends = dict.fromkeys(("good", "bad", "slow"), time.time() + seconds)
    return Session(folder, "cpu", ends, **known)


def test_what_dies_costs_one_finding_and_the_others_are_made(tmp_path):
    supervise({"bad": hurdles.bad, "good": hurdles.good}, session_of(tmp_path), 2)
    found = {row["key"]: row for row in read(tmp_path)}
    assert found["raises"]["verdict"] == found["poisons"]["verdict"] == RED
    assert found["raises"]["error"] == "ValueError: no such luck"
    assert found["dies"]["error"] == "its process died with code 3"
    fine = {"after it", "last", "one", "two", "three"}
    assert {key for key, row in found.items() if row["verdict"] == GREEN} >= fine


def test_processes_that_die_before_they_work_are_told_of_and_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "BIRTHS", 1)
    session = replace(session_of(tmp_path), device="cuda:63")
    supervise({"good": hurdles.good}, session, 1)
    (row,) = read(tmp_path)
    assert (row["key"], row["verdict"]) == ("begin, 0 tries left", RED)


def test_what_is_known_is_not_looked_for_again(tmp_path):
    earlier, now = tmp_path / "earlier", tmp_path / "now"
    Findings(earlier).add("good", "one", GREEN)
    with (earlier / FILE).open("a") as file:
        file.write('{"stage": "good", "key": "tw')  # cut off when the machine was taken
    work.work({"good": hurdles.good}, session_of(now, earlier=(earlier,)))
    assert [row["key"] for row in read(now)] == ["two", "three"]
    work.work({"good": hurdles.good}, session_of(now, earlier=(earlier,)))
    assert len(list(read(now))) == 2


def test_what_is_at_work_when_its_box_is_over_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "GRACE", -9_999.0)  # as soon as it is at work
    supervise({"slow": hurdles.slow}, session_of(tmp_path, 10_000.0), 1)
    (row,) = read(tmp_path)
    assert (row["key"], row["verdict"]) == ("sleeps", UNJUDGED)
    assert row["error"] == "ended at the end of its box"


def test_nothing_is_begun_that_takes_longer_than_its_box(tmp_path):
    work.work({"slow": hurdles.long, "good": hurdles.good}, session_of(tmp_path))
    assert [row["key"] for row in read(tmp_path)] == ["one", "two", "three"]


NO_WHEELS = """
import sys
for line in open(sys.argv[1]):
    name = line.partition("==")[0].replace("-", "_")
    if "==" in line and name != "msgspec":
        sys.modules[name] = None
sys.modules |= {"pytest": None, "hypothesis": None}
import tests.gpu.stages, tests.gpu.summary, benchmarks.report.compare
"""


@pytest.mark.soak
def test_the_script_needs_of_the_wheels_only_msgspec():
    subprocess.run([sys.executable, "-c", NO_WHEELS, str(WHEELS)], check=True)


def test_the_table_of_speeds_sets_a_contestant_beside_the_baselines_of_its_own_precision():
    took = {"floor": 0.1, "graph": 0.2, "B1": 1.0, "B0": 3.0}
    rows = [speed_of(f"tiny in bfloat16 by {who}", cell_epoch=t) for who, t in took.items()]
    rows += [speed_of("tiny in float32 by B1", cell_epoch=9.0)]
    rows += [speed_of("tiny in float32 by graph", verdict=RED, error="OSError: no")]
    page = summary(rows)
    assert "| tiny in bfloat16 by graph | 200 | 15.00 | 5.00 |  | 50% |" in page
    assert "- RED speed: tiny in float32 by graph: error OSError: no" in page


def speed_of(key, verdict="measured", **values):
    return {"stage": "speed", "key": key, "verdict": verdict, **values}

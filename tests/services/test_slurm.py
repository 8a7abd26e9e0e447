"""A sweep on Slurm: jobs that are cancelled, nodes that are drained, time that runs out."""

import json

import pytest

from tests.services.conftest import eventually
from tests.system.runs import contents, start

pytestmark = pytest.mark.services


@pytest.fixture
def submit(slurm, gated, tmp_path, monkeypatch):
    """What submits the gated sweep in two jobs; its folder, its gate, and Slurm."""
    gate, sweep = tmp_path / "gate", gated[0]
    gate.touch()
    monkeypatch.setenv("GATE", str(gate))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    out = tmp_path / "out"

    def call(time="2m"):
        options = ["--out", out, "--launcher", "slurm", "--time", time, "--workers", 2]
        process, said, err = start(*sweep, *options)
        assert not err, err
        return process.returncode, said

    yield call, out, gate
    for job in running(slurm):
        slurm("scancel", job)


def jobs(out):
    """What was submitted last."""
    return json.loads((out / "slurm" / "queue.json").read_text())["jobs"]


def running(slurm):
    """The names of the jobs that run."""
    return slurm("squeue", "--noheader", "--array", "--states=R", "--format=%i").split()


def test_what_a_cancelled_job_leaves_is_submitted_again(slurm, submit, gated):
    call, out, gate = submit
    code, said = call()
    assert code == 75, said
    assert "4 cells submitted in 2 jobs" in said
    sent = jobs(out)
    eventually(lambda: len(running(slurm)) == 2, "an array of two jobs")
    code, said = call()
    assert (code, "4 cells in the queue of Slurm, nothing to submit" in said) == (75, True), said
    slurm("scancel", sent[0]["job"])
    eventually(lambda: len(running(slurm)) == 1, "the end of the cancelled job")
    gate.unlink()
    eventually(lambda: not slurm("squeue", "--noheader"), "the end of all jobs", 400)
    code, said = call()
    assert (code, "4 done, 0 to train" in said) == (0, True), said
    assert contents(out) == gated[1]
    again = [cell for each in jobs(out) for cell in each["cells"]]
    assert sorted(again) == sorted(sent[0]["cells"])


@pytest.mark.soak
def test_a_drained_node_keeps_jobs_waiting_and_loses_nothing(slurm, submit, gated):
    call, out, gate = submit
    node = slurm("sinfo", "--noheader", "--format=%n")
    gate.unlink()
    slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    try:
        assert call()[0] == 75
        assert not running(slurm)
    finally:
        slurm("scontrol", "update", f"nodename={node}", "state=resume")
    eventually(lambda: not slurm("squeue", "--noheader"), "the end of all jobs", 400)
    assert call()[0] == 0
    assert contents(out) == gated[1]


@pytest.mark.soak
def test_a_job_whose_time_is_over_ends_cleanly_and_the_rest_is_submitted(slurm, submit, gated):
    """Its cells wait at the gate for all of its minute; then Slurm opens the gate."""
    call, out, gate = submit
    assert call("1m")[0] == 75
    eventually(lambda: len(running(slurm)) == 2, "an array of two jobs")
    eventually(lambda: not slurm("squeue", "--noheader"), "the end of all jobs", 400)
    log = "".join(path.read_text() for path in (out / "slurm" / "jobs").glob("*log.out"))
    assert "no cell was finished since the last round" in log
    gate.unlink()
    assert call("1m")[0] == 75
    eventually(lambda: not slurm("squeue", "--noheader"), "the end of all jobs", 400)
    assert call("1m")[0] == 0
    assert contents(out) == gated[1]

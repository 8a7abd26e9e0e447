"""What is said of a cluster, and a share of packs that is trained on one of its machines."""

import sys
from dataclasses import replace

import pytest

from benchmarks.errors import RefusedError
from benchmarks.launch.request import Request
from benchmarks.launch.session import prepare
from benchmarks.launch.share import SentPack, train_share
from benchmarks.launch.worker import Job
from benchmarks.planning.plan import packs
from tests.cells import NOWHERE
from tests.system.runs import TINY, run

SLURM = ("--launcher", "slurm", "--time")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--address", "auto"), "--address is read by --launcher ray, and this run has --launcher"),
        (("--launcher", "ray", "--time", "1h"), "--time is read by --launcher slurm"),
        (("--gpus", "2"), "a share of a GPU for each worker, above 0 and at most 1, got 2"),
        (("--device", "cpu", "--gpus", "0.5"), "--gpus needs --device cuda, got cpu"),
        (("--launcher", "slurm"), "--launcher slurm needs --time, which each of its jobs may take"),
        ((*SLURM, "30s"), "a minute or more, such as 30m or 8h"),
        ((*SLURM, "1h", "--gpus", "0.5"), "--gpus must be a whole number with Slurm, got 0.5"),
        (("--launcher", "ray", "--gpus", "1.5"), "a whole number or a share of 1, got 1.5"),
        (("--launcher", "ray", "--gpus", "-1"), "--gpus must be 0 or more, got -1"),
        ((*SLURM, "1h", "--budget", "1h"), "with Slurm, --time is of each job"),
        (("--budget", "0s"), "--budget must be above 0, such as 90m or 8h"),
        (("--budget", "soon"), "--budget must be a time such as 30m, 8h or 2d, got 'soon'"),
        (("--launcher", "rey"), "--launcher must be one of local, ray, slurm, got 'rey'; did you"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_a_sentence(words, said, tmp_path):
    code, _, err = run(*TINY, *words, "--out", tmp_path / "out")
    assert (code, said in err) == (2, True), err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_plan_does_not_pretend_to_know_the_room_of_a_cluster(tmp_path):
    code, said, err = run("plan", *TINY[:-1], "--launcher", "ray", "--out", tmp_path / "out")
    assert code == 0, err
    assert "device   cpu (float32), by Ray\n" in said
    assert "time     as Ray has room\n" in said


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_launcher_without_its_library_says_how_to_get_it(name, library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"benchmarks.launch.{name}", raising=False)
    time = ["--time", "1h"] if name == "slurm" else []
    code, _, err = run(*TINY, "--launcher", name, *time, "--out", tmp_path / "out")
    assert code == 2
    assert f"--launcher {name} needs {library}: pip install 'noisy-label-bench[{name}]'" in err


@pytest.fixture
def sent(tmp_path):
    """A job, and two packs as they are sent to a machine."""
    options = {"methods": ["cross_entropy"], "recipes": ["small(epochs=2)"], "seeds": [0, 1]}
    plan = prepare(Request(**options, noises=["clean"], out=tmp_path, pack=1)).plan
    job = Job(tmp_path, NOWHERE, "cpu", keep_all=False, commit="")
    return job, [SentPack.of(pack) for pack in packs(plan.cells, plan.widths)]


def test_a_share_that_is_tried_again_goes_on_where_it_ended(sent):
    job, (first, second) = sent
    told = []
    train_share(job, [first], 1, told.append)
    train_share(job, [first, second], 1, told.append)
    assert [outcome.cell_id for outcome in told] == [*first.ids, *second.ids]
    assert {outcome.status for outcome in told} == {"done"}


def test_a_share_of_other_cells_than_were_planned_is_refused(sent):
    job, (first, _) = sent
    with pytest.raises(RefusedError, match="was edited after the run began"):
        train_share(job, [first._replace(ids=("c0",))], 1, pytest.fail)
    assert not (job.folder / "parts").exists()


def test_a_job_has_no_more_time_than_it_is_given(sent):
    job, share = sent
    train_share(replace(job, seconds=0.0), share, 1, pytest.fail)

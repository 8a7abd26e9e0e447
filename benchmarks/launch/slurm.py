"""The launcher ``slurm``: packs in the jobs of an array, each trained there as ``local`` does.

Nothing of this suite stays behind: the jobs write their parts to the results folder, and when all
of an array have ended, however they did, Slurm runs the user's command once more. That takes in
what is finished and submits what is not, as the user may do at any moment.
"""

import functools
import getpass
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import submitit
import torch

import benchmarks
from benchmarks.errors import RefusedError, count
from benchmarks.launch.pool import processes_of_worker
from benchmarks.launch.share import SentPack, train_share
from benchmarks.launch.worker import CellSummary, Job
from benchmarks.outputs import make_folder, write_atomically
from benchmarks.planning.plan import Pack
from benchmarks.store.slurm_queue import FOLDER, NAME, Queue, Sent, read_queue

FOLLOWS = "NOISY_LABELS_FOLLOWS"
"""An environment variable of commands that Slurm runs again."""

MARGIN = 0.1
"""The share of a job's time that is left for its start, and for the end of its processes."""

LARGEST_ARRAY = 1001
"""Slurm's own limit of an array where its configuration says nothing."""


def run(job: Job, packs: Sequence[Pack], workers: int, tell: Callable[[CellSummary], None]) -> None:
    """Submit the packs whose cells no job in the queue trains; return at once.

    Args:
        job: what the packs have in common.
        packs: the cells to train, longest first.
        workers: how many jobs an array has at most, which run side by side where there is room.
        tell: never called: nothing is trained here.
    """
    del tell
    folder = job.folder / FOLDER
    queue = read_queue(job.folder)
    waiting = _still_queued(queue.jobs) if queue.jobs else []
    with_slurm = {cell for sent in waiting for cell in sent.cells}
    every = [cell.id for pack in packs for cell in pack.cells]
    left = [pack for each in packs if (pack := _without(each, with_slurm)).cells]
    said = f"{count(len(with_slurm & set(every)), 'cell')} in the queue of Slurm"
    if not left:
        print(f"{said}, nothing to submit")
        return
    if FOLLOWS in os.environ and len(every) >= queue.missing:
        print(f"no cell was finished since the last round, so none is submitted; see {folder}")
        return
    make_folder(folder)
    number = min(workers, len(left))
    shares = [left[start::number] for start in range(number)]
    sent, follower = _submit(job, shares)
    queue = Queue((*waiting, *sent), len(every))
    write_atomically(folder / NAME, msgspec.json.encode(queue))
    submitted = sum(len(each.cells) for each in sent)
    print(
        f"{said}; {count(submitted, 'cell')} submitted in {count(len(sent), 'job')}, after which "
        f"job {follower} takes in what they leave"
    )


def _submit(job: Job, shares: Sequence[Sequence[Pack]]) -> tuple[list[Sent], str]:
    """Submit a job for each share, and one that follows when all have ended.

    Returns:
        What was sent, and the name of the job that follows.

    Raises:
        RefusedError: Slurm refuses them.
    """
    cluster, device = job.cluster, torch.device(job.device)
    gpus = int(cluster.gpus_for(device))
    workers = max(1, gpus)
    _find_code()
    training = _executor(job, "train", workers * processes_of_worker(device), gpus)
    following = _executor(job, "follow", 1, 0)
    timed = replace(job, seconds=(1 - MARGIN) * cluster.seconds)
    packs = [[SentPack.of(pack) for pack in share] for share in shares]
    limit, sent = largest_array(), list[Sent]()
    try:
        for start in range(0, len(packs), limit):
            some = packs[start : start + limit]
            jobs = training.map_array(functools.partial(_train, timed, workers), some)
            for one, each in zip(jobs, some, strict=True):
                sent.append(Sent(one.job_id, tuple(cell for pack in each for cell in pack.ids)))
        arrays = dict.fromkeys(each.job.partition("_")[0] for each in sent)
        dependency = ":".join(["afterany", *arrays]) + ",singleton"
        following.update_parameters(slurm_additional_parameters={"dependency": dependency})
        follower = following.submit(_follow, [sys.executable, *sys.orig_argv[1:]])
    except submitit.core.utils.FailedJobError as error:
        raise RefusedError(f"Slurm refuses the jobs: {' '.join(str(error).split())}") from error
    return sent, follower.job_id


def _find_code() -> None:
    """Let the Python of a job, which gets this environment, import this code."""
    here = str(Path(benchmarks.__path__[0]).parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([here, before] if before else [here])


def _executor(job: Job, task: str, cores: int, gpus: int) -> submitit.AutoExecutor:
    """Return what submits jobs of so many cores and GPUs, which are named after their task."""
    executor = submitit.AutoExecutor(folder=job.folder / FOLDER / "jobs", cluster="slurm")
    executor.update_parameters(
        name=f"noisy-labels-{job.folder.name}-{task}",
        timeout_min=math.ceil(job.cluster.seconds / 60),
        cpus_per_task=cores,
        slurm_use_srun=False,  # a job has one task, the batch script's
        **({"gpus_per_node": gpus} if gpus else {}),
        **({"slurm_partition": job.cluster.partition} if job.cluster.partition else {}),
    )
    return executor


def _train(job: Job, workers: int, packs: Sequence[SentPack]) -> None:
    """Train a share in a job of Slurm; the log of the job has a line for each cell.

    The job ends when it is told to, where submitit would have it go on until it is killed: what it
    has finished is in parts, and Slurm starts it anew where it was preempted.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def tell(outcome: CellSummary) -> None:
        print(
            f"{outcome.cell_id} {outcome.status} {outcome.seconds:.1f} s {outcome.reason}",
            flush=True,
        )

    train_share(job, packs, workers, tell)


def _follow(command: Sequence[str]) -> None:
    """Run the user's command once more, as on a login node: it knows nothing of this job."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "SBATCH_", "SUBMITIT_"))
    }
    subprocess.run(command, env={**kept, FOLLOWS: "1"}, check=False)  # noqa: S603


def _without(pack: Pack, ids: set[str]) -> Pack:
    return pack._replace(cells=tuple(cell for cell in pack.cells if cell.id not in ids))


def _still_queued(jobs: Iterable[Sent]) -> list[Sent]:
    """Return the jobs that wait or run, without those whose end is being tidied up."""
    user = getpass.getuser()
    listed = _asked("squeue", "--noheader", "--array", "--user", user, "--format=%i %t")
    states = dict(line.split() for line in listed.splitlines())
    return [sent for sent in jobs if states.get(sent.job, "CG") != "CG"]


def _asked(*command: str) -> str:
    """Return what a command of Slurm prints.

    Raises:
        RefusedError: it fails, as where its controller does not answer.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise RefusedError(
            f"--launcher slurm needs Slurm's command {command[0]}, which this machine does not "
            "have; run on a login node of the cluster"
        ) from error
    if done.returncode:
        raise RefusedError(f"{command[0]} of Slurm failed: {done.stderr.strip()}")
    return done.stdout


def largest_array() -> int:
    """Return how many jobs an array of this cluster may have."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _asked("scontrol", "show", "config"))
    return max(1, (int(found[1]) if found else LARGEST_ARRAY) - 1)

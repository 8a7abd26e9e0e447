"""The launcher ``ray``: packs on the nodes of a Ray cluster, each trained there as ``local`` does.

Ray places packs and tries those again whose node died; a process that dies or hangs on a node is
the business of the pool there. Results go to the results folder, which nodes that see it write
themselves; others send their parts back.
"""

import contextlib
import os
import re
import secrets
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import ray
import torch

import benchmarks
import methods
from benchmarks import plugin_errors
from benchmarks.errors import RefusedError
from benchmarks.launch.pool import processes_of_worker, record_failure
from benchmarks.launch.share import SentPack, train_share
from benchmarks.launch.worker import CellSummary, Job
from benchmarks.outputs import make_folder, write_atomically
from benchmarks.planning.plan import Pack
from benchmarks.store.parts import NAME
from benchmarks.store.trainers import PackInTraining, Telling

ATTEMPTS = 3
"""The number of tries of a pack whose node dies."""

AHEAD = 2
"""How many times as many packs as have room are handed to Ray, so that no node waits."""

ANSWER_SECONDS = 10.0
"""Seconds in which the head of a cluster answers."""

WAIT_SECONDS = 1.0
"""Seconds after which the driver looks at its own clock."""


class Trained(NamedTuple):
    """What a node sends back."""

    outcomes: tuple[CellSummary, ...]
    parts: Mapping[str, bytes]  # by name; none where the node sees the results folder


def run(job: Job, packs: Sequence[Pack], workers: int, tell: Callable[[CellSummary], None]) -> None:
    """Train packs; return when each cell is in a part, or the job's time is over.

    Args:
        job: what the packs have in common.
        packs: the cells to train, longest first.
        workers: the most packs that are trained at the same time.
        tell: called once for each cell when its part has been written.
    """
    cluster = job.cluster
    device = torch.device(job.device)
    needed = {"num_cpus": processes_of_worker(device), "num_gpus": cluster.gpus_for(device)}
    ends = None if job.seconds is None else time.monotonic() + job.seconds
    told = Telling(job.folder, 0)
    with _connected(cluster.address), _mark(job.folder) as mark, told as telling:
        train = ray.remote(_train).options(**needed, max_retries=ATTEMPTS - 1)
        most = min(workers, AHEAD * _room(ray.cluster_resources(), needed))
        waiting, running = deque(packs), dict[ray.ObjectRef, Pack]()
        while waiting or running:
            if ends is not None and time.monotonic() > ends:
                for each in running:
                    ray.cancel(each, force=True)
                return
            telling.tell(lambda: _begun(running.values()))
            while waiting and len(running) < most:
                pack = waiting.popleft()
                running[train.remote(job, SentPack.of(pack), mark)] = pack
            finished, _ = ray.wait(list(running), num_returns=1, timeout=WAIT_SECONDS)
            for each in finished:
                _settle(job, each, running.pop(each), tell)


def _begun(packs: Iterable[Pack]) -> list[PackInTraining]:
    """Return packs as told to whoever asks for the state of the folder."""
    return [PackInTraining(tuple(cell.id for cell in pack.cells)) for pack in packs]


def _room(resources: Mapping[str, float], needed: Mapping[str, float]) -> int:
    """Return how many packs a cluster has room for, at least one: it may be about to grow.

    >>> _room({"CPU": 64.0, "GPU": 4.0}, {"num_cpus": 2, "num_gpus": 0.5})
    8
    """
    shares = [resources.get("CPU", 0.0) / needed["num_cpus"]]
    if needed["num_gpus"]:
        shares.append(resources.get("GPU", 0.0) / needed["num_gpus"])
    return max(1, int(min(shares)))


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine; its nodes are given this code.

    Raises:
        RefusedError: no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where = address or os.environ.get("RAY_ADDRESS", "")
    code = [str(Path(package.__path__[0])) for package in (benchmarks, methods)]
    try:
        _refuse_silence(where)
        ray.init(
            address=address,
            runtime_env={"py_modules": code},
            log_to_driver=False,
            logging_level="error",
        )
    except (OSError, ValueError) as error:
        raise RefusedError(f"no Ray cluster answers at {where}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _refuse_silence(address: str) -> None:
    """Refuse an address at which nobody listens, where Ray would try for a quarter of an hour.

    Raises:
        OSError: nobody does.
    """
    if found := re.fullmatch(r"(?:ray://)?([^:/]+):([0-9]+)", address):
        socket.create_connection((found[1], int(found[2])), ANSWER_SECONDS).close()


@contextlib.contextmanager
def _mark(folder: Path) -> Iterator[str]:
    """Put a file into the results folder whose name tells nodes that they see the same folder."""
    name = f".{secrets.token_hex(8)}.tmp"
    write_atomically(folder / name)
    try:
        yield name
    finally:
        (folder / name).unlink(missing_ok=True)


def _train(job: Job, pack: SentPack, mark: str) -> Trained:
    """Train a pack on a node, into the results folder or a folder of its own."""
    outcomes: list[CellSummary] = []
    if (job.folder / mark).exists():
        train_share(job, [pack], 1, outcomes.append)
        return Trained(tuple(outcomes), {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_share(replace(job, folder=folder), [pack], 1, outcomes.append)
        parts = {path.name: path.read_bytes() for path in (folder / "parts").iterdir()}
    return Trained(tuple(outcomes), parts)


def _settle(
    job: Job, reference: ray.ObjectRef, pack: Pack, tell: Callable[[CellSummary], None]
) -> None:
    """Tell what a pack has brought, after writing the parts that came with it.

    Raises:
        RefusedError: the node could not read what the cells are made of.
        OSError: parts cannot be written.
    """
    try:
        trained: Trained = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RefusedError | OSError):
            raise error.cause from error
        _fail(job, pack, plugin_errors.reason(error.cause), tell)
        return
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0]
        _fail(job, pack, f"its node was lost {ATTEMPTS} times: {first}", tell)
        return
    for name, content in trained.parts.items():
        if NAME.fullmatch(name):
            make_folder(job.folder / "parts")
            write_atomically(job.folder / "parts" / name, content)
    for outcome in trained.outcomes:
        tell(outcome)


def _fail(job: Job, pack: Pack, reason: str, tell: Callable[[CellSummary], None]) -> None:
    """Record that the cells of a pack could not be trained."""
    for cell in pack.cells:
        tell(record_failure(job, cell, reason))

"""The launcher ``local``: a pool of processes here that survives the death of any of them.

The launchers of clusters, named in :mod:`benchmarks.launch.cluster`, train the packs that they
send to a machine by the same pool there.
"""

import concurrent.futures
import contextlib
import functools
import gc
import math
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from pebble import ProcessExpired, ProcessPool

from benchmarks import plugin_errors, plugins, processes, streams
from benchmarks.errors import RefusedError
from benchmarks.launch import slots
from benchmarks.launch.watch import NOT_BEGUN, Beats, Watch
from benchmarks.launch.worker import (
    CellSummary,
    Job,
    built,
    failure,
    finish_pack,
    summary,
    train_pack,
)
from benchmarks.planning.options import gpus_of
from benchmarks.planning.plan import Pack
from benchmarks.store import write_part
from benchmarks.store.trainers import PackInTraining, Telling
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import SynchronizedArray

ATTEMPTS = 2
"""The number of tries of a pack whose worker dies: one death may be an accident."""

CHECK_SECONDS = 0.5
"""Seconds after which the parent looks whether a worker hangs."""

TURN_SECONDS = 0.02
"""Seconds after which a process looks again whether it is its turn to train."""

_worker: dict[str, Any] = {}  # the job and the device of this process, set when it starts


def processes_of_worker(device: torch.device) -> int:
    """Return how many processes a worker is: on a GPU one trains while the other one measures."""
    return 2 if device.type != "cpu" and processes.FORKS else 1


def default_workers(device: torch.device, slots: int = 1) -> processes.Workers:
    """Return how many workers train by default: as many as cores and memory allow, one per GPU.

    Args:
        device: where they train.
        slots: how many share a GPU.
    """
    gpus = gpus_of(device)
    if not gpus:
        return processes.choose_workers()
    number = "one" if slots == 1 else str(slots)
    each = "for one GPU" if gpus == 1 else "for each GPU"
    return processes.Workers(gpus * slots, "one GPU" if gpus == slots == 1 else f"{number} {each}")


def run(job: Job, packs: Sequence[Pack], workers: int, tell: Callable[[CellSummary], None]) -> None:
    """Train packs in worker processes; return when each cell is in a part, trained or failed.

    Or when the time of the job is over: packs in training are lost then, as by a kill.

    Whenever this process is killed, the parts that have been written are whole, and its workers end
    at once. A worker trains a pack by :func:`benchmarks.launch.worker.train_pack` and writes its
    part by :func:`benchmarks.launch.worker.finish_pack`; on a GPU, two processes take turns to
    train, so that one measures what it has trained meanwhile. A process that dies is replaced, and
    one that finishes no epoch for long is ended: its pack is tried again cell by cell, and a cell
    by itself fails.

    Args:
        job: what the packs have in common; plain values that can be sent to other machines.
        packs: the cells to train, longest first; ``pack.cells[i].specs()`` are plain values.
        workers: how many packs are trained at the same time.
        tell: called in this process once for each cell when its part has been written.

    Raises:
        OSError: parts cannot be written.
    """
    owed, deaths = [_Task(pack) for pack in packs], 0
    ends = math.inf if job.seconds is None else time.monotonic() + job.seconds
    while owed and deaths < ATTEMPTS:
        left = _Pool(job, owed, workers, tell, ends).run()
        if time.monotonic() > ends:
            return
        deaths = deaths + 1 if len(left) == len(owed) else 0
        owed = left
    for task in owed:
        for cell in task.pack.cells:
            tell(record_failure(job, cell, "its worker died before it could begin"))


class _Task(NamedTuple):
    """A pack to train, and how often its worker has died."""

    pack: Pack
    deaths: int = 0

    def cell_by_cell(self) -> Iterator["_Task"]:
        """Yield a task for each of its cells, none where it has one."""
        if len(self.pack.cells) > 1:
            for cell in self.pack.cells:
                yield _Task(self.pack._replace(cells=(cell,)))


class _Pool:
    """One pool of worker processes; it breaks when a worker dies that has no task."""

    def __init__(
        self,
        job: Job,
        tasks: Sequence[_Task],
        workers: int,
        tell: Callable[[CellSummary], None],
        ends: float,
    ) -> None:
        device = torch.device(job.device)
        context = processes.worker_context(processes.TRAINING, device.type)
        most = sum(ATTEMPTS * (1 + len(task.pack.cells)) for task in tasks)
        beats = Beats.shared(context, most)
        self._job, self._tasks, self._tell = job, tasks, tell
        self._watch, self._numbered = Watch(beats, job.timeout), 0
        self._ends, self._workers = ends, workers
        self._left: list[_Task] = []
        self._running: dict[Future[list[CellSummary]], tuple[_Task, int]] = {}
        count = min(workers * processes_of_worker(device), len(tasks))
        self._started, taken = context.Value("i", 0), context.Array("q", count)
        workers = min(workers, count)
        gpus = torch.cuda.device_count() if device.type == "cuda" else 0
        told = pickle.dumps(replace(job, workers=workers, gpus=gpus))
        shared = slots.Shared(self._started, taken, context.Array("q", workers), beats)
        start = (told, slots.gpus_to_see(job.device, gpus), shared)
        self._starts = count * (1 + ATTEMPTS)  # so many are no sign that none survives its start
        self._pool = ProcessPool(count, context=context, initializer=slots.begin, initargs=start)

    def run(self) -> list[_Task]:
        """Train; return the tasks that are left when the pool has broken."""
        with Telling(self._job.folder, self._workers) as telling:
            return self._trained(telling)

    def _trained(self, telling: Telling) -> list[_Task]:
        try:
            for task in self._tasks:
                self._schedule(task)
            while self._running and time.monotonic() <= self._ends:
                telling.tell(self._in_training)
                if self._started.value > self._starts:  # they die as they start, with exit code 0
                    return [*self._left, *(task for task, _ in self._running.values())]
                finished, _ = concurrent.futures.wait(
                    self._running, CHECK_SECONDS, concurrent.futures.FIRST_COMPLETED
                )
                for future in finished:
                    self._settle(future)
                self._end_the_hanging()
        finally:
            self._pool.stop()  # at once; a part being written is a temporary file and is lost
            self._pool.join()
        return self._left

    def _in_training(self) -> list[PackInTraining]:
        """Return the packs that a worker has begun."""
        seen = [(task, self._watch.beat(number)) for task, number in self._running.values()]
        return [
            PackInTraining(tuple(cell.id for cell in task.pack.cells), beat)
            for task, beat in seen
            if beat != NOT_BEGUN
        ]

    def _schedule(self, task: _Task) -> None:
        cells, number = task.pack.cells, self._numbered
        work = (number, [cell.specs() for cell in cells], [c.id for c in cells], task.pack.width)
        self._numbered += 1
        try:
            self._running[self._pool.schedule(_work, args=work)] = task, number
        except RuntimeError:  # the pool has broken meanwhile
            self._left.append(task)

    def _settle(self, future: Future[list[CellSummary]]) -> None:
        """Tell what a task that is over has brought, or try it again."""
        task, _ = self._running.pop(future)
        error = future.exception()
        if error is None:
            for outcome in future.result():
                self._tell(outcome)
        elif isinstance(error, BrokenProcessPool):
            self._left.append(task)
        elif isinstance(error, ProcessExpired):
            self._retry(task, error.exitcode)
        elif isinstance(error, OSError):
            raise error  # the disk, not the cell
        else:
            trace = traceback.format_exception(error)
            self._split(task, plugin_errors.reason(error), "".join(trace))

    def _retry(self, task: _Task, exitcode: int) -> None:
        """Try a task again whose worker has died, as a whole and then cell by cell."""
        self._starts += 1
        if task.deaths + 1 < ATTEMPTS:
            self._schedule(task._replace(deaths=task.deaths + 1))
        else:
            self._split(task, f"its worker died {ATTEMPTS} times, last with exit code {exitcode}")

    def _end_the_hanging(self) -> None:
        """End the workers of tasks that have finished no epoch for too long, or have none."""
        for future, (task, number) in list(self._running.items()):
            allowed, orphaned = self._watch.late(number), self._watch.orphaned(number)
            if (allowed is None and not orphaned) or not future.cancel():
                continue
            del self._running[future]
            if allowed is None:
                self._retry(task, 0)
                continue
            self._starts += 1
            self._split(task, f"it hung: no epoch was finished within {allowed:.0f} s (--timeout)")

    def _split(self, task: _Task, reason: str, trace: str = "") -> None:
        """Try the cells of a task one by one; one by itself has failed."""
        rest = list(task.cell_by_cell())
        for each in rest:
            self._schedule(each)
        if not rest:
            (cell,) = task.pack.cells
            self._tell(record_failure(self._job, cell, reason, trace))


def record_failure(job: Job, cell: Cell, reason: str, trace: str = "") -> CellSummary:
    """Write the part of a cell whose worker cannot do it itself."""
    record = failure(job, cell, reason, trace)
    write_part(job.folder, [record])
    return summary(record)


def set_up(job: Job, turn: "tuple[SynchronizedArray[int], int] | None", beats: Beats) -> None:
    """Set up a process to train: one thread, its device, the user's plugins.

    Args:
        job: what the packs have in common.
        turn: which process of each worker trains now, and which worker this is part of; None
            where it is one by itself.
        beats: what the processes say of their tasks.
    """
    streams.make_safe()
    streams.outlive_readers()  # what a plugin prints
    for name in ("SIGINT", "SIGHUP"):  # the parent decides when to stop
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    processes.end_with_parent()
    torch.set_num_threads(1)
    if "deterministic" in job.flags:
        torch.use_deterministic_algorithms(mode=True)
        torch.backends.cudnn.benchmark = False
    take_turn = functools.partial(_turn, *turn) if turn else contextlib.nullcontext
    device = torch.device(job.device)
    _worker.update(job=job, device=device, turn=take_turn, beats=beats, refusal=None)
    try:
        _worker["device"] = _use_device(device)
        plugins.load(*job.plugins)
    except (RefusedError, RuntimeError) as error:  # here and not in the parent: its cells fail
        _worker["refusal"] = error
    gc.freeze()  # what was imported is not searched for garbage after each pack


@contextlib.contextmanager
def _turn(turns: "SynchronizedArray[int]", worker: int) -> Iterator[None]:
    """Wait until no other process of a worker trains, and let none do so meanwhile."""
    while not _taken(turns, worker):
        time.sleep(TURN_SECONDS)
    try:
        yield
    finally:
        turns[worker] = 0


def _taken(turns: "SynchronizedArray[int]", worker: int) -> bool:
    """Take the turn of a worker, unless another process has it and has not died."""
    with turns.get_lock():
        if turns[worker] and processes.is_running(turns[worker]):
            return False
        turns[worker] = os.getpid()
    return True


def _use_device(device: torch.device) -> torch.device:
    """Return the device of a worker; a GPU is made the one that streams and graphs are of."""
    if device.type == "cuda":
        device = torch.device("cuda", 0)  # the only one that this process sees
        torch.cuda.set_device(device)
    if device.type != "cpu":
        processes.start_fork_server(
            processes.MEASURING
        )  # which imports while the first pack trains
    return device


def _work(
    task: int, specs: Sequence[Mapping[str, Any]], ids: Sequence[str], width: int
) -> list[CellSummary]:
    """Train a pack when it is this process's turn, and finish it when it may be another's."""
    job, beats = _worker["job"], _worker["beats"]
    with _worker["turn"]():
        beats.begin(task)
        if _worker["refusal"]:
            raise _worker["refusal"]
        built(specs, ids)
        beat = functools.partial(beats.epochs.__setitem__, task)
        records = train_pack(job, specs, width, _worker["device"], beat)
    return finish_pack(job, records)

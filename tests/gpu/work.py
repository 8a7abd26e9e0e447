"""The work of a run: items in order of worth, done by processes that may die, in boxes of time.

A stage is a function that lists its items. A process takes the next item that nobody has, asks the
clock before each of its findings, and goes on after a crash. A process that dies costs the finding
it was at, and is replaced; one that is still at work when the box of its stage is over is ended.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from benchmarks import processes
from tests.gpu.findings import RED, UNJUDGED, Findings, Row, read

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

GRACE = 3.0
"""Seconds after the end of its box in which an item may still write what it has."""

WAKE = 0.2
"""Seconds after which the parent looks at its processes."""

LIVES, BIRTHS = 20, 3
"""Deaths after which the work of a run is given up: at items, and before there was one."""

POISONED = ("CUDA error", "cudaError", "CUDNN_STATUS", "CUBLAS_STATUS", "device-side assert")
"""Errors after which a process can do nothing more on its device."""


@dataclass(frozen=True)
class Session:
    """What all processes of a run know, as plain values that can be sent to them."""

    out: Path
    device: str
    ends: Mapping[str, float]  # of the box of each stage, as time.time() counts
    earlier: tuple[Path, ...] = ()
    data: Path = Path("data")
    toy: bool = False
    methods: tuple[str, ...] = ()  # of the stages that train every one; none for all
    plugins: tuple[Path, ...] = ()

    def left(self, stage: str) -> float:
        """Return the seconds until the box of a stage is over."""
        return self.ends[stage] - time.time()


class Item(NamedTuple):
    """Findings that belong together, since one process makes them faster."""

    keys: Sequence[str]
    find: Callable[[str], Row]  # the values of a key's finding, its verdict among them
    seconds: float = 1.0  # that the shortest of its findings takes


Stage = Callable[[Session, Findings], list[Item]]
Stages = Mapping[str, Stage]


def work(stages: Stages, session: Session, take: Callable[[], bool] = lambda: True) -> None:
    """Do the items of stages one after another, until time is over.

    Args:
        stages: by name, in order of worth.
        session: what is known.
        take: says for each item in turn whether it is this process that does it.
    """
    for name, stage in stages.items():
        findings = Findings(session.out, session.earlier)
        for item in stage(session, findings):
            if take():
                _do(name, item, session, findings)


def _do(stage: str, item: Item, session: Session, findings: Findings) -> None:
    for key in item.keys:
        if findings.get(stage, key) or session.left(stage) < item.seconds:
            continue
        began = time.time()
        try:
            row = item.find(key)
        except Exception as error:  # noqa: BLE001  one that fails is a finding, and no end
            row = failure(error)
        seconds = round(time.time() - began, 2)
        findings.add(stage, key, **{"verdict": UNJUDGED, **row, "seconds": seconds})
        if any(word in str(row.get("error")) for word in POISONED):
            os._exit(1)  # another process goes on


def failure(error: BaseException) -> Row:
    """Return what is kept of an error."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    trace = "".join(traceback.format_exception(error))
    return {"verdict": RED, "error": text[:300], "trace": trace[-2000:]}


class Worker:
    """A process, and the number of the item that it is at: one more, 0 for none."""

    def __init__(self, stages: Stages, session: Session, following: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.at = context.Value("i", 0)
        args = (stages, session, (following, self.at), multiprocessing.get_start_method())
        self.process: SpawnProcess = context.Process(target=_labour, args=args)
        self.process.start()


def supervise(stages: Stages, session: Session, count: int) -> None:
    """Do the items of stages in processes, each of which may die."""
    following = multiprocessing.get_context("spawn").Value("i", 0)
    findings = Findings(session.out, session.earlier)
    items = [(name, item) for name, stage in stages.items() for item in stage(session, findings)]
    workers = [Worker(stages, session, following) for _ in range(min(count, len(items)))]
    lives, births = LIVES, BIRTHS
    try:
        while lives and births:
            dead, why = _first_death(workers, [name for name, _ in items], session)
            if dead is None:
                return
            workers.remove(dead)
            if dead.at.value:
                lives -= 1
                name, item = items[dead.at.value - 1]
                known = {row["key"] for row in read(session.out) if row["stage"] == name}
                for key in [key for key in item.keys if key not in known][:1]:
                    findings.add(name, key, **why)
            else:
                births -= 1
                findings.add(items[0][0], f"begin, {births} tries left", **why)
            workers.append(Worker(stages, session, following))
    finally:
        for worker in workers:
            worker.process.kill()


def _first_death(
    workers: Sequence[Worker], names: Sequence[str], session: Session
) -> tuple[Worker | None, Row]:
    """Wait until a process dies, ending those whose time is over; None when all are done."""
    while any(worker.process.exitcode != 0 for worker in workers):
        for worker in workers:
            if worker.process.exitcode:
                code = worker.process.exitcode
                return worker, {"verdict": RED, "error": f"its process died with code {code}"}
            if (at := worker.at.value) and session.left(names[at - 1]) < -GRACE:
                worker.process.kill()
                worker.process.join()
                return worker, {"verdict": UNJUDGED, "error": "ended at the end of its box"}
        time.sleep(WAKE)
    return None, {}


def _labour(stages: Stages, session: Session, shared: tuple[Any, Any], start: str) -> None:
    """Work in a process; workers of a loader begin by ``start``: a spawned one would spawn."""
    processes.end_with_parent()
    multiprocessing.set_start_method(start, force=True)
    device = torch.device(session.device)
    if device.type == "cuda":
        torch.cuda.set_device(
            device.index or 0
        )  # whose streams and graphs are made where no device is named
    own = _turns(*shared)
    work(stages, session, lambda: next(own))
    shared[1].value = 0


def _turns(following: Any, at: Any) -> Iterator[bool]:
    """Yield for one item after another whether this process is the one that takes it."""
    number = 0
    while True:
        with following.get_lock():
            free = bool(following.value == number)
            following.value += int(free)
        at.value = number + 1 if free else 0
        yield free
        number += 1

"""The engine against the baselines in the same precision, and the floor of the device."""

import functools
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch

from tests.gpu.environment import timed, wait
from tests.gpu.findings import Findings, Row
from tests.gpu.invented import spec_of
from tests.gpu.truth import DRIVERS
from tests.gpu.work import Item, Session
from tests.speed import contest, floor

ROUNDS, ENOUGH_SECONDS = 9, 8.0
"""The epochs that are timed, unless they take longer; the first one is apart."""

NEEDED_SECONDS = 4.0


class Work(NamedTuple):
    """What is trained, and how many cells each driver is given."""

    dataset: str
    model: str
    widths: dict[str, int]


WORK = {
    "cifar10/resnet18": Work(
        "cifar10", "resnet18", {"graph": 1, "one by one": 1, "branches graph": 2}
    ),
    "mnist/mnist_convnet": Work(
        "mnist",
        "mnist_convnet",
        {"branches graph": 8, "graph": 1, "stack graph": 8, "one by one": 1},
    ),
    "mlp": Work("digits", "mlp", {"stack graph": 256, "graph": 1, "one by one": 1}),
    "tiny": Work("digits", "tiny", {"stack graph": 512, "stack": 512, "graph": 1}),
    "convnet": Work("digits", "convnet", {"branches graph": 16, "stack graph": 32, "graph": 1}),
}
TOY = {
    "tiny": Work("digits", "tiny", {"stack graph": 3, "one by one": 1}),
    "mnist/mnist_convnet": Work("mnist", "mnist_convnet", {"graph": 1}),
}
TOY_WIDTH = 3
BASELINES = ("B2", "B1", "B0")
ENGINE = "a run"
"""The driver that a run chooses where nothing was measured before."""


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List the contestants of each workload in each precision, those that tell most first."""
    cuda = torch.device(session.device).type == "cuda"
    items = []
    for precision in ("bfloat16", "float32") if cuda else ("float32",):
        for name, work in (TOY if session.toy else WORK).items():
            drivers = [name for name in work.widths if cuda or "graph" not in name]
            who = ["floor", ENGINE, *drivers, *BASELINES[: 2 if session.toy else None]]
            keys = [f"{name} in {precision} by {one}" for one in who]
            find = functools.partial(_timed, session, work, precision)
            items.append(Item(keys, find, 0.0 if session.toy else NEEDED_SECONDS))
    return items


def _timed(session: Session, work: Work, precision: str, key: str) -> Row:
    """Time the epochs of one contestant."""
    device, who = torch.device(session.device), key.partition(" by ")[2]
    recipe = f"small(epochs=100000, batch={8 if session.toy else 128})"
    workload = f"{_dataset(work, session)}/{work.model}"
    (cell,) = contest.cells_of(workload, device, 1, recipe, precision)
    if who == "floor":
        return {"verdict": timed(device), "cell_epoch": floor.seconds(cell, device)}
    width, flags = contest.usual(cell, device) if who == ENGINE else (1, ())
    if session.toy:
        width = min(width, TOY_WIDTH)
    if who in DRIVERS:
        width, flags = work.widths[who], DRIVERS[who][1]
    cells = contest.cells_of(workload, device, width, recipe, precision)
    forget(device)
    running: Iterator[object]
    if who in contest.BASELINES:
        running = contest.baseline(who, cell, session.data, device)
    else:
        running = contest.engine(cells, session.data, device, flags)
    first, *later = epochs_of(running, device, session, "speed")
    row = {"verdict": timed(device), "cell_epoch": statistics.median(later) / width, "width": width}
    row["flags"] = " ".join(flags)
    return {**row, "first": first, "rounds": len(later), "reserved_gib": reserved(device) / 2**30}


def epochs_of(
    running: Iterator[object], device: torch.device, session: Session, stage: str
) -> list[float]:
    """Return the seconds of a first epoch and of several more, two at least."""
    found: list[float] = []
    while len(found) < 1 + ROUNDS:
        began = time.perf_counter()
        next(running)
        wait(device)
        found.append(time.perf_counter() - began)
        enough = session.toy or sum(found) > ENOUGH_SECONDS or session.left(stage) < 0
        if len(found) > 1 and enough:
            break
    return found


def _dataset(work: Work, session: Session) -> str:
    """Return real digits, which need no file, or images invented instead of real ones."""
    return work.dataset if work.dataset == "digits" else spec_of(work.dataset, session.toy)


def forget(device: torch.device) -> None:
    """Give back what earlier contestants had, so that peaks are this one's own."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def reserved(device: torch.device) -> int:
    """Return the most bytes that were reserved on a GPU since they were given back; 0 elsewhere."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0

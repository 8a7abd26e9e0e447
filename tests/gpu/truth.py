"""Every method by every driver in float64, held to the CPU; then in the precision of GPU runs.

In float64 two correct engines differ by rounding alone, so what is further apart is an error, and
not an example that a method has flipped, as it would be in the precision of GPU runs.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_map_only

from benchmarks import plugins
from benchmarks.engine import drivers
from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import Epoch, train
from benchmarks.sweep import Cell
from methods import METHODS
from tests.cells import CPU, HARD, NOWHERE, alone, build, few
from tests.gpu.environment import judged
from tests.gpu.findings import Findings, Row
from tests.gpu.work import Item, Session
from tests.oracles.steady import Recorder

DRIVERS: dict[str, tuple[int, tuple[str, ...]]] = {  # cells together, flags
    "one by one": (1, ()),
    "graph": (1, ("graph",)),
    "stack": (2, ()),
    "stack graph": (2, ("graph",)),
    "branches graph": (2, ("graph", "branches")),
}

RECIPE = HARD.replace("batch=97", "batch=40, rotation=10.0")
CLOSE = 1e-8
SORTED = 1e-6
"""How far apart logits may be; of methods that sort, ties of rounding fall either way."""

SORTS = {
    *("cdr", "co_teaching", "co_teaching_plus", "jocor", "confident_learning", "reweighting"),
    *("dividemix", "dyr", "promix", "dual_t", "t_revision"),
}
SIZE, TOY_SIZE = 293, 120
"""Training images of what is exact: batches to warm up, others in the graph, a shorter one."""

TRUSTED = 8
LEARNT = "small(epochs=12)"
WORSE = 0.15
"""The share of right answers that bfloat16 may lose: so many, and a method does not train."""


class Found(NamedTuple):
    """The last epoch of a cell, and why its steps came from no graph where they should have."""

    epoch: Epoch
    reason: str


def chosen(session: Session) -> list[str]:
    """Return the methods to train."""
    plugins.load(*session.plugins)
    return list(session.methods or METHODS)


def of_drivers(session: Session) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Return the drivers of a device: streams are CUDA's own."""
    cuda = torch.device(session.device).type == "cuda"
    return {name: how for name, how in DRIVERS.items() if cuda or "branches" not in name}


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List every method by every driver in float64."""
    drivers = of_drivers(session)
    keys = {method: [f"{method} by {driver}" for driver in drivers] for method in chosen(session)}
    return [Item(own, functools.partial(_exact, session, method)) for method, own in keys.items()]


def precision_stage(session: Session, _findings: Findings) -> list[Item]:
    """List every method by the drivers of GPU runs, in bfloat16."""
    drivers = [name for name in of_drivers(session) if "graph" in name or session.toy]
    keys = {method: [f"{method} by {driver}" for driver in drivers] for method in chosen(session)}
    return [Item(own, functools.partial(_rough, session, method)) for method, own in keys.items()]


def _exact(session: Session, method: str, key: str) -> Row:
    """Train two cells by a driver in float64, and say how far the first is from the CPU's."""
    device, driver = torch.device(session.device), key.partition(" by ")[2]
    with _double():
        size = TOY_SIZE if session.toy else SIZE
        expected = _first(method, RECIPE, size, torch.float64)
        found = trained(method, device, driver, RECIPE, size)
    shown = zip(
        ("train", "val", "test"), (expected.train, expected.val, expected.test), strict=True
    )
    off = max(_apart(getattr(found.epoch, name).cpu(), logits) for name, logits in shown)
    limit = SORTED if METHODS.explicit(method)[0] in SORTS else CLOSE
    loss = abs(found.epoch.loss - expected.loss)
    good = off < limit and loss < limit and not found.reason
    row = {"off": off, "loss_off": loss, "limit": limit, "method": method, "driver": driver}
    return {**row, "no_graph": found.reason, "verdict": judged(device, good)}


def _rough(session: Session, method: str, key: str) -> Row:
    """Train a cell by a driver in bfloat16, and compare its accuracy with the CPU's."""
    device, driver = torch.device(session.device), key.partition(" by ")[2]
    recipe, size = (RECIPE, TOY_SIZE) if session.toy else (LEARNT, None)
    expected = _accuracy(_first(method, recipe, size, torch.float32))
    found = trained(method, device, driver, recipe, size, "bfloat16")
    accuracy = _accuracy(found.epoch)
    row = {"acc": accuracy, "acc_cpu": expected, "method": method, "driver": driver}
    good = accuracy > expected - WORSE and not found.reason
    return {**row, "no_graph": found.reason, "verdict": judged(device, good)}


def trained(
    method: str,
    device: torch.device,
    driver: str,
    recipe: str,
    size: int | None,
    precision: str = "float32",
) -> Found:
    """Train as many cells as a driver takes together, and return the first one's last epoch."""
    width, flags = DRIVERS[driver]
    cells = [
        build(method, model="convnet", recipe=recipe, seed=seed, precision=precision)
        for seed in range(width)
    ]
    data = [_data(cell, size, device) for cell in cells]
    with _recorder(device), _reasons() as heard:
        team = team_of(cells, data, width, flags)
        *_, epochs = train(team)
    return Found(epochs[0], "; ".join(heard))


@functools.lru_cache(maxsize=1)
def _first(method: str, recipe: str, size: int | None, _dtype: torch.dtype) -> Epoch:
    """Return the last epoch of a cell by itself on the CPU, in the dtype that is the default."""
    cell = build(method, model="convnet", recipe=recipe)
    return alone(cell, _data(cell, size, CPU))[-1]


def _data(cell: Cell, size: int | None, device: torch.device) -> CellData:
    """Return so many of the images, chosen on the CPU, or all; of trusted ones always as many."""
    if size is None:
        return load_cell_data(cell, NOWHERE, device)
    chosen = few(cell, size)
    chosen = chosen._replace(trusted=chosen.trusted[:TRUSTED])
    moved: CellData = tree_map_only(torch.Tensor, lambda tensor: tensor.to(device), chosen)
    return moved._replace(position=chosen.position)


def _apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference, relative to the largest value."""
    if not found.isfinite().all():
        return float("inf")
    return ((found - expected).abs().max() / expected.abs().max().clamp(min=1.0)).item()


def _accuracy(epoch: Epoch) -> float:
    """Return the share of right answers on as many test images as there are."""
    label = _labels()[: len(epoch.test)]
    return (epoch.test.cpu().argmax(-1) == label).double().mean().item()


@functools.cache
def _labels() -> torch.Tensor:
    return load_cell_data(build(), NOWHERE, CPU).test.label


@contextlib.contextmanager
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def _recorder(device: torch.device) -> Iterator[None]:
    """On a device without graphs, let one that runs each step again stand for them."""
    before: Any = drivers.CudaGraphs
    if device.type != "cuda":
        drivers.CudaGraphs = lambda _: Recorder()
    try:
        yield
    finally:
        drivers.CudaGraphs = before


@contextlib.contextmanager
def _reasons() -> Iterator[list[str]]:
    """Collect why steps could not be recorded."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    log, listener = logging.getLogger("benchmarks.engine.cuda.graph"), Listener()
    log.addHandler(listener)
    try:
        yield heard
    finally:
        log.removeHandler(listener)

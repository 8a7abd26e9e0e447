"""Train small cells on the stub by every driver, and print a line of JSON about each.

A line says whether training ended, what was elsewhere than on the device, where the host waited,
whether steps were captured, whether what a graph reads and writes stayed where it was, and what a
step took. ``test_matrix.py`` reads the lines.
"""

import argparse
import collections
import gc
import json
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from benchmarks.engine.cuda import graph
from benchmarks.engine.data import CellData
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import train
from methods import METHODS
from tests.cells import build, few
from tests.device.counters import Stub
from tests.device.faults import FAULTS
from tests.device.metered import COPIES, KERNELS, Metered

DRIVERS = {
    "one_by_one": (1, ()),
    "one_by_one graph": (1, ("graph",)),
    "stack": (2, ()),
    "stack graph": (2, ("graph",)),
    "branches graph": (2, ("graph", "branches")),
}
"""Width and flags."""

MODELS = {"mlp": "mlp(first=19, second=13)", "convnet": "convnet", "resnet18": "resnet18"}
PRECISIONS = ("float32", "bfloat16")

SIZE, BATCH, EPOCHS = 293, 64, 4
RECIPE = (
    f"small(epochs={EPOCHS}, lr=0.05, batch={BATCH}, weight_decay=0.01, clip_norm=0.5, crop=1, "
    "flip=True, rotation=10.0)"
)
"""All of augmentation, clipping and decay, and a shorter last batch."""


class Combination(NamedTuple):
    """What is trained, and how."""

    model: str
    precision: str
    driver: str
    method: str

    def __str__(self) -> str:
        return "-".join(self)


class Steps(Metered):
    """A team whose steps are looked at one by one."""

    def __init__(self, team: Any, stub: Stub) -> None:
        super().__init__(team, stub)
        self.took: list[tuple[int, int, bool]] = []  # kernels, copies, and whether a graph did it
        self.moved: set[str] = set()  # what did not stay where the graph reads it
        self._places: dict[str, list[int | None]] | None = None
        self.captured: list[int] = []  # by stage

    def begin(self, *args: Any) -> None:
        """Begin a stage, with a graph and storage of its own."""
        self._places = None
        self.captured.append(0)
        self._counted("begin", self._team.begin)(*args)

    def step(self, *args: Any) -> Tensor:
        """Take a step and note what it took."""
        before = self._stub.counts()
        losses: Tensor = self._counted("step", self._team.step)(*args)
        spent = self._stub.counts() - before
        self.captured[-1] += spent["capture"]
        replayed = bool(spent["replay"])
        self.took.append((*taken(spent), replayed))
        if replayed:
            places = storage(self._team._team)
            self._places = self._places or places
            moved = {name for name in places if places[name] != self._places.get(name)}
            self.moved |= moved | {name for name in places if None in places[name]}
        return losses

    def update_averages(self) -> None:
        """Let averaged weights follow the step, of which that is a part."""
        before = self._stub.counts()
        self._counted("update_averages", self._team.update_averages)()
        more = taken(self._stub.counts() - before)
        kernels, copies, replayed = self.took[-1]
        self.took[-1] = (kernels + more[0], copies + more[1], replayed)

    def a_step(self) -> tuple[int, int]:
        """Return kernels and copies of the commonest step, of those from a graph if any is."""
        graphed = [(kernels, copies) for kernels, copies, replayed in self.took if replayed]
        every = graphed or [(kernels, copies) for kernels, copies, _ in self.took]
        return collections.Counter(every).most_common(1)[0][0]


def taken(spent: collections.Counter[str]) -> tuple[int, int]:
    """Return the kernels and the copies among what was counted."""
    return sum(spent[kind] for kind in KERNELS), sum(spent[kind] for kind in COPIES)


def storage(team: Any) -> dict[str, list[int | None]]:
    """Return the addresses of all that a recorded step reads and leaves for the next one.

    What is no tensor has none: a graph holds for good what it was.
    """
    optimizers = [member.optimizer for member in getattr(team, "members", [])]
    optimizers = optimizers or [team.optimizer]
    rates = [optimizer.lr for optimizer in optimizers]
    params = [param for optimizer in optimizers for param in optimizer.params]
    found = {"carried": tree_leaves(team.carried), "parameters": params, "learning rate": rates}
    return {
        name: [value.data_ptr() if isinstance(value, Tensor) else None for value in values]
        for name, values in found.items()
    }


def trained(one: Combination, device: torch.device, stub: Stub) -> dict[str, Any]:
    """Train a method by a driver and return what there is to say of it."""
    width, flags = DRIVERS[one.driver]
    specs = {"model": MODELS[one.model], "recipe": RECIPE, "precision": one.precision}
    cells = [build(one.method, **specs, seed=seed) for seed in range(width)]
    data = [on(device, few(cell, SIZE)) for cell in cells]
    team = Steps(team_of(cells, data, width, flags), stub)
    elsewhere: set[str] = set()
    for epochs in train(team):
        for epoch in epochs:
            logits = {name: getattr(epoch, name) for name in ("train", "val", "test")}
            named = {**logits, **{f"state {name}": value for name, value in epoch.state.items()}}
            elsewhere |= {name for name, value in named.items() if value.device != device}
    stages = [stage for stage in cells[0].method.stages(EPOCHS) if stage.epochs]
    kernels, copies = team.a_step()
    return {
        "elsewhere": sorted(elsewhere),
        "moved": sorted(team.moved),
        "captures": team.captured,
        "stages": len(stages),
        "kernels": kernels,
        "copies": copies,
    }


def on(device: torch.device, data: CellData) -> CellData:
    """Return a cell's data on a device; chosen before, as the stub's masks choose nothing."""
    moved: CellData = tree_map_only(Tensor, lambda tensor: tensor.to(device), data)
    return moved._replace(position=data.position)


def line(one: Combination, device: torch.device, stub: Stub) -> dict[str, Any]:
    """Return the line about a combination, whatever becomes of it."""
    row: dict[str, Any] = one._asdict()
    clear(device)
    stub.faults()
    before = torch.cuda.memory_allocated(device)
    with stub.waits() as waits, said() as reasons:
        try:
            row |= trained(one, device, stub) | {"status": "ok"}
        except Exception as error:  # noqa: BLE001  whatever it is, it is told
            row["status"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            row["trace"] = traceback.format_exc()[-2000:]
    row["waits"] = [[*wait, count] for wait, count in sorted(waits.items())]
    row["reasons"], row["faults"] = reasons, sorted(set(stub.faults()))
    row["peak_mib"] = round((torch.cuda.max_memory_allocated(device) - before) / 2**20, 2)
    return row


def clear(device: torch.device) -> None:
    """Forget the memory that earlier combinations have left, and the peak of a device."""
    gc.collect()
    torch.cuda.set_stream(torch.cuda.default_stream())
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)


class said:  # noqa: N801  used as a function
    """Collect what the graphs have to say: why a step could not be captured."""

    def __enter__(self) -> list[str]:
        self._handler = logging.Handler()
        found: list[str] = []
        self._handler.emit = lambda record: found.append(record.getMessage())
        graph.LOG.addHandler(self._handler)
        graph.LOG.propagate = False
        return found

    def __exit__(self, *_: object) -> None:
        graph.LOG.removeHandler(self._handler)


def combinations(asked: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the drivers and methods that are asked for.

    >>> list(combinations(["stack=elr,l2rw"]))
    [('stack', 'elr'), ('stack', 'l2rw')]
    """
    for text in asked:
        driver, methods = text.split("=")
        for method in METHODS if methods == "*" else methods.split(","):
            yield driver, method


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the lines as they come, drivers in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, required=True)
    parser.add_argument(
        "--train",
        nargs="+",
        default=[f"{driver}=*" for driver in DRIVERS],
        help="DRIVER=METHOD,METHOD; * is every method",
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, help="plant each, to see it found")
    asked = parser.parse_args(arguments)
    stub, device = Stub(), torch.device(asked.device)
    warnings.simplefilter("ignore")
    for fault in asked.faults or [""]:
        with FAULTS[fault]() if fault else nullcontext():
            for driver, method in combinations(asked.train):
                one = Combination(asked.model, asked.precision, driver, method)
                row = line(one, device, stub)
                print(json.dumps({"fault": fault, **row}), flush=True)


if __name__ == "__main__":
    main()

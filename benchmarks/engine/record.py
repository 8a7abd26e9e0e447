"""Train the cells of a pack, and turn what each did into the record that is kept of it."""

import gc
import hashlib
import math
import platform
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import processes, schema
from benchmarks.engine.batches import steps_of
from benchmarks.engine.checkpoint import Checkpoints
from benchmarks.engine.data import CellData, load_cell_data
from benchmarks.engine.drivers import driver_name, team_of, why_no_graph
from benchmarks.engine.loop import Beat, Team, silent, train
from benchmarks.engine.measurers import measure_all
from benchmarks.engine.networks import initial_weights
from benchmarks.engine.selection import SELECTED, History
from benchmarks.store import (
    CURVE_VALUES,
    CellFacts,
    CellKeys,
    CellMeta,
    Costs,
    Draws,
    Record,
    Stamp,
)
from benchmarks.sweep import Cell

SCORES = ("loss", "loss_mean", "margin_mean")  # of a training example; means over epochs
OWN = "own"  # one less the method's own probability that a label is right, where it has one
LOGITS = ("logits", "val_logits")  # what takes the room: of every selection, or only of the first


LOOKAHEAD = (1, 2)
"""The passes of a lookahead, per image: one forward; backward through the loss and its gradient."""


class PackSetup(NamedTuple):
    """The choices that the cells of a pack share: how to train them and what to keep."""

    root: Path  # the folder of the image files
    device: torch.device
    keep_all: bool  # the logits of every selection, not only of ``last``
    width: int = 1  # of the pack, to which it is padded; 1 is one by one
    flags: tuple[str, ...] = ()  # of planning.options.FLAGS
    beat: Beat = silent  # told after every step how many epochs are over
    checkpoints: Checkpoints | None = None  # where their state is kept; None keeps none

    def plain(self) -> "PackSetup":
        """Return the same with the plainest driver: one by one, each kernel launched by itself."""
        flags = tuple(flag for flag in self.flags if flag not in {"graph", "branches"})
        return self._replace(width=1, flags=flags)


def train_and_record(cells: Sequence[Cell], setup: PackSetup) -> list[Record]:
    """Train cells together and return their records, measured."""
    records = train_cells(cells, setup)
    add_numbers(records, setup.device, keep_all=setup.keep_all)
    return records


def train_cells(cells: Sequence[Cell], setup: PackSetup) -> list[Record]:
    """Train cells together and return their records, to which :func:`add_numbers` adds the rest.

    Args:
        cells: one, or several that differ in seed and noise alone.
        setup: where, how wide, and with which flags. A GPU is left as if they had never been.

    Raises:
        Exception: anything but divergence, which is a result and is recorded as one.
    """
    records = _trained(cells, setup)
    if setup.device.type != "cpu":
        release_memory(setup.device)
    return records


def _trained(cells: Sequence[Cell], setup: PackSetup) -> list[Record]:
    """Train cells together and return their records; what that took of a GPU may stay there."""
    histories = [  # before a noise's file can be edited
        History(cell.keys(), cell.method.stops_early) for cell in cells
    ]
    data = [load_cell_data(cell, setup.root, setup.device) for cell in cells]
    team = team_of(cells, data, setup.width, setup.flags)
    checkpoint, resumed = None, None
    if setup.checkpoints:
        ids = [cell.id for cell in cells]
        checkpoint = setup.checkpoints.of(ids, setup.width, setup.flags)
        resumed = checkpoint.resume(histories, setup.device)
    state = 0.0  # bytes of a cell; a stage may have more of it than the next one
    for epochs in train(team, setup.beat, resumed):
        state = max(state, state_bytes(team))
        for history, epoch, own in zip(histories, epochs, data, strict=False):
            if not history.reason:
                history.note(epoch, own)
        if all(history.reason for history in histories):
            break
        if checkpoint:
            checkpoint.offer(team, histories, epochs[0].number)
    driver = driver_name(setup.width, setup.flags, why_no_graph(team))
    together = list(zip(cells, data, histories, strict=True))
    for _, own, history in together:
        history.measure(own)
    records = [_record(cell, own, history, setup, driver) for cell, own, history in together]
    for record in records:
        record.meta.costs.state_mb = state / 2**20 or None  # of one that had but to be measured
        record.meta.stamp = Stamp(earlier="; ".join(checkpoint.earlier() if checkpoint else ()))
    return records


def _record(cell: Cell, data: CellData, history: History, setup: PackSetup, driver: str) -> Record:
    """Return the record of a cell: its keys, facts, costs and arrays, and no metrics yet."""
    meta = CellMeta(
        keys=CellKeys(**history.keys),
        facts=_facts(cell, data),
        status="diverged" if history.reason else "done",
        reason=history.reason,
        costs=_costs(cell, data, history, setup.device, driver),
        curves=CURVE_VALUES,
        draws=Draws(_digest(data.position), initial_weights(cell)),
        own_images=cell.dataset.resplit,
    )
    arrays: dict[str, NDArray[Any]] = {
        "curves": np.array(history.rows).reshape(-1, len(CURVE_VALUES))
    }
    if meta.status == "done":
        meta.selections = tuple(name for name in SELECTED if name in history.chosen)
        meta.scores = (*SCORES, OWN) if "clean" in history.state else SCORES
        known = data.clean != schema.UNKNOWN_CLASS
        if known.any():
            meta.mislabelled = int((data.noisy != data.clean)[known].sum())
        meta.metrics = tuple(schema.METRICS)
        arrays |= _arrays(history, data, meta.selections)
    return Record(meta, arrays)


def _digest(position: Tensor) -> str:
    return hashlib.sha256(position.numpy().astype("<i8").tobytes()).hexdigest()


def add_numbers(
    records: Sequence[Record], device: torch.device, *, keep_all: bool, workers: int = 1
) -> None:
    """Measure the finished ones of some cells; of their logits, leave those that are kept.

    Args:
        records: of a pack that has been trained.
        device: where. Of a GPU, its share of the processor's cores measure side by side.
        keep_all: whether the logits of every selection are kept.
        workers: how many train side by side, and share the cores.
    """
    count, done = 1, [record for record in records if record.meta.status == "done"]
    if device.type != "cpu" and processes.FORKS:
        count = max(1, processes.cores() // workers)
    for record, numbers in zip(done, measure_all(done, count), strict=True):
        costs, arrays = record.meta.costs, record.arrays
        arrays |= numbers.arrays
        costs.eval_seconds = (costs.eval_seconds or 0.0) + numbers.seconds
        if not keep_all:
            arrays |= {name: arrays[name][:1] for name in LOGITS if name in arrays}


def _facts(cell: Cell, data: CellData) -> CellFacts:
    """Return the columns of ``results.csv`` that every selection of a cell shares."""
    return CellFacts(
        method_spec=cell.method_spec,
        profile=cell.profile,
        privileges=" ".join(cell.method.privileges),
        precision=cell.precision,
        noise_rate_realised=None if math.isnan(data.noise_rate) else data.noise_rate,
        noise_sha256=data.noise_sha256,
        truth=cell.dataset.truth,
        metric_spec=schema.METRIC_SPEC,
        n_train=len(data.noisy),
        n_test=len(data.test.label),
    )


def _arrays(history: History, data: CellData, selected: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return what is kept of a finished cell beside its curves, all selections' logits included."""
    chosen = [history.chosen[name] for name in selected]
    scores = [history.loss_last, history.loss_mean, history.margin_mean]  # SCORES
    if (clean := history.state.get("clean")) is not None:
        scores.append(1 - clean.double().reshape(-1, len(data.noisy)).mean(0))  # OWN
    kept = {
        "logits": torch.stack([epoch.test for epoch in chosen]),
        "label": data.test.label.short(),
        "train_scores": torch.stack(scores),  # (scores, N)
        "predicted": history.predicted.short(),
        "noisy": data.noisy,
        "clean": data.clean.short(),
        "position": data.position,
    }
    if len(data.val):
        kept["val_logits"] = torch.stack([epoch.val for epoch in chosen])
        kept["val_noisy"], kept["val_clean"] = data.val_noisy.short(), data.val_clean.short()
        kept["transition"] = data.transition
    for name, entry in (("kept", "kept"), ("estimate", "transition")):
        if (value := history.state.get(entry)) is not None:
            kept[name] = value.detach()
    return {
        "selected": np.array([epoch.row for epoch in chosen]),
        "final": np.array([row for row in history.final if row <= history.chosen["last"].row]),
        **{name: tensor.cpu().numpy() for name, tensor in kept.items()},
    }


def _costs(
    cell: Cell, data: CellData, history: History, device: torch.device, driver: str
) -> Costs:
    """Return what training took; differs from run to run, so it is kept apart."""
    epochs, n = len(history.rows), len(data.noisy)
    steps = steps_of(cell, n)
    taken = passes(cell, n, epochs, len(data.trusted))
    peak = processes.peak_memory()
    if device.type == "cuda":  # with the blocks of graphs, which count as free between replays
        peak, name = torch.cuda.max_memory_reserved(device), torch.cuda.get_device_name(device)
    else:
        name = platform.processor() or platform.machine()
    return Costs(
        train_seconds=history.train_seconds,
        eval_seconds=history.eval_seconds,
        steps=steps * epochs,
        forward_passes=taken.forward,
        backward_passes=taken.backward,
        peak_memory_mb=None if peak is None else peak / 2**20,
        device=f"{device.type} {name}",
        driver=driver,
    )


def release_memory(device: torch.device) -> None:
    """Give back what a pack that is over held of the device, in cycles and caches too.

    Its peak is counted anew. What cuBLAS has to work in is kept for each stream, of which every
    pack of branches has new ones.
    """
    gc.collect()
    if device.type == "cuda":
        torch._C._cuda_clearCublasWorkspaces()  # noqa: SLF001  there is no public name
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif device.type == "mps":
        torch.mps.empty_cache()


def state_bytes(team: Team[Any]) -> float:
    """Return the bytes that each cell of a team holds from one step to the next.

    These are its weights and their moving averages, the moments of its optimiser, and what its
    method keeps, such as a number for each image. Activations and gradients, which a step makes
    and frees, are not among them, nor are the images.
    """
    return sum(tensor.nbytes for tensor in team.tensors().values()) / len(team.cells)


class Passes(NamedTuple):
    """Images times the networks they are sent through, but for evaluation for metrics alone."""

    forward: int
    backward: int


def passes(cell: Cell, n: int, epochs: int, trusted: int = 0) -> Passes:
    """Count what training takes, from what the method declares.

    Each network sees every view of every image, forwards and backwards; for a method that perturbs,
    both once more; for one that peeks, forwards once more. Refitting takes the outputs on the whole
    training set before every epoch but the first. Looking ahead takes ``LOOKAHEAD`` passes of the
    batch, and one forwards and one backwards of a batch of trusted images.

    Args:
        cell: what is trained.
        n: training images.
        epochs: how many were trained.
        trusted: images in the clean subset of a method that has one.
    """
    method = cell.method
    once = n * epochs * method.networks * method.views
    backward = 2 * once if method.perturbs() else once
    forward = backward + once if method.peeks else backward
    if method.refits():
        forward += n * max(epochs - 1, 0) * method.networks
    if trusted and method.looks_ahead():
        batch = cell.recipe.batch
        sizes = [min(batch, trusted - start) for start in range(0, trusted, batch)]
        seen = epochs * sum(islice(cycle(sizes), steps_of(cell, n)))  # every epoch begins anew
        forward += LOOKAHEAD[0] * n * epochs + seen
        backward += LOOKAHEAD[1] * n * epochs + seen
    return Passes(forward, backward)

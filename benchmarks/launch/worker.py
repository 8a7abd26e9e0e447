"""The training of one pack of cells by a worker: the same functions whoever launches it."""

import datetime as dt
import os
import platform
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch

from benchmarks import plugin_errors, processes
from benchmarks.engine import checkpoint
from benchmarks.engine.checkpoint import Checkpoints, path_of
from benchmarks.engine.loop import Beat, silent
from benchmarks.engine.record import PackSetup, add_numbers, release_memory, train_cells
from benchmarks.errors import RefusedError
from benchmarks.launch import energy, environment
from benchmarks.launch.cluster import LOCAL, Cluster
from benchmarks.planning.memory import is_out_of_memory
from benchmarks.planning.options import flags_of_cell
from benchmarks.store import CellFacts, CellKeys, CellMeta, Costs, Record, Stamp, write_part
from benchmarks.sweep import Cell
from methods.bounds import file_name

CHECKPOINT_SECONDS = 600.0
"""Seconds between two checkpoints of a pack where nothing is said."""

ABSOLUTE = re.compile(
    r"""(?<=')(?:/|[A-Za-z]:\\)[^']+(?=') | (?<=")(?:/|[A-Za-z]:\\)[^"]+(?=")
    | (?<![^\s(\[=,;])(?:/|[A-Za-z]:\\)[^\s:;,)\]'"]+""",
    re.VERBOSE,
)
"""An absolute path in a text: in quotes, or as far as the next blank."""


@dataclass(frozen=True)
class Job:
    """The facts that all packs of a session share, as plain values that any launcher can send."""

    folder: Path  # of the results
    root: Path  # of the image files
    device: str
    keep_all: bool  # the logits of every selection
    commit: str
    plugins: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()  # of FLAGS
    timeout: float | None = None  # seconds without a finished epoch; None: watch.QUIET or more
    seconds: float | None = None  # after which no pack is trained on
    checkpoint_every: float | None = CHECKPOINT_SECONDS  # seconds; None keeps and reads none
    cluster: Cluster = LOCAL
    workers: int = 1  # that train side by side on a machine
    gpus: int = 0  # of the machine; 0 as many as a worker sees


@dataclass(frozen=True)
class CellSummary:
    """The outcome of a cell, as its worker tells the launcher."""

    cell_id: str
    status: str
    reason: str  # empty unless it failed or diverged
    seconds: float  # of training


def built(specs: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> list[Cell]:
    """Return the cells of a pack that was sent here.

    Raises:
        RefusedError: they are others here than where the run began.
    """
    cells = [Cell.build(spec) for spec in specs]
    if [cell.id for cell in cells] != list(ids):
        raise RefusedError("its plugin or a file of it was edited after the run began; run again")
    return cells


def train_pack(
    job: Job,
    specs: Sequence[Mapping[str, Any]],
    width: int,
    device: torch.device,
    beat: Beat = silent,
) -> list[Record]:
    """Train the cells of a pack and return their records, for :func:`finish_pack`.

    Args:
        job: the facts that all packs share.
        specs: of the cells, as :meth:`Cell.specs` returns them.
        width: the number of cells that the pack is padded to; 1 trains one by one.
        device: this worker's.
        beat: told after every step how many epochs are over.
    """
    cells = [Cell.build(spec) for spec in specs]
    flags = flags_of_cell(cells[0], job.flags)
    every = job.checkpoint_every
    here = environment.in_words(stamp(job))
    kept = None if every is None else Checkpoints(job.folder, every, here)
    begun = kept is not None and path_of(job.folder, [cell.id for cell in cells]).exists()
    alone = job.workers <= max(1, job.gpus)
    setup = PackSetup(job.root, device, job.keep_all, width, flags, beat, kept)
    if begun or not alone:  # what was spent before is not known, nor what others spend
        return _train(job, cells, setup)
    with energy.spent(device) as joules:
        records = _train(job, cells, setup)
    for record in records:
        record.meta.costs.energy_joules = joules.each(len(cells))
    return records


def finish_pack(job: Job, records: Sequence[Record]) -> list[CellSummary]:
    """Measure the cells of a trained pack, write its part, and return the outcome of each."""
    device = torch.device(job.device)
    add_numbers(records, device, keep_all=job.keep_all, workers=job.workers)
    if not processes.has_parent():
        raise SystemExit("nobody waits for these cells")
    write_part(job.folder, records)
    checkpoint.remove(job.folder, [record.cell_id for record in records])
    return [summary(record) for record in records]


def summary(record: Record) -> CellSummary:
    """Return the outcome that a record describes."""
    meta = record.meta
    return CellSummary(record.cell_id, meta.status, meta.reason, meta.costs.train_seconds or 0.0)


class _Failed(NamedTuple):
    """Why a pack was not trained, in words: the error itself holds all that the pack took."""

    reason: str
    trace: str
    too_large: bool  # for the device's memory


def _train(job: Job, cells: Sequence[Cell], setup: PackSetup) -> list[Record]:
    """Train a pack; one that fails is tried cell by cell, so that only the guilty one is lost.

    One that does not fit into the device's memory is tried at half its width. One that went on from
    a checkpoint is tried from its beginning first: the file may be to blame. A cell that fails by
    itself is tried once more by the plainest driver, which takes the least and does the least.
    """
    outcome = _attempt(cells, setup)
    if not isinstance(outcome, _Failed):
        for record in outcome:
            earlier = record.meta.stamp.earlier
            record.meta.stamp = msgspec.structs.replace(stamp(job), earlier=earlier)
        return outcome
    _end_if_broken(setup.device, outcome.reason)
    release_memory(setup.device)
    resumed = checkpoint.remove(job.folder, [cell.id for cell in cells])
    if resumed and not outcome.too_large:
        return _train(job, cells, setup)
    if outcome.too_large and setup.width > 1:
        half = setup._replace(width=setup.width // 2)
        parts = [cells[i : i + half.width] for i in range(0, len(cells), half.width)]
        return [record for part in parts for record in _train(job, part, half)]
    if len(cells) > 1:
        return [record for cell in cells for record in _train(job, [cell], setup)]
    if (plain := setup.plain()) != setup:
        return _train(job, cells, plain)
    return [failure(job, cells[0], outcome.reason, outcome.trace)]


def _end_if_broken(device: torch.device, reason: str) -> None:
    """End this worker where its GPU answers no more, as after an illegal address: others begin."""
    if device.type == "cuda":
        try:
            torch.cuda.synchronize(device)
        except RuntimeError as error:
            raise SystemExit(f"{device} cannot be used any more: {reason}") from error


def _attempt(cells: Sequence[Cell], setup: PackSetup) -> list[Record] | _Failed:
    """Train a pack, or say why not, when nothing of it is held by an error any more."""
    try:
        return train_cells(cells, setup)
    except BaseException as error:  # noqa: BLE001  a cell that fails is a row, not the run's end
        if is_out_of_memory(error):
            return _Failed(f"out of memory: {error}".splitlines()[0], "", too_large=True)
        return _Failed(plugin_errors.reason(error), traceback.format_exc(), too_large=False)


def failure(job: Job, cell: Cell, reason: str, trace: str = "") -> Record:
    """Return the record of a cell that could not be trained; the next run tries it again."""
    facts = CellFacts(cell.method_spec, cell.profile, precision=cell.precision)
    keys: dict[str, Any] = cell.keys()
    for file in cell.files():
        reason = reason.replace(str(file.path), file.path.name)
    told = without_folders(reason)
    meta = CellMeta(CellKeys(**keys), facts, "failed", told, Costs(), stamp(job), trace)
    return Record(meta, {})


def without_folders(text: str) -> str:
    """Return a text with the name alone of every file that it names by an absolute path.

    Results are shared, and the folders of a machine tell whose it is.

    >>> without_folders("cannot read '/x/my data/a.npy' or /data/b.csv: https://a.b/c")
    "cannot read 'a.npy' or b.csv: https://a.b/c"
    """
    return ABSOLUTE.sub(lambda match: file_name(match[0]), text)


def stamp(job: Job) -> Stamp:
    """Return where and when a cell was trained, and by which code."""
    gpu = [environment.of_gpu(job.gpus)] if job.device.startswith("cuda") else []
    return Stamp(
        host=platform.node(),
        cores=os.cpu_count() or 0,
        cpu=environment.cpu_model(),
        system=platform.platform(),
        torch=str(torch.__version__),
        python=platform.python_version(),
        packages=", ".join([environment.packages(), *gpu]),
        commit=job.commit,
        finished_utc=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )

"""Seconds that compare: cells trained alone, again and again, each time in a new process."""

import csv
import datetime as dt
import io
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from pebble import ProcessPool

from benchmarks import plugins, processes
from benchmarks.errors import RefusedError
from benchmarks.launch.request import Request
from benchmarks.launch.session import Session, prepare, requested
from benchmarks.launch.worker import Job, train_pack
from benchmarks.outputs import write_atomically
from benchmarks.schema import TIMINGS, TIMINGS_NAME
from benchmarks.sweep import Cell

MOST = 1000
"""The most repetitions of a cell."""


def time_alone(request: Request, repetitions: int) -> None:
    """Train a cell of each method alone, by itself in a new process, and write ``timings.csv``.

    Of the cells of a method that differ in noise and seed alone, the first with wrong labels is
    trained; its results are not kept. Every method has its turn before any has another, so that a
    machine that grows slower does so for all. The file is written anew after each round.

    Args:
        request: whose cells, of which none need have been trained.
        repetitions: how often each is trained.

    Raises:
        RefusedError: something is wrong with the request, or a cell cannot be trained.
    """
    refuse_repetitions(repetitions)
    session = prepare(request, requested(request))
    cells = _chosen(session)
    job = replace(session.job(), keep_all=False, checkpoint_every=None)  # from the beginning
    rows: list[dict[str, object]] = []
    for repetition in range(1, repetitions + 1):
        for place, cell in enumerate(cells, start=1):
            rows.append(cell.keys() | {"repetition": repetition} | _in_new_process(job, cell))
            name = f"{cell.keys()['method']}  {rows[-1]['train_seconds']:.3g} s alone"
            print(f"[{repetition}/{repetitions}, {place}/{len(cells)}] {name}", flush=True)
        text = io.StringIO()
        table = csv.DictWriter(text, TIMINGS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_atomically(session.folder / TIMINGS_NAME, text.getvalue().encode())


def refuse_repetitions(repetitions: int) -> None:
    """Refuse a number of repetitions that is none.

    Raises:
        RefusedError: it is below 1 or above ``MOST``.
    """
    if not 1 <= repetitions <= MOST:
        raise RefusedError(f"--timing must be in [1, {MOST:,}], got {repetitions}")


def _chosen(session: Session) -> list[Cell]:
    """Return the first noisy cell of each method with each dataset, model and recipe."""
    chosen: dict[tuple[object, ...], Cell] = {}
    noisy_first = sorted(session.plan.cells, key=lambda cell: cell.keys()["noise"] == "clean")
    for cell in noisy_first:
        keys = cell.keys()
        chosen.setdefault(tuple(keys[n] for n in ("dataset", "model", "recipe", "method")), cell)
    return list(chosen.values())


def _in_new_process(job: Job, cell: Cell) -> dict[str, object]:
    context = processes.worker_context(processes.TRAINING, torch.device(job.device).type)
    with ProcessPool(1, context=context) as pool:
        costs: dict[str, object] = pool.schedule(_train, args=(job, cell.specs())).result()
    if reason := costs.pop("reason"):
        raise RefusedError(f"{cell.keys()['method']} cannot be timed: {reason}")
    return costs


def _train(job: Job, specs: Mapping[str, Any]) -> dict[str, object]:
    """Train one cell and return what it took; of the memory, what this process had not before."""
    plugins.load(*job.plugins)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    device = torch.device(job.device)
    before = processes.peak_memory() or 0
    (record,) = train_pack(job, [specs], 1, device)
    meta = record.meta
    memory = meta.costs.peak_memory_mb
    if memory is not None and device.type == "cpu":
        memory -= before / 2**20
    return {
        "reason": meta.reason,
        "train_seconds": meta.costs.train_seconds,
        "memory_mb": memory,
        "load": load,
        "device": meta.costs.device,
        "driver": meta.costs.driver,
        "commit": job.commit,
        "finished_utc": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }

"""Recompute every number that follows from what the parts keep, without training."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import schema
from benchmarks.engine.measure import measure
from benchmarks.store import Parts, Record, derive, locked, read_plan, write_collected


class Collected(NamedTuple):
    """How much of a folder was recomputed."""

    cells: int
    partly: int  # cells of which only the last epoch's logits are kept
    damaged: tuple[Path, ...]


def collect(folder: Path) -> Collected:
    """Measure the planned cells of a results folder again and rewrite its CSV files.

    Raises:
        RefusedError: it is no results folder of this version, or a run is writing to it.
    """
    planned = {cell["cell_id"] for cell in read_plan(folder)["cells"]}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker: sums are added in the same order
    try:
        with locked(folder):
            parts, cells, partly = Parts(folder), 0, 0
            for path, ids in parts.by_part(planned).items():
                done = [i for i in ids if parts.meta[i]["status"] == "done"]
                trained = list(parts.trained(done))
                if trained:
                    write_collected(path, [recomputed(record) for record in trained])
                cells += len(trained)
                partly += sum(len(r.arrays["logits"]) < len(r.arrays["bins"]) for r in trained)
            derive(folder, parts)
    finally:
        torch.set_num_threads(threads)
    return Collected(cells, partly, tuple(parts.damaged))


def recomputed(trained: Record) -> Record:
    """Return the numbers of a finished cell by the present definitions.

    A selection whose logits were not kept keeps the numbers, and the ``metric_spec``, of training.
    """
    names, selections = trained.meta["metrics"], trained.meta["selections"]
    stored = [dict(zip(names, row, strict=True)) for row in trained.arrays["measured"].tolist()]
    old = np.array([[row.get(name, np.nan) for name in schema.METRICS] for row in stored])
    new = measure(trained)
    again = len(new["measured"])
    meta = {
        "keys": trained.meta["keys"],
        "metrics": list(schema.METRICS),
        "metric_specs": dict.fromkeys(selections[:again], schema.METRIC_SPEC),
    }
    arrays = {
        "measured": np.concatenate((new["measured"], old[again:])),
        "bins": np.concatenate((new["bins"], trained.arrays["bins"][again:])),
        "detection": new["detection"],
    }
    return Record(meta, arrays)

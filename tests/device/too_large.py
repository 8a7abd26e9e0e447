"""Train packs that do not fit into the memory of the stub, and print what became of their cells."""

import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine import record
from benchmarks.engine.record import PackSetup, train_cells
from benchmarks.launch import worker
from benchmarks.launch.worker import Job
from benchmarks.sweep import Cell
from tests.device.peaks import CUDA, invented

WIDTH = 16
ALLOWED = {(): 1700, ("graph",): 2800, ("graph", "branches"): 1700}
"""By flags: the MiB that PyTorch may take, of which such a pack needs more."""

ALONE = 500
"""The MiB that a cell by itself may need, trained last."""

NOWHERE = Path("nowhere")


def main() -> None:
    """Print a line for each way of training several cells, and for one cell after them."""
    tried: list[int] = []

    def counted(cells: list[Cell], setup: PackSetup) -> Any:
        tried.append(setup.width)
        return train_cells(cells, setup)

    record.load_cell_data = lambda cell, *_: invented(cell)
    worker.train_cells = counted
    job = Job(NOWHERE, NOWHERE, "cuda", keep_all=False, commit="")
    specs = {"dataset": "mnist", "noise": "symmetric(rate=0.4)", "method": "cross_entropy"}
    specs |= {"model": "mnist_convnet", "recipe": "small(epochs=2)", "precision": "bfloat16"}
    cells = [Cell.build(specs | {"seed": seed}) for seed in range(WIDTH)]
    whole = torch.cuda.get_device_properties(CUDA).total_memory
    ways = [(cells, *way) for way in ALLOWED.items()]
    for own, flags, allowed in [*ways, (cells[:1], (), ALLOWED[()])]:
        tried.clear()
        torch.cuda.set_per_process_memory_fraction(allowed * 2**20 / whole)
        setup = PackSetup(NOWHERE, CUDA, keep_all=False, width=len(own), flags=flags)
        records = worker._train(job, own, setup)
        reasons = [own.meta.reason for own in records if own.meta.status == "failed"]
        found = {"flags": flags, "widths": tried, "failed": reasons}
        print(json.dumps(found | {"peak": records[-1].meta.costs.peak_memory_mb}), flush=True)


if __name__ == "__main__":
    main()

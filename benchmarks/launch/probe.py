"""The measurement of how fast this machine trains what a request names."""

from collections.abc import Iterator

import torch

from benchmarks.data_files import fetch_files
from benchmarks.datasets import data_root
from benchmarks.launch.request import Request
from benchmarks.launch.session import flags_of, requested_cells
from benchmarks.planning.probe import probe_widths
from benchmarks.planning.processes_per_gpu import probe_processes
from benchmarks.planning.throughput import SecondsPerImage
from benchmarks.sweep import Cell


def probe(request: Request) -> Iterator[tuple[Cell, str, SecondsPerImage]]:
    """Measure how fast this machine trains each kind of cell, and keep it for the planner.

    On a GPU, also how fast several processes are that share it.

    Yields:
        a cell of each kind, how many cells or processes in words, and what an image took.
    """
    (device, cells), root = requested_cells(request), data_root(request.data)
    flags = flags_of(request, device)
    fetch_files(cells, root)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        yield from probe_widths(cells, root, device, flags)
        if device.type == "cuda":
            yield from probe_processes(cells, root, device, flags)
    finally:
        torch.set_num_threads(threads)

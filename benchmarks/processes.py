"""How worker processes begin. Imports nothing heavy, so that they can begin at once."""

import importlib
import multiprocessing
import os
import sys
import threading
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MKL_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # its sums are then repeatable; for --deterministic
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # glibc keeps freed memory up to these sizes, so
    "MALLOC_TOP_PAD_": str(256 * 2**20),  # that the kernel need not clear its pages again
}
"""Of a worker."""

TRAINING = "benchmarks.launch.preload"
DRAWING = "benchmarks.report.figures"
"""The modules that import what training, and drawing, need."""

FORKS = sys.platform == "linux"
"""Whether workers come from a server that has imported everything: elsewhere it is not safe."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if FORKS else os.cpu_count() or 1


def warm(preload: str) -> None:
    """Begin to import a module, on another core, in the server that workers will come from."""
    if FORKS:
        context(preload)
        forkserver.ensure_running()


def ahead(module: str) -> None:
    """Begin to import a module that this process will need after it has waited for others."""
    threading.Thread(target=importlib.import_module, args=(module,)).start()


def context(preload: str, device: str = "cpu") -> BaseContext:
    """Return how workers start: forked from a server, or anew where they will use a GPU.

    CUDA cannot be used after a fork of a process that has so much as asked how many GPUs there are.

    Args:
        preload: a module that the server imports before the first fork, unless it runs already.
        device: the kind of device that the workers will use.
    """
    os.environ |= ENVIRONMENT
    multiprocessing.set_forkserver_preload([preload])
    return multiprocessing.get_context("forkserver" if FORKS and device == "cpu" else "spawn")

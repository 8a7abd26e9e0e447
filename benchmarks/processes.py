"""The start of worker processes. Imports nothing heavy, so that they can be started at once."""

import contextlib
import gc
import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from typing import NamedTuple

from benchmarks import streams
from benchmarks.free_memory import free_memory

SELDOM = 100_000
"""After how many new objects garbage is looked for by a process that keeps nearly all it makes."""

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MKL_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # its sums are then repeatable; for --deterministic
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # glibc keeps freed memory up to these sizes, so
    "MALLOC_TOP_PAD_": str(256 * 2**20),  # that the kernel need not clear its pages again
}
"""Environment variables of every worker process."""

TRAINING = ("benchmarks.engine.record", "sklearn.datasets")
DRAWING = ("benchmarks.report.figures",)
MEASURING = ("benchmarks.engine.measurers",)
"""Modules that a fork server imports before it forks processes that train, draw, or measure."""

FORKS = sys.platform == "linux"
"""True where workers are forked from a server that has imported everything; unsafe elsewhere."""


WORKER_MEMORY = 600 * 2**20
"""The bytes that a worker takes on the CPU: PyTorch, the images and a small network."""


def collect_seldom() -> None:
    """Look for garbage seldom in this process, and never among the objects that are there already.

    A report makes millions of small objects and few cycles of them. To look for these after every
    700 objects, as is usual, takes a twelfth of its time, and saves no memory.
    """
    gc.freeze()
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """Be like :func:`collect_seldom` in this context, and as before after it."""
    usual = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class Workers(NamedTuple):
    """How many processes work side by side, and why so many."""

    number: int
    why: str


def cores() -> int:
    """Return the number of cores that this process may use, by its affinity and its quota."""
    import joblib  # noqa: PLC0415  so that this module is imported at once

    return int(joblib.cpu_count())


def choose_workers() -> Workers:
    """Return one worker for each core, or as many as the free memory holds where that is less."""
    most, free = cores(), free_memory()
    fit = most if free is None else max(free // WORKER_MEMORY, 1)
    if free is not None and fit < most:
        size = f"{free / 2**30:.1f} GiB of memory are free, {WORKER_MEMORY // 2**20} MiB for each"
        return Workers(fit, f"{size}, on {most} cores")
    return Workers(most, "one for each core that may be used")


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process has had, ``None`` on Windows."""
    try:
        import resource  # noqa: PLC0415  only where there is one
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def start_fork_server(preload: Sequence[str]) -> None:
    """Start the server that workers are forked from, which imports ``preload`` on another core."""
    if FORKS:
        worker_context(preload)


def import_in_background(modules: Sequence[str]) -> None:
    """Import modules in a thread, for use after this process has waited for its workers."""
    threading.Thread(target=lambda: [importlib.import_module(name) for name in modules]).start()


def end_with_parent() -> None:
    """End this worker as soon as the process that it works for has ended, however it did."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def has_parent() -> bool:
    """Tell whether the process that this worker works for lives; True where there is none."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()


def is_running(process: int) -> bool:
    """Tell whether a process runs, by its number; True where the system does not say."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def worker_context(preload: Sequence[str], device: str = "cpu") -> BaseContext:
    """Return the context that starts workers: forked from a server, which then runs, or anew.

    CUDA cannot be used after a fork of a process that has so much as asked how many GPUs there are.

    Args:
        preload: modules that the server imports before the first fork, unless it runs already.
        device: the kind of device that the workers will use.
    """
    os.environ |= ENVIRONMENT | {"PYTHONIOENCODING": streams.encoding()}
    multiprocessing.set_forkserver_preload(list(preload))
    with _hangups_blocked():
        if FORKS and device == "cpu":
            forkserver.ensure_running()
            return multiprocessing.get_context("forkserver")
        if os.name == "posix":
            resource_tracker.ensure_running()
        return multiprocessing.get_context("spawn")


@contextlib.contextmanager
def _hangups_blocked() -> Iterator[None]:
    """Block the signal of a terminal that hangs up for what is started here, and its children.

    Python's servers would die with a word of theirs, and workers before this process stops them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # one that came is delivered now

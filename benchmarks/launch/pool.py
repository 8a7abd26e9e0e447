"""The launcher ``local``: a pool of processes here that survives the death of any of them.

Another launcher, for a cluster say, is a function like :func:`run` in a file of its own, and a line
in ``benchmarks.launch.run.LAUNCHERS``.
"""

import concurrent.futures
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from pebble import ProcessExpired, ProcessPool

from benchmarks import plugins, processes, streams
from benchmarks.launch.worker import CellSummary, Job, failure, summary, train_pack
from benchmarks.planning.plan import Pack
from benchmarks.store import write_part
from benchmarks.sweep import Cell

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

ATTEMPTS = 2
"""The number of tries of a pack whose worker dies: one death may be an accident."""

_worker: dict[str, Any] = {}  # the job and the device of this process, set when it starts


def default_workers(device: torch.device) -> int:
    """Return one worker per core, or one per GPU."""
    if device.type == "cuda":
        return torch.cuda.device_count()
    return processes.cores() if device.type == "cpu" else 1


def run(job: Job, packs: Sequence[Pack], workers: int, tell: Callable[[CellSummary], None]) -> None:
    """Train packs in worker processes; return when each cell is in a part, trained or failed.

    Whenever this process is killed, the parts that have been written are whole, and no worker goes
    on for long. A worker trains a pack by :func:`benchmarks.launch.worker.train_pack`.

    Args:
        job: what the packs have in common; plain values that can be sent to other machines.
        packs: the cells to train, longest first; ``pack.cells[i].specs()`` are plain values.
        workers: how many packs are trained at the same time.
        tell: called in this process once for each cell when its part has been written.

    Raises:
        OSError: parts cannot be written.
    """
    context = processes.worker_context(processes.TRAINING, torch.device(job.device).type)
    started = context.Value("i", 0)
    count = min(workers, len(packs))
    pool = ProcessPool(count, context=context, initializer=_start, initargs=(job, started))
    try:
        attempts: dict[concurrent.futures.Future[list[CellSummary]], tuple[Pack, int]] = {}

        def schedule(pack: Pack, attempt: int) -> None:
            specs = [cell.specs() for cell in pack.cells]
            attempts[pool.schedule(_work, args=(specs, pack.width))] = (pack, attempt)

        for pack in packs:
            schedule(pack, 1)
        while attempts:
            finished, _ = concurrent.futures.wait(
                attempts, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in finished:
                pack, attempt = attempts.pop(future)
                error = future.exception()
                if error is None:
                    for outcome in future.result():
                        tell(outcome)
                elif isinstance(error, ProcessExpired) and attempt < ATTEMPTS:
                    schedule(pack, attempt + 1)
                elif len(pack.cells) > 1:
                    for cell in pack.cells:
                        schedule(pack._replace(cells=(cell,)), 1)
                else:
                    tell(_record_failure(job, pack.cells[0], error))
    finally:
        pool.stop()  # at once; a part being written is a temporary file and is lost
        pool.join()


def _record_failure(job: Job, cell: Cell, error: BaseException) -> CellSummary:
    """Write the part of a cell whose worker cannot do it itself."""
    if isinstance(error, ProcessExpired):
        reason = f"its worker died {ATTEMPTS} times, last with exit code {error.exitcode}"
    elif isinstance(error, OSError):
        raise error  # the disk, not the cell
    else:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    record = failure(job, cell, reason)
    write_part(job.folder, [record])
    return summary(record)


def _start(job: Job, started: "Synchronized[int]") -> None:
    """Set up a worker: one thread, its device, the user's plugins."""
    streams.make_safe()
    streams.outlive_readers()  # what a plugin prints
    for name in ("SIGINT", "SIGHUP"):  # the parent decides when to stop
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    torch.set_num_threads(1)
    if "deterministic" in job.flags:
        torch.use_deterministic_algorithms(mode=True)
        torch.backends.cudnn.benchmark = False
    plugins.load(*job.plugins)
    with started.get_lock():
        number, started.value = started.value, started.value + 1
    spread = job.device == "cuda"
    name = f"cuda:{number % torch.cuda.device_count()}" if spread else job.device
    _worker.update(job=job, device=torch.device(name))


def _work(specs: Sequence[Mapping[str, Any]], width: int) -> list[CellSummary]:
    return train_pack(_worker["job"], specs, width, _worker["device"])

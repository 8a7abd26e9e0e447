"""The start of a worker process: its number, and the GPU that it sees.

A process that is started anew has not imported PyTorch when it comes here, and nothing here does,
so that PyTorch and plugins find no GPU but the worker's own, under the number 0.
"""

import os
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import processes
from benchmarks.launch.watch import Beats

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that names the GPUs that a process sees."""


def gpus_to_see(device: str, gpus: int) -> list[str]:
    """Return what the workers of a device may be given, each one of these.

    >>> os.environ.pop(VISIBLE, None) and None
    >>> gpus_to_see("cuda", 2), gpus_to_see("cuda:1", 2), gpus_to_see("cpu", 2)
    (['0', '1'], ['1'], [])

    Args:
        device: that was asked for: cuda for all GPUs, cuda:3 for one.
        gpus: how many this process sees.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return []
    told = os.environ.get(VISIBLE, "")
    names = [name.strip() for name in told.split(",")] if told else list(map(str, range(gpus)))
    return [names[int(number)]] if number else names[:gpus]


class Shared(NamedTuple):
    """What the processes of a pool share with their parent."""

    started: "Synchronized[int]"  # how many have been started
    taken: "SynchronizedArray[int]"  # which process has which number
    turns: "SynchronizedArray[int]"  # which process of each worker trains now
    beats: Beats  # what they say of their tasks


def begin(job: bytes, gpus: Sequence[str], shared: Shared) -> None:
    """Take a number, choose the GPU, and set this process up to train.

    Args:
        job: a :class:`benchmarks.launch.worker.Job`, pickled: reading it imports PyTorch.
        gpus: what :func:`gpus_to_see` returned; none where the device is no GPU of CUDA.
        shared: with the parent.
    """
    started, taken, turns, beats = shared
    with started.get_lock():
        started.value += 1
        number = take_slot(taken)
    worker = number % len(turns)
    if gpus:
        os.environ[VISIBLE] = gpus[worker % len(gpus)]
    from benchmarks.launch import pool  # noqa: PLC0415  which imports PyTorch

    turn = (turns, worker) if len(turns) < len(taken) else None
    pool.set_up(pickle.loads(job), turn, beats)  # noqa: S301  of the parent


def take_slot(slots: "SynchronizedArray[int]") -> int:
    """Return the number of the first slot whose worker is gone, which is this process's now.

    >>> slots = [os.getpid(), 0, 0]
    >>> take_slot(slots), slots[1] == os.getpid()
    (1, True)
    """
    numbers = range(len(slots))
    left = (i for i in numbers if not (slots[i] and processes.is_running(slots[i])))
    number = next(left, len(slots) - 1)
    slots[number] = os.getpid()
    return number

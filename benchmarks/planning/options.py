"""The options of training: device, precision, width of packs, and flags; and what is usual."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from benchmarks.datasets import Dataset
from benchmarks.errors import RefusedError, count
from benchmarks.models import Model
from benchmarks.sweep import Cell

FLAGS = ("graph", "branches", "deterministic")
"""Options of the command line that change the last bits: a folder has them from start to end."""

ON_CUDA = ("graph", "branches")
"""Those that a folder on CUDA is started with where nothing else is said: the fast ones."""


class TrainingOptions(NamedTuple):
    """The options of the command line that decide the last bits of all numbers."""

    device: torch.device
    pack: int | None = None  # how many together; None: as the folder has it, or as is fastest
    flags: tuple[str, ...] = ()  # of FLAGS, which a folder gets at its first start
    without: tuple[str, ...] = ()  # of FLAGS, which it must not have
    sharing: int = 1  # processes to a GPU, whose memory they share

    def flags_at_start(self) -> tuple[str, ...]:
        """Return the flags of a folder that is started: as asked for, and as is usual.

        Branches are those of a CUDA graph, so either is there with the graph or not at all.

        >>> TrainingOptions(torch.device("cuda")).flags_at_start()
        ('graph', 'branches')
        >>> TrainingOptions(torch.device("cuda"), without=("graph",)).flags_at_start()
        ()
        """
        usual = ON_CUDA if self.device.type == "cuda" and "graph" not in self.without else ()
        there = {*self.flags, *usual} - set(self.without)
        if "branches" in there:
            there.add("graph")
        return tuple(name for name in FLAGS if name in there)


def flags_of_cell(cell: Cell, flags: Sequence[str]) -> tuple[str, ...]:
    """Return which of a folder's flags hold for a cell: dense networks have no branches.

    The kernels of a stack of dense networks are as many as those of one, and of branches each
    network has its own.
    """
    dense = "branches" in flags and is_dense(
        cell.model, cell.dataset.shape, cell.dataset.num_classes
    )
    return tuple(flag for flag in flags if not (dense and flag == "branches"))


@functools.lru_cache(maxsize=64)
def is_dense(model: Model, shape: tuple[int, int, int], num_classes: int) -> bool:
    """Tell whether a network has no convolution, from its layers alone."""
    with torch.device("meta"):
        network = model.build(shape, num_classes)
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return not any(isinstance(layer, convolutions) for layer in network.modules())


def choose_device(wanted: str | None, *, elsewhere: bool = False) -> torch.device:
    """Return the device to train on: the one asked for, else the first there is.

    Args:
        wanted: the device.
        elsewhere: other machines train, which may have GPUs where this one has none.

    Raises:
        RefusedError: there is no such device here.
    """
    present = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    usual = next(name for name in present if present[name])
    kind, colon, number = (wanted or usual).partition(":")
    if kind not in present:
        raise RefusedError(f"unknown device {kind!r}; known: {', '.join(present)}")
    if elsewhere and kind == "cuda" and not colon:
        return torch.device(kind)
    if not present[kind]:
        raise RefusedError(f"this machine has no {kind} device that torch {torch.__version__} sees")
    if colon and number not in map(str, range(present[kind])):
        raise RefusedError(
            f"--device must be {kind}, or {kind}: and a number from 0 to {present[kind] - 1}, as "
            f"this machine has {count(present[kind], 'such device')}, got {wanted!r}"
        )
    return torch.device(wanted or kind)


def gpus_of(device: torch.device) -> int:
    """Return how many GPUs train at once: all for ``cuda``, one for ``cuda:3``, on the CPU none."""
    if device.type == "cuda" and device.index is None:
        return torch.cuda.device_count()
    return int(device.type != "cpu")


def default_precision(device: torch.device, model: Model, dataset: Dataset) -> str:
    """Return the arithmetic of training where nothing else is said.

    On CUDA convolutions are trained in bfloat16, for which tensor cores are made. Dense networks
    are not: casts are half as many kernels again, and a small product is no faster for them.
    """
    on_cuda = device.type == "cuda"
    half = on_cuda and not is_dense(model, dataset.shape, dataset.num_classes)
    return "bfloat16" if half else "float32"

"""The options of training: device, precision, width of packs, and flags."""

from typing import NamedTuple

import torch

from benchmarks.errors import RefusedError

FLAGS = ("graph", "branches", "deterministic")
"""Options of the command line that change the last bits: a folder has them from start to end."""


class TrainingOptions(NamedTuple):
    """The options of the command line that decide the last bits of all numbers."""

    device: torch.device
    pack: int | None = None  # how many together; None: as the folder has it, or as is fastest
    flags: tuple[str, ...] = ()  # of FLAGS, which a folder gets at its first start


def choose_device(wanted: str | None) -> torch.device:
    """Return the device to train on: the one asked for, else the first there is.

    Raises:
        RefusedError: there is no such device here.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    kind = wanted.partition(":")[0] if wanted else next(name for name in present if present[name])
    if kind not in present:
        raise RefusedError(f"unknown device {kind!r}; known: {', '.join(present)}")
    if not present[kind]:
        raise RefusedError(f"this machine has no {kind} device that torch {torch.__version__} sees")
    return torch.device(wanted or kind)


def default_precision(device: torch.device) -> str:
    """Return the arithmetic of training: bfloat16 autocast on CUDA, float32 elsewhere."""
    return "bfloat16" if device.type == "cuda" else "float32"

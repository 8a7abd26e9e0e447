"""Which device trains, and in which precision."""

import torch

from benchmarks.errors import RefusedError

DEVICES = ("cuda", "mps", "cpu")


def choose_device(wanted: str | None) -> torch.device:
    """Return the device to train on: the one asked for, else the first there is of DEVICES.

    Raises:
        RefusedError: there is no such device here.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    kind = wanted.partition(":")[0] if wanted else next(name for name in DEVICES if present[name])
    if kind not in present:
        raise RefusedError(f"unknown device {kind!r}; known: {', '.join(DEVICES)}")
    if not present[kind]:
        raise RefusedError(f"this machine has no {kind} device that torch {torch.__version__} sees")
    return torch.device(wanted or kind)


def default_precision(device: torch.device) -> str:
    """Return the arithmetic of training: bfloat16 autocast on CUDA, float32 elsewhere."""
    return "bfloat16" if device.type == "cuda" else "float32"

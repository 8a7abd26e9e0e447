"""The energy that a GPU takes, where NVIDIA's driver counts it: by NVML, of the extra ``[gpu]``."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


class Joules:
    """What a GPU took while something ran; None where nobody counts it."""

    def __init__(self) -> None:
        self.total: float | None = None

    def each(self, cells: int) -> float | None:
        """Return the share of one of so many cells that were trained together."""
        return None if self.total is None else self.total / cells


@contextlib.contextmanager
def spent(device: torch.device) -> Iterator[Joules]:
    """Count what a GPU takes in this context, by all that runs on it.

    Args:
        device: where; of anything but a GPU of CUDA nothing is counted.
    """
    joules = Joules()
    with _counter(device) as read:
        before = read()
        yield joules
        after = read()
        if before is not None and after is not None and after >= before:  # a reset starts at 0
            joules.total = (after - before) / 1000


@contextlib.contextmanager
def _counter(device: torch.device) -> Iterator[Any]:
    """Give a function that returns the millijoules since the driver was loaded, or None."""
    try:
        import pynvml  # noqa: PLC0415  an extra
    except ImportError:
        pynvml = None
    if pynvml is None or device.type != "cuda":
        yield lambda: None
        return

    def read() -> int | None:
        try:
            uuid = torch.cuda.get_device_properties(device).uuid
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except (pynvml.NVMLError, AttributeError):  # of old GPUs, and of a part of one
            return None

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield lambda: None
        return
    try:
        yield read
    finally:
        pynvml.nvmlShutdown()

"""What the machine is, and whether its device calculates at all."""

import datetime as dt
import functools
import importlib.metadata
import os
import platform
from pathlib import Path

import numpy as np
import torch

from benchmarks.launch.environment import commit, cpu_model, of_gpu
from tests.gpu.findings import GREEN, MEASURED, RED, UNJUDGED, Findings, Row
from tests.gpu.work import Item, Session

COMMIT = Path(__file__).with_name("commit.txt")
"""Where a bundle says what it was made of."""

NEEDED = ("msgspec", "filelock", "scikit-learn", "scipy", "pandas", "networkx", "torchvision")
"""Packages beside torch and numpy that the stages read or write with."""


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List what is asked about the machine."""
    return [Item(["machine"], lambda _: _machine(torch.device(session.device)), 0.0)]


@functools.cache
def calculates(device: torch.device) -> bool:
    """Tell whether kernels run: one and one are not two on a stub that only counts them."""
    one = torch.ones(2, 2, dtype=torch.float64, device=device)
    return torch.equal((one @ one + one).cpu(), torch.full((2, 2), 3.0, dtype=torch.float64))


def judged(device: torch.device, good: bool) -> str:
    """Return the verdict of a comparison of numbers."""
    if not calculates(device):
        return UNJUDGED
    return GREEN if good else RED


def timed(device: torch.device) -> str:
    """Return the verdict of a measurement: where nothing runs, none is one."""
    return MEASURED if calculates(device) else UNJUDGED


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _machine(device: torch.device) -> Row:
    row: Row = {
        "verdict": MEASURED,
        "device": str(device),
        "calculates": calculates(device),
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit() or _of_bundle(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "packages": {name: _version(name) for name in NEEDED},
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
    }
    if device.type == "cuda":
        known = torch.cuda.get_device_properties(device)
        free, total = torch.cuda.mem_get_info(device)
        row |= {
            "gpu": known.name,
            "gpus": torch.cuda.device_count(),
            "multiprocessors": known.multi_processor_count,
            "capability": f"{known.major}.{known.minor}",
            "free_gib": free / 2**30,
            "memory_gib": total / 2**30,
            "software": of_gpu(),
        }
    return row


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _of_bundle() -> str:
    """Return the commit that a bundle was made of; empty where this is none."""
    return COMMIT.read_text(encoding="utf-8").strip() if COMMIT.is_file() else ""

"""The processor, GPU, packages and commit of a cell's training: they stand beside its costs."""

import functools
import platform
import re
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.engine import arithmetic
from benchmarks.errors import count
from benchmarks.store import Stamp

PACKAGES = ("numpy", "scipy", "scikit-learn", "torchvision", "triton")
"""Packages beside torch whose version may change results or timings."""


DRIVER = Path("/proc/driver/nvidia/version")


@functools.cache
def cpu_model() -> str:
    """Return the model of the processor, or its architecture where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@functools.cache
def packages() -> str:
    """Return ``numpy 2.4.1, scipy 1.17.1``: of ``PACKAGES`` those that are installed."""
    installed = []
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            installed.append(f"{name} {version(name)}")
    return ", ".join(installed)


def of_gpu(gpus: int = 0) -> str:
    """Return ``CUDA 13.0, cuDNN 9.24.0, driver 580.65.06, 2 GPUs`` and what is rounded.

    Of a machine with a GPU; parts that the system does not tell are left out.

    Args:
        gpus: how many the machine has, where this process sees fewer.
    """
    cudnn = torch.backends.cudnn.version() or 0
    major, rest = divmod(cudnn, 10_000)
    found = [
        f"CUDA {torch.version.cuda}",
        f"cuDNN {major}.{rest // 100}.{rest % 100}",
        f"driver {driver}" if (driver := _driver()) else "",
        count(gpus or torch.cuda.device_count(), "GPU"),
    ]
    return ", ".join(text for text in [*found, arithmetic.IN_WORDS] if text)


def in_words(stamp: Stamp) -> str:
    """Return the environment of a cell without the name of its machine, nor when it ended.

    >>> in_words(Stamp(host="a", cpu="Blue 1", torch="2.14.1", python="3.11.7", commit="0123"))
    'Blue 1, torch 2.14.1, Python 3.11.7, commit 0123'
    """
    parts = (
        stamp.cpu,
        stamp.system,
        stamp.torch and f"torch {stamp.torch}",
        stamp.python and f"Python {stamp.python}",
        stamp.packages,
        stamp.commit and f"commit {stamp.commit}",
    )
    return ", ".join(part for part in parts if part)


def _driver() -> str:
    """Return the version of NVIDIA's driver, nothing where the system does not tell it."""
    try:
        text = DRIVER.read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(r"NVRM version:.*?(\d+(?:\.\d+)+)", text)
    return match[1] if match else ""


def commit() -> str:
    """Return the commit of this code, marked when the tree differs from it; empty without git."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # an installed copy may lie in a repository of the user's
        return ""
    try:
        process = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip()

"""The processor, packages and commit that a cell was trained with: they stand beside its costs."""

import functools
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "scikit-learn", "torchvision", "triton")
"""Packages beside torch whose version may change results or timings."""


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

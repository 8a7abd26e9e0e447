"""What the processes of a run hold, as the system tells: memory, descriptors, threads."""
# Paths are texts here, since a process may be gone before its files are read:
# ruff: noqa: PTH208, PTH123

import contextlib
import os
import resource
from typing import NamedTuple

MIB = 2**20


class Held(NamedTuple):
    """What one process holds."""

    memory: float  # MiB of its own and shared
    descriptors: int
    threads: int


def tree(leader):
    """Return a process and all that descend from it, the leader first."""
    found = [leader]
    for process in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children", encoding="ascii") as file:
                    found += map(int, file.read().split())
    return found


def held(process):
    """Return what a process holds, None where it is gone."""
    try:
        with open(f"/proc/{process}/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        counts = [len(os.listdir(f"/proc/{process}/{name}")) for name in ("fd", "task")]
    except OSError:
        return None
    return Held(pages * resource.getpagesize() / MIB, *counts)

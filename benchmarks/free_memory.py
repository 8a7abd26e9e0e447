"""The memory that is free to this process, on the machine or within its container."""

import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
_SECOND = ("memory.max", "memory.current", "memory.stat", "inactive_file")
_FIRST = (
    *("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    *("memory/memory.stat", "total_inactive_file"),
)
"""The files of the two versions of control groups: limit, use, details; and what can be freed."""


def free_memory() -> int | None:
    """Return the bytes that new processes can take, ``None`` where the system does not say.

    Linux says so: of the machine, and of the control group that a container has; the smaller of
    the two counts. What files are kept in memory can be freed.
    """
    known = [_of_machine(), *(_of_group(*names) for names in (_SECOND, _FIRST))]
    return min((size for size in known if size is not None), default=None)


def _of_machine() -> int | None:
    kilobytes = _number(MEMINFO, r"(?m)^MemAvailable: +(\d+) kB$")
    return None if kilobytes is None else kilobytes * 1024


def _of_group(limit: str, use: str, details: str, freeable: str) -> int | None:
    most, used = (_number(CONTROL_GROUPS / name, r"^(\d+)\s*$") for name in (limit, use))
    if most is None or used is None:  # the limit may be the word "max"
        return None
    kept = _number(CONTROL_GROUPS / details, rf"(?m)^{freeable} (\d+)$") or 0
    return max(most - used + kept, 0)


def _number(path: Path, pattern: str) -> int | None:
    try:
        match = re.search(pattern, path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return int(match[1]) if match else None

"""What a program did on the stub: launches, copies and waits, and the line that each wait is at.

To be imported by a program that runs on the stub; elsewhere there is nothing to read.
"""

import collections
import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.device.runtime import ROOT

OURS = (str(ROOT / "benchmarks") + "/", str(ROOT / "methods") + "/")
PHASES = {
    "step": ("engine/one_by_one.py", "engine/stack.py", "engine/cuda/"),
    "update_averages": ("engine/one_by_one.py", "engine/stack.py"),
    "evaluate": ("engine/one_by_one.py", "engine/stack.py"),
    "refit": ("engine/one_by_one.py", "engine/stack.py"),
    "begin": ("engine/one_by_one.py", "engine/stack.py"),
    "batches": ("engine/batches.py", "engine/one_by_one.py", "engine/stack.py"),
    "chunks": ("engine/batches.py",),
    "train": ("engine/loop.py",),
}
"""The functions whose callees are a phase of training, outermost last, and where they stand."""


class Wait(NamedTuple):
    """A place where the host waits for the device."""

    phase: str  # of PHASES, or nothing outside training
    file: str  # the innermost of ours
    function: str
    kind: str  # for a stream, the device, an event, a copy


class Stub:
    """The counters of the stub that this program runs on."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(None)
        try:
            kinds = ctypes.c_char_p.in_dll(self._lib, "stub_kinds").value
        except ValueError as error:
            raise RuntimeError("this program does not run on the stub of CUDA") from error
        self._kinds = kinds.decode().split()
        counters = ctypes.c_ulonglong * len(self._kinds)
        self._counts = counters.in_dll(self._lib, "stub_counts")
        for name in ("stub_fault", "stub_log_name"):
            getattr(self._lib, name).restype = ctypes.c_char_p
        self._lib.stub_log_name.argtypes = [ctypes.c_size_t]
        self._lib.stub_log_size.restype = ctypes.c_size_t

    def counts(self) -> collections.Counter[str]:
        """Return what was counted since the program began."""
        return collections.Counter(dict(zip(self._kinds, self._counts, strict=True)))

    def faults(self) -> list[str]:
        """Return what a GPU would have refused since this was last asked."""
        count = self._lib.stub_fault_count()
        found = [self._lib.stub_fault(i).decode() for i in range(count)]
        self._lib.stub_forget_faults()
        return found

    @contextmanager
    def names(self) -> Iterator[list[str]]:
        """Collect the names of what is launched."""
        found: list[str] = []
        self._lib.stub_log(1)
        try:
            yield found
        finally:
            self._lib.stub_log(0)
            size = self._lib.stub_log_size()
            found += [self._lib.stub_log_name(i).decode() for i in range(size)]

    @contextmanager
    def waits(self) -> Iterator[collections.Counter[Wait]]:
        """Collect where the host waits."""
        found: collections.Counter[Wait] = collections.Counter()
        callback = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(
            lambda kind: found.update([_here(kind.decode())])
        )
        slot = ctypes.c_void_p.in_dll(self._lib, "stub_on_wait")
        slot.value = ctypes.cast(callback, ctypes.c_void_p).value
        try:
            yield found
        finally:
            slot.value = None


def _here(kind: str) -> Wait:
    """Return the innermost function of ours, and the phase of training it is called in."""
    frame, phase, place = sys._getframe(1), "", ("", "")
    while frame is not None:
        file, function = frame.f_code.co_filename, frame.f_code.co_name
        if file.startswith(OURS):
            file = file.removeprefix(str(ROOT) + "/")
            place = place if place[0] else (file, frame.f_code.co_qualname.split(".<")[0])
            homes = PHASES.get(function, ())
            if not phase and any(home in file for home in homes):
                phase = {"chunks": "batches"}.get(function, function)
        frame = frame.f_back
    return Wait(phase, *place, kind)


def per_replay(counts: collections.Counter[str], kind: str) -> float:
    """Return the nodes of a kind in a graph, where graphs are alike."""
    return counts[f"replayed_{kind}"] / max(1, counts["replay"])

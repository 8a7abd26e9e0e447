"""What was timed: the JSON of pytest-benchmark and the costs of a results folder, as one record."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd

from benchmarks.errors import DataMissingError, RefusedError, count, some
from benchmarks.inputs import decode_json, read_bytes
from benchmarks.regress.baseline import opened
from benchmarks.report.data import costs, outcomes

KERNEL = "test_calibration"
"""The benchmark that every other one of its run is compared with, unless it brings its own."""

Key = tuple[str, str]
"""A benchmark and its file, or a method and its setting."""


class Times(msgspec.Struct, frozen=True):
    """The two statistics that a busy machine moves least, in seconds."""

    min: float
    median: float

    def usable(self) -> bool:
        """Return whether a ratio of them means anything."""
        return 0 < self.min < math.inf and 0 < self.median < math.inf

    def over(self, unit: "Times") -> "Times":
        """Return them in units of others, each in its own."""
        return Times(self.min / unit.min, self.median / unit.median)


class Timing(NamedTuple):
    """A benchmark in one run."""

    times: Times
    kernel: Times | None  # of the calibration kernel, measured beside it
    rounds: int
    clock: str  # how it was timed: other clocks are not compared


class TimedRun(NamedTuple):
    """A run: what it timed, and on which machine."""

    name: str
    machine: str
    timings: Mapping[Key, Timing]


class _Stats(Times, frozen=True):
    rounds: int


class _Extra(msgspec.Struct, frozen=True):
    calibration: Times | None = None


class _Options(msgspec.Struct, frozen=True):
    timer: str = "perf_counter"


class _Benchmark(msgspec.Struct, frozen=True):
    name: str
    fullname: str
    stats: _Stats
    extra_info: _Extra = _Extra()
    options: _Options = _Options()

    @property
    def key(self) -> Key:
        return self.name, self.fullname.partition("::")[0]


class _Processor(msgspec.Struct, frozen=True):
    brand_raw: str = ""
    count: int = 0


class _Machine(msgspec.Struct, frozen=True):
    node: str = ""
    system: str = ""
    machine: str = ""
    cpu: _Processor = _Processor()


class _Timed(msgspec.Struct, frozen=True):
    """The part of a file of pytest-benchmark that is read."""

    benchmarks: list[_Benchmark]
    machine_info: _Machine = _Machine()


def read(path: Path) -> TimedRun:
    """Return what a run timed: a file that ``pytest --benchmark-json`` wrote, or a results folder.

    Raises:
        RefusedError: it is neither, or times nothing.
    """
    return _usable(_of_folder(path, str(path)) if path.is_dir() else _of_file(path))


def read_baseline(reference: str, run: Path) -> TimedRun:
    """Return what a baseline timed: a file, a folder, or ``REV[:FOLDER]``.

    Raises:
        DataMissingError: there is nothing of that name.
        RefusedError: it is neither, or times nothing.
    """
    if (path := Path(reference)).is_file():
        return _usable(_of_file(path))
    if not run.is_dir() and not path.is_dir() and ":" not in reference:
        raise DataMissingError(f"there is no baseline {reference}: no such file or folder")
    with opened(reference, run) as baseline:
        return _usable(_of_folder(baseline.folder, baseline.name))


def _usable(run: TimedRun) -> TimedRun:
    """Return a run whose times can be divided by one another."""
    if not run.timings:
        raise RefusedError(f"{run.name} times nothing")
    for (name, _), timing in run.timings.items():
        if not all(times.usable() for times in (timing.times, timing.kernel) if times):
            raise RefusedError(f"{run.name} has times of {name} that are not above 0")
    return run


def _of_file(path: Path) -> TimedRun:
    file = decode_json(read_bytes(path), _Timed, path)
    kernels = [one.stats for one in file.benchmarks if one.name == KERNEL]
    kernel = Times(kernels[0].min, kernels[0].median) if kernels else None
    timings = {
        one.key: Timing(
            Times(one.stats.min, one.stats.median),
            one.extra_info.calibration or kernel,
            one.stats.rounds,
            one.options.timer,
        )
        for one in file.benchmarks
        if one.name != KERNEL
    }
    machine = file.machine_info
    words = (machine.node, machine.system, machine.machine, machine.cpu.brand_raw)
    cores = count(machine.cpu.count, "core")
    return TimedRun(str(path), ", ".join([*filter(None, words), cores]), timings)


def _of_folder(folder: Path, name: str) -> TimedRun:
    """Return the seconds of training a step takes, over the seeds of a method in a setting."""
    cells = outcomes(folder).merge(costs(folder).drop(columns="status"), on="cell_id")
    cells = cells[(cells["status"] == "done") & (cells["steps"] > 0)]
    machines = {", ".join(row) for row in cells[["host", "cpu", "device"]].to_numpy().tolist()}
    return TimedRun(name, some(sorted(machines), separator="; "), dict(_of_cells(cells)))


def _of_cells(cells: pd.DataFrame) -> Iterator[tuple[Key, Timing]]:
    for (method, setting), rows in cells.groupby(["method", "setting"], sort=False):
        seconds = rows["train_seconds"] / rows["steps"]
        times = Times(float(seconds.min()), float(seconds.median()))
        drivers = " and ".join(sorted(set(rows["driver"])))
        yield (str(method), str(setting)), Timing(times, None, len(rows), f"wall, {drivers}")

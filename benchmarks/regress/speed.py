"""Is it as fast as it was? Benchmarks against earlier ones, at a known rate of false alarms.

A busy machine makes a benchmark slower and never faster, and a machine of phases makes everything
slower. So the minimum and the median have to agree, both are taken in units of a calibration
kernel that was timed beside them, and what is slower has to be slower in each of three further
runs before it counts. ``tests/speed/alarms.py`` measures how often that is wrong.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from statistics import median
from typing import Literal, NamedTuple

from benchmarks.errors import count, some
from benchmarks.regress.gates import Verdict
from benchmarks.regress.judgement import Cell, Fault, Finding, How, Judgement, judgement
from benchmarks.regress.timings import KERNEL, Key, TimedRun, Times, Timing

MARGIN = 0.2
"""A benchmark fails that takes so much longer in each run, as a share."""
SHIFT = 0.1
"""One that takes so much longer or less in each run has changed."""
CONFIRMATIONS = 3
"""So many further runs have to show what the first does."""
FEWEST_ROUNDS = 3
"""Of fewer rounds neither the minimum nor the median says much."""


class Slowdown(Finding, frozen=True, kw_only=True):
    """A benchmark: ``change`` is the logarithm of its time over that of the baseline.

    It is the median over the runs, and ``low`` and ``high`` are the least and the largest of them.
    """

    def sentence(self) -> str:
        """Say it in a line.

        >>> facts = {"gate": "speed", "method": "test_step", "setting": "tests/test_step.py"}
        >>> facts |= {"metric": "seconds", "p": None, "margin": 0.18, "bound": 0.18}
        >>> change = {"base": 0.01, "new": 0.015, "change": 0.4055, "low": 0.35, "high": 0.47}
        >>> print(Slowdown(**facts, **change, n=4, verdict=Verdict.FAIL).sentence())
        test_step, tests/test_step.py: 50% slower (0.01 to 0.015 seconds; in 4 runs 42% to 60%)
        """
        sign, word = (-1, "faster") if self.change < 0 else (1, "slower")
        ends = [_percent(end, sign) for end in (self.low, self.high)[::sign] if end is not None]
        runs = f"in {count(self.n, 'run')} {' to '.join(dict.fromkeys(ends))}"
        return (
            f"{self.method}, {self.setting}: {_percent(self.change, sign)} {word} "
            f"({self.base:.4g} to {self.new:.4g} {self.metric}; {runs})"
        )


def _percent(change: float, sign: int) -> str:
    """Return how much longer a time is, or how much shorter if the sign is negative."""
    return f"{round(100 * sign * math.expm1(change))}%"


class _Pair(NamedTuple):
    """A benchmark on both sides, in what can be compared."""

    base: Times
    runs: list[Times]
    unit: Literal["seconds", "kernels"]

    def changes(self) -> list[float]:
        """Return the logarithm of each run's ratio, 0 where minimum and median disagree."""
        found = []
        for run in self.runs:
            both = math.log(run.min / self.base.min), math.log(run.median / self.base.median)
            found.append(min(both, key=abs) if both[0] * both[1] > 0 else 0.0)
        return found

    def finding(self, key: Key) -> Slowdown:
        """Return what is said of the benchmark."""
        changes = self.changes()
        return Slowdown(
            gate="speed",
            method=key[0],
            setting=key[1],
            metric=self.unit,
            n=len(changes),
            base=self.base.min,
            new=median(run.min for run in self.runs),
            change=median(changes),
            low=min(changes),
            high=max(changes),
            p=None,
            margin=math.log1p(MARGIN),
            bound=math.log1p(MARGIN),
            verdict=_verdict(changes),
            flagged=min(changes) > math.log1p(MARGIN) and len(changes) <= CONFIRMATIONS,
        )


def _verdict(changes: Sequence[float]) -> Verdict:
    """Return the verdict on a benchmark; one run that is as fast shows that the code is."""
    enough, least, most = len(changes) > CONFIRMATIONS, min(changes), max(changes)
    if least > math.log1p(MARGIN):
        return Verdict.FAIL if enough else Verdict.INCONCLUSIVE
    resolved = enough and (least > math.log1p(SHIFT) or most < -math.log1p(SHIFT))
    return Verdict.CHANGED if resolved else Verdict.PASS


def judge(runs: Sequence[TimedRun], baseline: Sequence[TimedRun]) -> Judgement:
    """Compare a run, and those that repeat it, with one run of the baseline or several."""
    same = len({run.machine for run in (*runs, *baseline)}) == 1
    first, base = runs[0].timings, baseline[0].timings
    faults = [*_missing(base, first)]
    findings: list[Finding] = []
    units = set()
    for key in (key for key in base if key in first):
        old, new = (
            [run.timings[key] for run in side if key in run.timings] for side in (baseline, runs)
        )
        kernel = all(timing.kernel for timing in (*old, *new))
        if why := _incomparable((*old, *new), comparable=kernel or same):
            faults.append(_fault(key, why, Verdict.INCONCLUSIVE))
            continue
        pair = _pair(old, new, kernel=kernel)
        units.add(pair.unit)
        findings.append(pair.finding(key))
    how: How = "in seconds" if "seconds" in units else "by a calibration kernel"
    names = (runs[0].name, some([run.name for run in baseline]))
    cells = [Cell(*key, Verdict.PASS) for key in base if key in first]
    notes = tuple(_notes(runs, baseline, findings, same=same))
    return judgement(names, how, (), (cells, faults, findings), notes)


def _missing(base: Mapping[Key, Timing], new: Mapping[Key, Timing]) -> Iterator[Fault]:
    """Yield the benchmarks that one side lacks, with what one may be called now."""
    added = {f"{name} of {file}": (name, file) for name, file in new if (name, file) not in base}
    for key in (key for key in base if key not in new):
        near = get_close_matches(f"{key[0]} of {key[1]}", added, n=1)
        renamed = f"; is it {near[0]} now?" if near else ""
        yield _fault(key, f"missing, and the baseline has it{renamed}", Verdict.FAIL)
    for key in added.values():
        yield _fault(key, "new: the baseline does not have it", Verdict.PASS)


def _fault(key: Key, cause: str, verdict: Verdict) -> Fault:
    return Fault(method=key[0], setting=key[1], cause=cause, verdict=verdict)


def _incomparable(timings: Sequence[Timing], *, comparable: bool) -> str:
    """Say why times of a benchmark cannot be compared; nothing where they can."""
    if not comparable:
        return f"timed on another machine, and without the kernel {KERNEL}"
    if len(clocks := sorted({timing.clock for timing in timings})) > 1:
        return f"timed by different clocks ({some(clocks)})"
    if (fewest := min(timing.rounds for timing in timings)) < FEWEST_ROUNDS:
        return f"timed in {count(fewest, 'round')}, and {FEWEST_ROUNDS} are needed"
    return ""


def _pair(old: Sequence[Timing], new: Sequence[Timing], *, kernel: bool) -> _Pair:
    """Return a benchmark on both sides; of several runs of the baseline the medians."""
    base, runs = (
        [_in_kernels(one) if kernel else one.times for one in side] for side in (old, new)
    )
    middle = Times(median(one.min for one in base), median(one.median for one in base))
    return _Pair(middle, runs, "kernels" if kernel else "seconds")


def _in_kernels(timing: Timing) -> Times:
    return timing.times.over(timing.kernel) if timing.kernel else timing.times


def _notes(
    runs: Sequence[TimedRun],
    baseline: Sequence[TimedRun],
    findings: Sequence[Finding],
    *,
    same: bool,
) -> Iterator[str]:
    """Yield what the reader should know besides."""
    if not same:
        machines = {run.machine: None for run in (*baseline, *runs)}
        yield f"They ran on different machines: {some(list(machines), separator='; ')}."
    if waiting := [one.n for one in findings if one.flagged]:
        missing = CONFIRMATIONS + 1 - min(waiting)
        yield (
            f"{count(len(waiting), 'benchmark')} may have become slower, and further runs have to "
            f"show it: time them {count(missing, 'more time')}, and name these runs, too."
        )

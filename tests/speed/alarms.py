"""How often `regress speed` raises a false alarm, and what it finds, on noise that was recorded.

``python -m tests.speed.alarms record FILE...`` keeps what repeated runs of the same code timed,
``pytest tests/speed/test_kernels.py --benchmark-only --benchmark-json FILE``, as
``results/reference/speed-noise.csv``. Without arguments it draws runs from there and writes
``results/reference/speed-gate.md``.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.outputs import write_atomically
from benchmarks.regress.gates import Verdict
from benchmarks.regress.speed import CONFIRMATIONS, MARGIN, SHIFT, judge
from benchmarks.regress.timings import TimedRun, Times, Timing, read

NOISE = Path(__file__).parents[2] / "results" / "reference" / "speed-noise.csv"
PAGE = NOISE.with_name("speed-gate.md")
COLUMNS = ("run", "benchmark", "rounds", "clock", "min", "median", "kernel_min", "kernel_median")
DRAWS = 4000
UNSTEADY = "test_drawing_noise"
"""It had 50,000 images when this was recorded, and each of its arrays took fresh pages."""
FACTORS = (1.2, 1.3, 1.5, 2.0)


def record(files):
    with NOISE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for number, path in enumerate(files):
            for (name, _), one in read(Path(path)).timings.items():
                times = (*_fields(one.times), *_fields(one.kernel))
                row = [number, name, one.rounds, one.clock, *(f"{t:.6g}" for t in times)]
                table.writerow(row)


def _fields(times):
    return times.min, times.median


def recorded():
    """The runs that were recorded, each benchmark beside its kernel."""
    rows = pd.read_csv(NOISE)
    return [
        {
            (row.benchmark, ""): Timing(
                Times(row.min, row.median),
                Times(row.kernel_min, row.kernel_median),
                row.rounds,
                row.clock,
            )
            for row in own.itertuples()
        }
        for _, own in rows.groupby("run")
    ]


def beside(timing, _run):
    return timing


def once(timing, run):
    """As if the kernel had been timed once, beside the first benchmark."""
    return timing._replace(kernel=next(iter(run.values())).kernel)


def seconds(timing, _run):
    return timing._replace(kernel=None)


UNITS = {
    "a kernel beside each": beside,
    "one kernel for all": once,
    "seconds": seconds,
}


def scaled(times, factor):
    return times and Times(times.min * factor, times.median * factor)


def drawn(random, runs, unit, *, count, hit=None, factor=1.0, phases=False):
    """Some of the recorded runs, in which one benchmark takes longer, or the machine is slow."""
    made = []
    for k in random.choice(len(runs), count, replace=False):
        speed = 2 ** random.random() if phases else 1.0
        timings = {}
        for key, one in runs[k].items():
            own = UNITS[unit](one, runs[k])
            times = scaled(own.times, speed * (factor if key == hit else 1))
            timings[key] = own._replace(times=times, kernel=scaled(own.kernel, speed))
        made.append(TimedRun(str(k), "a", timings))
    return made


def rates(runs, unit, several, *, phases=False):
    """How often a comparison says what, of ``several`` runs as the baseline."""
    random = np.random.default_rng(5)
    found = dict.fromkeys(("alarms", "flags", "changed"), 0.0) | dict.fromkeys(FACTORS, 0.0)
    size = several + CONFIRMATIONS + 1
    for _ in range(DRAWS):
        own = drawn(random, runs, unit, count=size, phases=phases)
        base, new = own[:several], own[several:]
        found["flags"] += judge(new[:1], base).verdict == Verdict.INCONCLUSIVE
        verdict = judge(new, base).verdict
        found["alarms"] += verdict == Verdict.FAIL
        found["changed"] += verdict == Verdict.CHANGED
    keys = list(runs[0])
    for factor in FACTORS:
        for _ in range(DRAWS // 4):
            hit = keys[random.integers(len(keys))]
            own = drawn(random, runs, unit, count=size, phases=phases)
            slow = [_slowed(run, hit, factor) for run in own[several:]]
            cells = {(c.method, c.setting): c.verdict for c in judge(slow, own[:several]).cells}
            found[factor] += 4 * (cells[hit] == Verdict.FAIL)
    return {name: value / DRAWS for name, value in found.items()}


def _slowed(run, hit, factor):
    own = run.timings[hit]
    return run._replace(timings={**run.timings, hit: own._replace(times=scaled(own.times, factor))})


def table(runs):
    steady = [{key: one for key, one in run.items() if key[0] != UNSTEADY} for run in runs]
    head = [
        "benchmarks",
        "compared by",
        "baseline",
        "machine",
        "false alarms",
        "a flag at first",
        "CHANGED",
    ]
    head += [f"{factor:g} times as long" for factor in FACTORS]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    rows = [(steady, unit, n, phases) for phases in (False, True) for unit in UNITS for n in (1, 3)]
    rows += [(runs, next(iter(UNITS)), n, False) for n in (1, 3)]
    for own, unit, several, phases in rows:
        found = rates(own, unit, several, phases=phases)
        cells = [f"{len(own[0])}", unit, f"{several} run{'s' * (several > 1)}"]
        cells.append("as recorded, times 1 to 2" if phases else "as recorded")
        cells += [f"{100 * value:.1f} %" for value in found.values()]
        yield f"| {' | '.join(cells)} |"


TEXT = """# The gate of `regress speed`, on recorded noise

Written by `python -m tests.speed.alarms`; nothing in it is edited by hand. `speed-noise.csv` has
{runs} runs of the same code, {benchmarks} benchmarks of `tests/speed/test_kernels.py` each, by the
clock of the process, on two virtual cores that many other jobs shared (a load of 3 to 22). Each row
is {draws:,} draws of runs without replacement, one or three as the baseline and four as the new
ones, judged by the code that judges real ones: FAIL at {margin:.0%} in all four, CHANGED at
{shift:.0%}. In the last columns one benchmark takes longer, and the share is told in which it
fails. "Times 1 to 2" multiplies each run by such a factor, as if the machine had a slow phase.

{table}

{noise}

*False alarms* are comparisons in which any benchmark fails. The last two rows are with
`{unsteady}`, which took four times as long in some runs as in others: when this was recorded its
arrays took fresh pages from the system. It is smaller now; a gate is as good as its worst
benchmark. Draws repeat the same {runs} runs, so the rates are those of this noise, and their last
digit is not to be trusted.
"""


def page(runs, lines):
    size = len(runs[0])
    return TEXT.format(
        runs=len(runs),
        benchmarks=size,
        draws=DRAWS,
        margin=MARGIN,
        shift=SHIFT,
        table="\n".join(lines),
        noise=noise(runs),
        unsteady=UNSTEADY,
    )


def noise(runs):
    """How far the runs lie apart: the largest over the smallest, of each benchmark."""
    names = [f"{what}, {unit}" for unit in ("seconds", "kernels") for what in ("minimum", "median")]
    lines = [f"| largest over smallest run | {' | '.join(names)} |", "|---|---|---|---|---|"]
    for key in runs[0]:
        own = [run[key] for run in runs]
        sides = [[_fields(one.times) for one in own]]
        sides.append([_fields(one.times.over(one.kernel)) for one in own])
        spread = [max(v) / min(v) for side in sides for v in zip(*side, strict=True)]
        lines.append(f"| `{key[0]}` | " + " | ".join(f"{s:.2f}" for s in spread) + " |")
    return "\n".join(lines)


def main(words):
    if words[:1] == ["record"]:
        record(words[1:])
        return
    runs = recorded()
    lines = []
    for line in table(runs):
        print(line, flush=True)
        lines.append(line)
    write_atomically(PAGE, page(runs, lines).encode())


if __name__ == "__main__":
    main(sys.argv[1:])

"""How often the gates raise a false alarm, and what they find: simulated runs, judged as real ones.

``python -m tests.regress.study`` writes ``results/reference/regress-gates.md``, in some ten minutes
of one core. The runs are judged by the functions that judge real ones.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.outputs import write_atomically
from benchmarks.regress import gates
from benchmarks.regress.gates import FLAGGED, TRACKED, Verdict
from benchmarks.regress.sample import Sample
from benchmarks.report.stats import wilson

PAGE = Path(__file__).parents[2] / "results" / "reference" / "regress-gates.md"
METHODS, DATASETS, EACH = 10, 3, 10
METHOD = np.tile(np.arange(METHODS), DATASETS * EACH)  # of each cell
DATASET = np.repeat(np.arange(DATASETS), METHODS * EACH)
CELLS = len(METHOD)
ACCURACY = TRACKED[0]
SPREAD = {"acc": 0.005, "nll": 0.07, "ece": 0.0045, "ts_fwd_ece": 0.007, "auroc": 0.004}
APART = 0.45
ALIKE = 0.5


@dataclass(frozen=True)
class World:
    """What the seeds do: what both runs share at one, and of the rest all cells of a dataset."""

    name: str
    rho: float = 0.5
    shared: float = 0.1
    tails: int = 0  # degrees of freedom of a t distribution; 0 is the normal one
    seeds: int = 5


USUAL = World("usual")
WORLDS = (
    USUAL,
    World("cells are independent", shared=0.0),
    World("much is shared", shared=0.25),
    World("half is shared", shared=0.5),
    World("the runs share nothing", rho=0.0),
    World("heavy tails", tails=4),
    World("three seeds", seeds=3),
)


@dataclass(frozen=True)
class Outcome:
    """What the gates said of a simulated run, in which one cell was hit."""

    methods: dict
    flagged: dict
    cells: dict
    hit: int

    def failed(self, gate):
        return any((own.verdict == Verdict.FAIL).any() for own in getattr(self, gate).values())

    def said(self, gate, word):
        return any((own.verdict == word).any() for own in getattr(self, gate).values())


def _noise(world, random, rows):
    """Metrics of a seed that are correlated, with or without heavy tails."""
    shape = (len(TRACKED), rows, world.seeds)
    both, own = random.standard_normal((1, *shape[1:])), random.standard_normal(shape)
    mixed = np.sqrt(ALIKE) * both + np.sqrt(1 - ALIKE) * own
    if world.tails:
        mixed /= np.sqrt(random.chisquare(world.tails, (1, *shape[1:])) / (world.tails - 2))
    return mixed


def _spreads(random):
    """Standard deviations ``(metrics, cells, 1)``, log-normal about the medians."""
    common, own = random.standard_normal(CELLS), random.standard_normal((len(TRACKED), CELLS))
    medians = np.array([SPREAD[metric.id] for metric in TRACKED])[:, None]
    logarithm = np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * own
    return (medians * np.exp(APART * logarithm))[..., None]


def _run(world, random, sd, loss):
    """A sample of each metric, the differences of two runs: chance and a loss."""
    shared = np.sqrt(world.shared) * _noise(world, random, DATASETS)[:, DATASET]
    unit = shared + np.sqrt(1 - world.shared) * _noise(world, random, CELLS)
    worse = loss + np.sqrt(2 * (1 - world.rho)) * sd * unit
    return {
        metric: Sample(own, np.zeros_like(own), METHOD, DATASET)
        for metric, own in zip(TRACKED, worse, strict=True)
    }


def judged(world, random, cell=0.0, method=0.0):
    """Judge a run; ``cell`` and ``method`` are what accuracy loses in one cell or method."""
    sd, hit = _spreads(random), random.integers(CELLS)
    loss = np.zeros((len(TRACKED), CELLS, 1))
    loss[0, hit] += cell
    loss[0, METHOD[hit] == METHOD] += method
    first, reserve = (_run(world, random, sd, loss) for _ in range(2))
    methods = gates.gate_methods({metric: own.methods()[1] for metric, own in first.items()})
    flagged = gates.gate_cells({metric: own.cells() for metric, own in first.items()})
    cells = gates.confirmed(flagged, lambda metric, rows: reserve[metric].rows(rows).cells())
    return Outcome(methods, flagged, cells, hit)


def rates(world, unchanged, changed):
    """How often so many runs without a change, and with one, are judged how."""
    random = np.random.default_rng([20, WORLDS.index(world)])
    found = dict.fromkeys(("alarms", "alarms A", "alarms B", "flags", "changes"), 0.0)
    found |= dict.fromkeys(("cells shown", "methods shown"), 0.0)
    for _ in range(unchanged):
        run = judged(world, random)
        a, b = run.failed("methods"), run.failed("cells")
        found["alarms"] += (a or b) / unchanged
        found["alarms A"] += a / unchanged
        found["alarms B"] += b / unchanged
        found["flags"] += run.said("flagged", FLAGGED) / unchanged
        resolved = run.said("methods", Verdict.CHANGED) or run.said("cells", Verdict.CHANGED)
        found["changes"] += resolved / unchanged
        for gate in ("methods", "cells"):
            passed = (getattr(run, gate)[ACCURACY].verdict == Verdict.PASS).mean()
            found[f"{gate} shown"] += passed / unchanged
    found["cell found"] = found["method found"] = 0.0
    for _ in range(changed):
        run = judged(world, random, cell=0.02)
        found["cell found"] += (run.cells[ACCURACY].verdict[run.hit] == Verdict.FAIL) / changed
        run = judged(world, random, method=0.005)
        fails = run.methods[ACCURACY].verdict[METHOD[run.hit]] == Verdict.FAIL
        found["method found"] += fails / changed
    return found


COLUMNS = {
    "alarms": "false alarms",
    "alarms A": "of gate A",
    "alarms B": "of gate B",
    "flags": "a cell is flagged",
    "changes": "CHANGED is said",
    "cell found": "2 points in a cell",
    "method found": "0.5 points of a method",
    "cells shown": "cells shown equal",
    "methods shown": "methods shown equal",
}


def table(unchanged, changed) -> Iterator[str]:
    yield "| what seeds do | " + " | ".join(COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for world in WORLDS:
        found = rates(world, unchanged, changed)
        cells = [f"{100 * found[name]:.1f} %" for name in COLUMNS]
        alarms = np.array([found["alarms"] * unchanged]), np.array([float(unchanged)])
        low, high = (100 * float(end[0]) for end in wilson(*alarms))
        cells[0] += f" ({low:.1f} to {high:.1f})"
        yield f"| {world.name} | " + " | ".join(cells) + " |"


TEXT = """# The gates of `regress`, simulated

Written by `python -m tests.regress.study`; nothing in it is edited by hand. A run has 300 cells
(10 methods in 30 settings, 10 of each of 3 datasets), 5 seeds and 5 metrics, and is judged by the
code that judges real ones, both gates and all metrics together. Each row is {unchanged:,} runs in
which nothing has changed, {changed:,} in which one cell loses 2 points of accuracy, and
{changed:,} in which one method loses 0.5 points in all of its settings. Levels: gate A
{METHOD_LEVEL:g} (Holm over 50 tests), flags {flags} (Benjamini-Hochberg within a metric),
confirmation {CONFIRM_LEVEL:g} (Holm over all that is flagged).

{table}

*False alarms* (with their 95 % interval) are the share of runs without a change in which a gate
says FAIL. A flagged cell needs its reserve seeds, and fails only if they confirm it. *2 points in
a cell* is found after confirmation. *Shown equal* is the mean share of cells and methods whose
accuracy two one-sided tests at 5 % show to be within 2 and 0.5 points; most of the rest is
inconclusive.

What seeds do. The standard deviation of a cell over seeds is log-normal from cell to cell. Of
accuracy the median is 0.5 points and the logarithm spreads by {APART:g}, at which a moderated test
at 5 % finds 2 points in a cell 83 times of a hundred, as it did where the gates were designed. Of
the other metrics the medians are {others}:
in the proportion that `robustness` has here. Metrics of a cell and seed correlate by {ALIKE:g}. Two
runs share half of what a seed does (`rho` 0.5), and a tenth of the rest is common to all cells of a
dataset, whatever method and rate; in `robustness`, with 13 settings, 2 to 8 % of what a seed does
is, in `default`, with 5 settings, 3 to 37 %. The other rows change one of these: nothing, 25 % or
50 % is common, `rho` is 0, the differences have the tails of a t distribution with 4 degrees of
freedom, or there are three seeds.

The aim was at most 1.5 % false alarms, 90 % power for 2 points in a cell and 99 % for 0.5 points of
a method. Where the three cannot hold together the levels keep the first: what all cells of a
dataset have in common does not average out over settings.
"""


def main(unchanged=3000, changed=1000):
    lines = []
    for line in table(unchanged, changed):
        print(line, flush=True)
        lines.append(line)
    write_atomically(PAGE, page(lines, unchanged, changed).encode())


def page(lines, unchanged, changed):
    levels = {name: getattr(gates, name) for name in ("METHOD_LEVEL", "CONFIRM_LEVEL")}
    others = ", ".join(f"`{name}` {value:g}" for name, value in SPREAD.items() if name != "acc")
    return TEXT.format(
        unchanged=unchanged,
        changed=changed,
        table="\n".join(lines),
        others=others,
        flags=", ".join(f"`{metric.id}` {metric.flags:g}" for metric in TRACKED),
        APART=APART,
        ALIKE=ALIKE,
        **levels,
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

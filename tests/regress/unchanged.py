"""Runs of the suite `regress` in which nothing has changed, for real: no gate may fail.

``python -m tests.regress.unchanged [FIRST [LAST]]`` writes the lines of the runs from the first to
the last into ``results/reference/regress-unchanged.md``, where lines of other runs stay. All twenty
take half an hour of two idle cores.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.outputs import write_atomically
from benchmarks.regress.baseline import opened
from benchmarks.regress.comparison import judge
from benchmarks.regress.gates import Verdict
from tests.regress.planted import BASELINE, ROOT, started

PAGE = ROOT / "results" / "reference" / "regress-unchanged.md"


@dataclass(frozen=True)
class Rerun:
    """How the suite is trained once more."""

    pack: int | None = None  # None: as is usual
    workers: int = 2
    first: int = 0  # of five seeds

    @property
    def words(self):
        if self.first:
            return f"seeds {self.first} to {self.first + 4}"
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return f"{workers}, {'one by one' if self.pack == 1 else f'packs of {self.pack}'}"


PACKS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)
ALIKE = tuple(Rerun(pack, 1 + place % 3) for place, pack in enumerate(PACKS))
OTHERS = tuple(Rerun(first=first) for first in range(10, 60, 5))
RERUNS = tuple(run for pair in zip(ALIKE, OTHERS, strict=True) for run in pair)


def judgement_of(rerun, place):
    """Train the suite once more and return what is said of it, confirmed as usual."""
    run = place / "run"
    seeds = range(rerun.first, rerun.first + 5)
    options = ("--seeds", *seeds, "--workers", rerun.workers)
    options += ("--pack", rerun.pack) if rerun.pack else ()
    started(ROOT, "run_all.py", "run", "regress", *options, "--no-report", "--out", run)
    started(ROOT, "run_all.py", "regress", run, "--baseline", BASELINE, "--workers", rerun.workers)
    again = run / "confirm"
    with opened(str(BASELINE), run) as baseline:
        return judge(run, baseline, again if again.exists() else None)


HEAD = """# Runs in which nothing has changed, as `regress` judges them

Written by `python -m tests.regress.unchanged`; nothing in it is edited by hand. The suite `regress`
is trained again by the same code, and compared with `results/baseline/regress`: at the seeds of the
baseline with other packs, which are other drivers and orders of sums, and other numbers of workers;
and at other seeds, which are compared unpaired. Done are {done} of {planned} runs: {failed} FAIL.

| run | cells | compared | verdict | cells differ | flagged and confirmed | the largest change |
|---|---:|---|---|---:|---:|---|
"""


def row(rerun, judgement):
    """Tell of a run in a line of the table."""
    cells = [one for one in judgement.findings if one.gate == "cell"]
    moved = len({(one.method, one.setting) for one in cells})
    flagged = [one for one in cells if one.flagged]
    confirmed = sum(one.verdict == Verdict.FAIL for one in flagged)
    largest = max(judgement.findings, key=lambda one: one.size, default=None)
    told = largest.sentence() if largest else ""
    trained = 5 * len(judgement.cells)
    counts = f"{moved} of {len(judgement.cells)} | {len(flagged)} and {confirmed}"
    how = f"{judgement.how} | {judgement.verdict}"
    return f"| {rerun.words} | {trained} | {how} | {counts} | {told} |"


def main(first="1", last=None):
    before = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    known = {words: line for line in before for words in [line.split(" | ")[0]]}
    for rerun in RERUNS[int(first) - 1 : last and int(last)]:
        with tempfile.TemporaryDirectory(prefix="unchanged-") as place:
            judgement = judgement_of(rerun, Path(place))
        line = row(rerun, judgement)
        known[line.split(" | ")[0]] = line
        print(line, flush=True)
        lines = [known[name] for each in RERUNS if (name := f"| {each.words}") in known]
        failed = sum(f" | {Verdict.FAIL} | " in line for line in lines)
        head = HEAD.format(done=len(lines), planned=len(RERUNS), failed=failed)
        write_atomically(PAGE, (head + "\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main(*sys.argv[1:])

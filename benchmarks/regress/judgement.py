"""What `regress` found, as records that are written for machines and told to people."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from benchmarks.errors import count, some
from benchmarks.regress.gates import RANK, TRACKED, Tracked, Verdict, worst

VERSION = 1
"""Raised when a field of the JSON changes meaning or goes; others may be added."""
LABELS = {
    "acc": "accuracy",
    "nll": "NLL",
    "ece": "ECE",
    "ts_fwd_ece": "ECE after temperature scaling",
    "auroc": "AUROC of wrong labels",
    "seconds": "seconds",
    "kernels": "time in kernels",
}
ALL = "all settings"
How = Literal["same bytes", "paired", "unpaired", "by a calibration kernel", "in seconds"]
TIMED = ("by a calibration kernel", "in seconds")
"""How benchmarks are compared, and nothing else is."""
NAMED = 10
"""The most findings of a verdict that are told; the others are counted."""
_METRICS = {metric.id: metric for metric in TRACKED}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of one metric of a method over its settings, or of a cell.

    ``change`` is for the worse where it is positive: a difference, of NLL that of logarithms.
    ``low`` and ``high`` are its 90 % interval; nothing where that is unknown.
    """

    gate: Literal["method", "cell", "speed"]
    method: str
    setting: str
    settings: int = 1
    metric: str
    n: int  # seeds
    base: float
    new: float
    change: float
    low: float | None
    high: float | None
    p: float | None  # two-sided, corrected as the gate does
    margin: float
    bound: float
    verdict: Verdict
    flagged: bool = False  # a cell that is worse only if the reserve seeds show it, too
    reserve: int = 0  # seeds that did or did not
    again: float | None = None  # the change on these

    @property
    def size(self) -> float:
        """The change in margins, by which findings are ordered."""
        return abs(self.change) / self.margin if math.isfinite(self.change) else 0.0

    @property
    def waits(self) -> bool:
        """Whether reserve seeds that are not there have to show it."""
        return self.flagged and not self.reserve

    def sentence(self) -> str:
        """Say it in a line.

        An NLL that is halved is 50 % better, one that doubles 100 % worse.

        >>> facts = {"gate": "cell", "method": "elr", "setting": "clean", "metric": "acc", "n": 5}
        >>> sides = {"base": 0.91, "new": 0.89, "change": 0.02, "low": 0.015, "high": 0.025}
        >>> limits = {"margin": 0.005, "bound": 0.02, "p": 0.001, "verdict": Verdict.FAIL}
        >>> print(Finding(**facts, **sides, **limits).sentence())
        elr, clean: accuracy 2.00 points worse (91.00 to 89.00; 90% interval 1.50 to 2.50)
        >>> sides = {"base": 2.0, "new": 1.0, "change": -0.6931, "low": -1.3863, "high": 0.0}
        >>> print(Finding(**facts | {"metric": "nll"}, **sides, **limits).sentence())
        elr, clean: NLL 50.00% better (2 to 1; 90% interval 0.00 to 75.00)
        """
        metric = _METRICS[self.metric]
        sign = -1 if self.change < 0 else 1
        ends = [end for end in (self.low, self.high)[::sign] if end is not None]
        amounts = " to ".join(_amount(metric, end, sign) for end in ends) or "unknown"
        by = "; other seeds have to show it" if self.flagged else ""
        if self.again is not None:
            by = f"; on {count(self.reserve, 'reserve seed')} {_told(metric, self.again)}"
        return (
            f"{self.method}, {self.setting}: {LABELS[self.metric]} {_told(metric, self.change)} "
            f"({_value(metric, self.base)} to {_value(metric, self.new)}; 90% interval {amounts}"
            f"{by})"
        )


def _told(metric: Tracked, change: float) -> str:
    sign, word = (-1, "better") if change < 0 else (1, "worse")
    return f"{_amount(metric, change, sign)}{'%' if metric.ratio else ' points'} {word}"


def _amount(metric: Tracked, change: float, sign: int) -> str:
    """Return a change in points, or of a ratio in per cent, of which one sign is the positive."""
    amount = 100 * sign * (math.expm1(change) if metric.ratio else change)
    return f"{round(amount, 2) + 0.0:.2f}"  # no -0.00


def _value(metric: Tracked, value: float) -> str:
    return f"{value:.4g}" if metric.ratio else f"{100 * value:.2f}"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a cell without any statistics: it is missing, new, or no longer the same."""

    method: str
    setting: str
    cause: str
    verdict: Verdict
    seeds: tuple[int, ...] = ()

    def sentence(self) -> str:
        """Say it in a line."""
        seeds = f", seed {some(self.seeds)}" if self.seeds else ""
        return f"{self.method}, {self.setting}{seeds}: {self.cause}"


class Cell(msgspec.Struct, frozen=True):
    """A method in a setting, and the worst that is said of it."""

    method: str
    setting: str
    verdict: Verdict


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A run against its baseline, the worst first."""

    schema: int = VERSION
    verdict: Verdict
    folder: str
    baseline: str
    how: How
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    faults: tuple[Fault, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def sentences(self, verdict: Verdict) -> list[str]:
        """Return a line for each fault and finding of a verdict, the largest first."""
        told: list[Fault | Finding] = [*self.faults, *self.findings]
        return [one.sentence() for one in told if one.verdict == verdict]

    def cases(self) -> Iterator[Cell]:
        """Yield the cells, and in the same form each method over its settings."""
        yield from self.cells
        methods: dict[str, list[Verdict]] = {}
        for one in self.findings:
            if one.gate == "method":
                methods.setdefault(one.method, []).append(one.verdict)
        yield from (Cell(method, ALL, worst(said)) for method, said in methods.items())

    def of(self, case: Cell) -> list[Fault | Finding]:
        """Return what is said of a cell or a method, the worst first."""
        told: list[Fault | Finding] = [*self.faults, *self.findings]
        place = (case.method, case.setting)
        return [one for one in told if (one.method, one.setting) == place]

    def counts(self) -> str:
        """Return how many cells have which verdict.

        >>> cells = (Cell("elr", "clean", Verdict.PASS), Cell("gce", "clean", Verdict.FAIL))
        >>> Judgement(verdict=Verdict.FAIL, folder="a", baseline="b", how="paired", seeds=(0,),
        ...     cells=cells).counts()
        '2 cells: 1 FAIL, 1 PASS'
        """
        noun = "benchmark" if self.how in TIMED else "cell"
        number = Counter(cell.verdict for cell in self.cells)
        each = [f"{number[verdict]} {verdict}" for verdict in reversed(Verdict) if number[verdict]]
        return f"{count(len(self.cells), noun)}: {', '.join(each) or 'none'}"

    def lines(self) -> Iterator[str]:
        """Yield the text for a terminal: the verdict, then the culprits, the worst first."""
        yield f"{self.verdict}: {self.folder} against {self.baseline} ({self.how})"
        yield self.counts()
        for verdict in reversed(Verdict):
            told = self.sentences(verdict) if verdict != Verdict.PASS else []
            yield from (f"{verdict}  {sentence}" for sentence in told[:NAMED])
            if len(told) > NAMED:
                yield f"{verdict}  and {len(told) - NAMED:,} more, which --json lists"
        yield from self.notes


def judgement(
    sides: tuple[str, str],
    how: How,
    seeds: tuple[int, ...],
    said: tuple[list[Cell], list[Fault], list[Finding]],
    notes: tuple[str, ...] = (),
) -> Judgement:
    """Put together what was found, in order, with the worst verdict of all.

    Args:
        sides: the folder and the baseline.
        how: they were compared.
        seeds: that were.
        said: the cells as they are without faults and findings, and these.
        notes: what the reader should know besides.
    """
    cells, faults, findings = said
    faults = sorted(faults, key=lambda fault: -RANK[fault.verdict])
    findings = sorted(findings, key=lambda one: (-RANK[one.verdict], -one.size))
    by_cell = {(cell.method, cell.setting): [cell.verdict] for cell in cells}
    said_of: list[Fault | Finding] = [*faults, *(one for one in findings if one.gate != "method")]
    for one in said_of:
        by_cell.setdefault((one.method, one.setting), []).append(one.verdict)
    return Judgement(
        verdict=worst([*(one.verdict for one in faults), *(one.verdict for one in findings)]),
        folder=sides[0],
        baseline=sides[1],
        how=how,
        seeds=seeds,
        cells=tuple(Cell(*key, worst(verdicts)) for key, verdicts in by_cell.items()),
        faults=tuple(faults),
        findings=tuple(findings),
        notes=notes,
    )

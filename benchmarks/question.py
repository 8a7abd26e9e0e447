"""The question that a suite asks before it is run: which comparisons confirm something."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

MARGINS = {"acc": 0.005, "nll": 0.01, "brier": 0.005, "ece": 0.005}
"""Differences up to these are practically none: half a point, and 0.01 nats."""

Margins = dict[Literal["acc", "nll", "brier", "ece"], Annotated[float, msgspec.Meta(gt=0)]]


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """Does a candidate differ from the reference, in any setting? Asked of every metric.

    All candidates in all settings are one family of tests for each metric of ``MARGINS``. What
    else a report compares is exploratory.
    """

    reference: str
    candidates: tuple[str, ...]
    margin: Margins = {}  # where other differences than MARGINS are practically none

    def margins(self) -> dict[str, float]:
        """Return the differences that are practically none, by metric."""
        return MARGINS | {str(metric): value for metric, value in self.margin.items()}


class WrittenQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question as a TOML file has it; ``candidates = "all"`` stands for every other method."""

    reference: str
    candidates: Annotated[list[str], msgspec.Meta(min_length=1)] | str  # the only text is "all"
    margin: dict[str, Annotated[float, msgspec.Meta(gt=0)]] = {}

    def faults(self, methods: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with it in a suite of these methods, and in which entry."""
        candidates = self.candidates
        for name in self.margin:
            if name not in MARGINS:
                reason = f"{name[:200]!r} is no metric that has one; {', '.join(MARGINS)} have"
                yield reason, "question.margin"
        if isinstance(candidates, str) and candidates != "all":
            reason = f'a list is expected here, or the text "all", not {candidates[:200]!r}'
            yield reason, "question.candidates"
            return
        named = [("reference", self.reference)]
        named += [("candidates", spec) for spec in candidates if candidates != "all"]
        for key, spec in named:
            if spec not in methods:
                yield f"{spec[:200]!r} is not among the methods of the suite", f"question.{key}"
        if self.reference in candidates:
            yield f"the reference {self.reference!r} is no candidate", "question.candidates"

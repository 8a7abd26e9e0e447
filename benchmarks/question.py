"""The question that a suite asks before it is run: which comparisons confirm something."""

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

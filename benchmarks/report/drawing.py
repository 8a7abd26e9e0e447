"""Figures drawn beside the rest of a report, by processes that alone import matplotlib."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pebble import ProcessPool

from benchmarks import processes
from benchmarks.report.analysis import Analysis
from benchmarks.report.render import Picture
from benchmarks.report.venues import Venue

KINDS: dict[str, str | None] = {
    "overview": None,
    "accuracy": "acc",
    "nll": "nll",
    "ece": "ece",
    "hyper_parameter": None,
    "delta": "acc",
    "delta_ece": "ece",
    "forest": None,
    "pareto": None,
    "profile": None,
    "wins": None,
    "ranks": None,
    "seeds": None,
    "overfitting": None,
    "memorisation": None,
    "temperature": None,
    "reliability": None,
    "risk_coverage": None,
    "losses": None,
    "precision_recall": None,
    "transitions": None,
    "classes": None,
    "confusion": None,
    "coverage": None,
    "trend": None,
}
"""The kinds of figure by the stem of their files, in reading order, and the metric of those of one.

``figures.DRAWERS`` has a function for each.
"""

DELTA = "delta_"
"""How the stem of a figure of differences of a metric begins."""

_SLOWEST = ("reliability", "losses", "classes", "memorisation", "confusion", "precision_recall")
"""The kinds of figure to begin with."""


def kinds(metrics: Sequence[str]) -> list[str]:
    """Return the kinds of figure to draw, where those of one metric show only some metrics.

    >>> [kind for kind in kinds(["ece", "brier"]) if kind not in kinds([])]
    ['brier', 'delta_brier']
    """
    if not metrics:
        return list(KINDS)
    kept = [kind for kind, metric in KINDS.items() if metric is None or metric in metrics]
    more = [metric for metric in metrics if metric not in KINDS.values()]
    return [*more, *(f"{DELTA}{metric}" for metric in more), *kept]


class Place(NamedTuple):
    """Where figures are written, and for whom."""

    folder: Path
    venue: Venue
    pdf: bool = False  # whether as PDF, too


_task: dict[str, Any] = {}
"""The task of a drawing process, set when it starts."""


@contextmanager
def draw_beside(
    analysis: Analysis, place: Place, count: int, kinds: Sequence[str]
) -> Iterator[Callable[[], list[Picture | str]]]:
    """Begin to draw, and yield a function that waits for it and returns the list of ``draw``.

    As many processes draw as ``count``; if it is 1, this one does when it is waited for. ``kinds``
    are those of :func:`kinds`.
    """
    if count == 1:
        yield lambda: _drawn(analysis, place, kinds)
        return
    context = processes.worker_context(processes.DRAWING)
    pool = ProcessPool(count, context=context, initializer=_start, initargs=(analysis, place))
    try:
        order = sorted(kinds, key=lambda kind: kind not in _SLOWEST)
        tasks = {kind: pool.schedule(_draw, args=(kind,)) for kind in order}
        yield lambda: [each for kind in kinds for each in tasks[kind].result()]
    finally:
        pool.stop()
        pool.join()


def _start(analysis: Analysis, place: Place) -> None:
    processes.collect_seldom()
    _task.update(analysis=analysis, place=place)


def _draw(kind: str) -> list[Picture | str]:
    return _drawn(**_task, kinds=[kind])


def _drawn(analysis: Analysis, place: Place, kinds: Sequence[str]) -> list[Picture | str]:
    from benchmarks.report import figures  # noqa: PLC0415 - imports matplotlib and seaborn

    return figures.draw(analysis, place, kinds)

"""The wall-clock time of a run, by what it was spent on."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

WORKED = {"training": "train_seconds", "evaluation": "eval_seconds"}
"""Columns of a cell's costs; the workers' remaining time is their start, data, files, idleness."""


class Times:
    """Seconds by what they were spent on.

    >>> times = Times(time.perf_counter() - 8.0)
    >>> times.trained([{"train_seconds": 6.0, "eval_seconds": 2.0}, {}], workers=2)
    >>> print(times)
    8.0 s: training 3.0 s, evaluation 1.0 s, workers' start and files 4.0 s
    """

    def __init__(self, began: float) -> None:
        self._last = began
        self._spent: dict[str, float] = {}

    def lap(self, name: str) -> float:
        """Count the seconds since the last lap, or the beginning, under a name; return them."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self._spent[name] = seconds
        return seconds

    def trained(self, costs: Iterable[Mapping[str, Any]], workers: int) -> None:
        """Count a lap in which workers trained cells with these costs, side by side."""
        every = list(costs)
        for name, column in WORKED.items():
            self._spent[name] = sum(cost.get(column, 0.0) for cost in every) / max(1, workers)
        rest = self.lap("workers' start and files") - sum(self._spent[name] for name in WORKED)
        self._spent["workers' start and files"] = max(0.0, rest)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self._spent.items())
        return f"{sum(self._spent.values()):.1f} s: {parts}"

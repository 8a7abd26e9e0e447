"""The stages of a run in order of worth, and how much of its time each may take."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.gpu import default, environment, kernels, memory, published, speed, truth
from tests.gpu.work import Stage, Stages


class Boxed(NamedTuple):
    """A stage, the share of time until its end, and whether its items share the device.

    One without a share, which takes no time, has until the end of the run.
    """

    stage: Stage
    share: float
    together: bool = False


STAGES = {
    "environment": Boxed(environment.stage, 0.0, together=True),
    "methods": Boxed(truth.stage, 0.22, together=True),
    "speed": Boxed(speed.stage, 0.28),
    "default": Boxed(default.stage, 0.10),
    "memory": Boxed(memory.stage, 0.12),
    "kernels": Boxed(kernels.stage, 0.04),
    "precision": Boxed(truth.precision_stage, 0.10, together=True),
    "published": Boxed(published.stage, 0.12),
}


def boxes(names: Sequence[str], seconds: float) -> dict[str, float]:
    """Return when the box of each stage is over: what one leaves, the next ones have.

    >>> ends = boxes(["environment", "methods", "speed"], 500.0)
    >>> [round(ends["environment"] - ends[name]) for name in ("methods", "speed")]
    [280, 0]
    """
    began, whole = time.time(), sum(STAGES[name].share for name in names)
    ends, spent = {}, 0.0
    for name in names:
        spent += STAGES[name].share / whole if whole else 0.0
        ends[name] = began + seconds * (spent if STAGES[name].share else 1.0)
    return ends


def phases(names: Sequence[str], workers: int) -> list[tuple[Stages, int]]:
    """Group consecutive stages by how many processes work at them."""
    found: list[tuple[dict[str, Stage], int]] = []
    for name in names:
        count = workers if STAGES[name].together else 1
        if not found or found[-1][1] != count:
            found.append(({}, count))
        found[-1][0][name] = STAGES[name].stage
    return list(found)

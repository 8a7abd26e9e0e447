"""How often intervals over settings hold the truth, by simulation.

``python -m tests.report.coverage`` writes ``results/reference/coverage.md``, in half a minute.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.report import stats

STUDY = Path(__file__).parents[2] / "results" / "reference" / "coverage.md"
CORRELATIONS, SEEDS = (0.0, 0.25, 0.5), (3, 5, 10)
MANY, FEW = 13, 5  # settings
AGGREGATES: dict[str, Callable[[np.ndarray], stats.Aggregate]] = {
    "interquartile mean": stats.interquartile_mean,
    "improvement": stats.improvement,
    "profile": lambda values: stats.Aggregate(
        *(end[..., 0] for end in stats.performance_profile(values, np.array([0.8])))
    ),
}


def drawn(
    settings: int, seeds: int, rho: float, draws: int, random: np.random.Generator
) -> np.ndarray:
    """Values ``(settings, seeds, draws)`` of unlike settings, those of one seed correlated."""
    shared = random.normal(size=(seeds, draws))
    own = random.normal(size=(settings, seeds, draws))
    unlike = np.linspace(-1, 2, settings)[:, None, None]
    return unlike + np.sqrt(rho) * shared + np.sqrt(1 - rho) * own


def coverage(name: str, settings: int, seeds: int, rho: float, draws: int) -> float:
    """The share of draws whose interval holds the truth, of those that have an interval."""
    truth = AGGREGATES[name](drawn(settings, 40_000, rho, 1, np.random.default_rng(1))).value
    own = AGGREGATES[name](drawn(settings, seeds, rho, draws, np.random.default_rng(7)))
    known = np.isfinite(own.low)
    return float(((own.low <= truth) & (truth <= own.high))[known].mean())


def lines(draws: int) -> Iterator[str]:
    """The study as Markdown, a row for each aggregate and correlation."""
    yield "# Coverage of the intervals over settings"
    yield (
        f"Share of {draws:,} simulated runs whose 95% interval holds the truth, by `python -m "
        "tests.report.coverage`: normal values of settings of unlike difficulty, of which those "
        "of one seed have this correlation. Each interval is a t interval over seeds of one value "
        "over settings. Intervals that are unknown, as all seeds agree, are not counted."
    )
    head = ["aggregate", "settings", "correlation", *(f"{n} seeds" for n in SEEDS)]
    rows = [head, ["---"] * len(head)]
    for name, settings, rho in product(AGGREGATES, (MANY, FEW), CORRELATIONS):
        shares = [f"{coverage(name, settings, n, rho, draws):.3f}" for n in SEEDS]
        rows.append([name, str(settings), f"{rho:g}", *shares])
    yield "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    STUDY.write_text("\n\n".join(lines(20_000)) + "\n", encoding="utf-8")

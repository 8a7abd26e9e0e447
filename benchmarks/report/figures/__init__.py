"""The standard figures, each with the numbers it shows. Importing this imports matplotlib."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import (
    coverage,
    delta,
    forest,
    losses,
    memorisation,
    pareto,
    profiles,
    ranks,
    rates,
    reliability,
    transitions,
)
from benchmarks.report.figures.canvas import AbsentError, Drawing, paper_style, save
from benchmarks.report.venues import Venue

FIGURES: dict[str, Callable[[Analysis, Venue], list[Drawing]]] = {
    "accuracy": partial(rates.pages, metric="acc"),
    "nll": partial(rates.pages, metric="nll"),
    "ece": partial(rates.pages, metric="ece"),
    "delta": partial(delta.pages, metric="acc"),
    "delta_ece": partial(delta.pages, metric="ece"),
    "forest": forest.pages,
    "pareto": pareto.pages,
    "profile": profiles.pages,
    "ranks": ranks.pages,
    "memorisation": memorisation.pages,
    "reliability": reliability.pages,
    "losses": losses.pages,
    "transitions": transitions.pages,
    "coverage": coverage.pages,
}
"""In reading order. Each is a pure function that raises ``AbsentError`` where data do not do."""


@dataclass(frozen=True)
class Drawn:
    """File stem and caption of each figure, and why others are not there, by name."""

    captions: list[tuple[str, str]]
    absent: list[tuple[str, str]]


def draw(analysis: Analysis, folder: Path, venue: Venue, kinds: Iterable[str] = FIGURES) -> Drawn:
    """Write every figure of these kinds that has data to ``folder``: PNG, PDF, SVG and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = Drawn([], [])
    with paper_style(venue):
        for name, found in drawings(analysis, venue, kinds):
            if isinstance(found, Drawing):
                save(found, folder)
                drawn.captions.append((found.name, found.caption))
            else:
                drawn.absent.append((name, found))
    return drawn


def drawings(
    analysis: Analysis, venue: Venue, kinds: Iterable[str] = FIGURES
) -> Iterator[tuple[str, Drawing | str]]:
    """Every figure of a run, not yet on disk, or the sentence why there is none."""
    for name in kinds:
        try:
            yield from ((name, drawing) for drawing in FIGURES[name](analysis, venue))
        except AbsentError as reason:
            yield name, str(reason)

"""The standard figures, each with the numbers it shows. Importing this imports matplotlib."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from benchmarks.report.read import Run
from benchmarks.report.venues import Venue

FIGURES: dict[str, Callable[[Run, Venue], list[Drawing]]] = {
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


def draw(run: Run, folder: Path, venue: Venue) -> Drawn:
    """Write every figure that has data to ``folder``: PNG, PDF, SVG and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = Drawn([], [])
    with paper_style(venue):
        for name, pages in FIGURES.items():
            try:
                drawings = pages(run, venue)
            except AbsentError as reason:
                drawn.absent.append((name, str(reason)))
                continue
            for drawing in drawings:
                save(drawing, folder)
                drawn.captions.append((drawing.name, drawing.caption))
    return drawn

"""The standard figures, each with the numbers it shows. Importing this imports matplotlib."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import (
    coverage,
    critical_difference,
    difference,
    forest,
    loss_histogram,
    memorisation,
    noise_rate,
    pareto,
    performance_profile,
    reliability,
    transitions,
)
from benchmarks.report.figures.layout import AbsentError, Page, paper_style, save, write_heading
from benchmarks.report.venues import Venue

FIGURES: dict[str, Callable[[Analysis, Venue], list[Page]]] = {
    "accuracy": partial(noise_rate.pages, metric="acc"),
    "nll": partial(noise_rate.pages, metric="nll"),
    "ece": partial(noise_rate.pages, metric="ece"),
    "delta": partial(difference.pages, metric="acc"),
    "delta_ece": partial(difference.pages, metric="ece"),
    "forest": forest.pages,
    "pareto": pareto.pages,
    "profile": performance_profile.pages,
    "ranks": critical_difference.pages,
    "memorisation": memorisation.pages,
    "reliability": reliability.pages,
    "losses": loss_histogram.pages,
    "transitions": transitions.pages,
    "coverage": coverage.pages,
}
"""The kinds of figure by the stem of their files, in reading order.

Each is a pure function that returns pages, or raises ``AbsentError`` where data do not suffice.
"""


@dataclass(frozen=True)
class FigureList:
    """The file stem and caption of each figure, and why others are absent, by kind."""

    captions: list[tuple[str, str]]
    absent: list[tuple[str, str]]


def draw(
    analysis: Analysis, folder: Path, venue: Venue, kinds: Iterable[str] = FIGURES
) -> FigureList:
    """Write every figure of these kinds that has data to ``folder``: PNG, PDF, SVG and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    captions, absent = [], []
    with paper_style(venue):
        for name, page in pages(analysis, venue, kinds):
            if isinstance(page, Page):
                save(page, folder / name)
                captions.append((name, page.caption))
            else:
                absent.append((name, page))
    return FigureList(captions, absent)


def joined(lists: Iterable[FigureList]) -> FigureList:
    """Return one list of all figures."""
    captions, absent = [], []
    for each in lists:
        captions += each.captions
        absent += each.absent
    return FigureList(captions, absent)


def pages(
    analysis: Analysis, venue: Venue, kinds: Iterable[str] = FIGURES
) -> Iterator[tuple[str, Page | str]]:
    """Yield every page under its file's stem, and under its kind why a figure is absent."""
    for kind in kinds:
        try:
            for number, page in enumerate(FIGURES[kind](analysis, venue), start=1):
                write_heading(page.figure, page.heading, analysis.run.note)
                yield kind if number == 1 else f"{kind}_{number}", page
        except AbsentError as reason:
            yield kind, str(reason)

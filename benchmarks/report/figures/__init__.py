"""The standard figures, each with the numbers it shows. Importing this imports matplotlib."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from benchmarks.report.analysis import Analysis
from benchmarks.report.drawing import DELTA, KINDS, Place
from benchmarks.report.figures import (
    about,
    confusion,
    coverage,
    critical_difference,
    difference,
    forest,
    hyper_parameter,
    loss_histogram,
    memorisation,
    noise_rate,
    overfitting,
    overview,
    pareto,
    per_class,
    performance_profile,
    ranked,
    reliability,
    seeds,
    temperature,
    tips,
    transitions,
    trend,
    wins,
)
from benchmarks.report.figures.layout import AbsentError, Page, paper_style, save, write_heading
from benchmarks.report.render import Picture
from benchmarks.report.venues import Venue

DRAWERS: dict[str, Callable[[Analysis, Venue], list[Page]]] = {
    "overview": overview.pages,
    "accuracy": partial(noise_rate.pages, metric="acc"),
    "nll": partial(noise_rate.pages, metric="nll"),
    "ece": partial(noise_rate.pages, metric="ece"),
    "hyper_parameter": hyper_parameter.pages,
    "delta": partial(difference.pages, metric="acc"),
    "delta_ece": partial(difference.pages, metric="ece"),
    "forest": forest.pages,
    "pareto": pareto.pages,
    "profile": performance_profile.pages,
    "wins": wins.pages,
    "ranks": critical_difference.pages,
    "seeds": seeds.pages,
    "overfitting": overfitting.pages,
    "memorisation": memorisation.pages,
    "temperature": temperature.pages,
    "reliability": reliability.pages,
    "risk_coverage": partial(ranked.pages, curve=ranked.RISK),
    "losses": loss_histogram.pages,
    "precision_recall": partial(ranked.pages, curve=ranked.PRECISION),
    "transitions": transitions.pages,
    "classes": per_class.pages,
    "confusion": confusion.pages,
    "coverage": coverage.pages,
    "trend": trend.pages,
}
"""What draws each of the ``drawing.KINDS``.

Each is a pure function that returns pages, or raises ``AbsentError`` where data do not suffice.
"""

OF_TRUE_LABELS = {"memorisation", "temperature", "losses", "precision_recall", "transitions"}
"""The kinds that need to know which labels are right."""

BY_CLASS = {"classes", "confusion"}
"""The kinds whose classes are true ones where these are known, else given ones, on other pages."""


def _drawer(kind: str) -> Callable[[Analysis, Venue], list[Page]]:
    if kind in DRAWERS:
        return DRAWERS[kind]
    module = difference if kind.startswith(DELTA) else noise_rate
    return partial(module.pages, metric=kind.removeprefix(DELTA))


def draw(analysis: Analysis, place: Place, kinds: Iterable[str] = KINDS) -> list[Picture | str]:
    """Write every figure of these kinds that has data: PNG, SVG, CSV, and PDF where asked for.

    Returns:
        the figures in reading order, and in the place of an absent one the reason.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Picture | str] = []
    with paper_style(place.venue):
        for name, page in pages(analysis, place.venue, kinds):
            if isinstance(page, Page):
                save(page, place.folder / name, pdf=place.pdf)
                drawn.append(Picture(name, page.caption, place.pdf, tips=tips.located(page.figure)))
            else:
                drawn.append(f"{analysis.run.words.of_figure(name)} is not drawn. {page}")
    return drawn


def pages(
    analysis: Analysis, venue: Venue, kinds: Iterable[str] = KINDS
) -> Iterator[tuple[str, Page | str]]:
    """Yield every page under its file's stem, and under its kind why a figure is absent."""
    for kind in kinds:
        try:
            drawn = [page for part in _parts(analysis, kind) for page in _drawer(kind)(part, venue)]
            captions = about.captions(analysis, [(page.caption, page.data) for page in drawn])
            for number, (page, caption) in enumerate(zip(drawn, captions, strict=True), start=1):
                write_heading(page.figure, page.heading, analysis.run.note)
                stem = kind if number == 1 else f"{kind}_{number}"
                yield stem, replace(page, caption=caption)
        except AbsentError as reason:
            yield kind, str(reason)


def _parts(analysis: Analysis, kind: str) -> list[Analysis]:
    """Return the analyses that a kind is drawn of: the whole one, or of known and unknown labels.

    Raises:
        AbsentError: it needs true labels, and none are known.
    """
    cells = analysis.run.cells
    known = set(cells.loc[cells["truth"] != "unknown", "setting"])
    unknown = {*analysis.run.settings} - known
    if not unknown or kind not in OF_TRUE_LABELS | BY_CLASS:
        return [analysis]
    if not known and kind in OF_TRUE_LABELS:
        raise AbsentError("It takes the true labels, and nobody knows them.")
    some = [known] if kind in OF_TRUE_LABELS else [known, unknown]
    return [analysis.restricted(analysis.run.methods, settings) for settings in some if settings]

"""The standard figures, each with the numbers it shows. Importing this imports matplotlib."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pebble import ProcessPool

from benchmarks import processes
from benchmarks.report.analysis import Analysis
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
    transitions,
    trend,
    wins,
)
from benchmarks.report.figures.layout import (
    AbsentError,
    Page,
    Venue,
    paper_style,
    save,
    write_heading,
)
from benchmarks.report.render import Picture

FIGURES: dict[str, Callable[[Analysis, Venue], list[Page]]] = {
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
"""The kinds of figure by the stem of their files, in reading order.

Each is a pure function that returns pages, or raises ``AbsentError`` where data do not suffice.
"""

OF_TRUE_LABELS = {"memorisation", "temperature", "losses", "precision_recall", "transitions"}
"""The kinds that need to know which labels are right."""

BY_CLASS = {"classes", "confusion"}
"""The kinds whose classes are true ones where these are known, else given ones, on other pages."""

_DELTA = "delta_"


def kinds(metrics: Sequence[str]) -> list[str]:
    """Return the kinds of figure to draw, where those of one metric show only some metrics.

    >>> [kind for kind in kinds(["ece", "brier"]) if kind not in kinds([])]
    ['brier', 'delta_brier']
    """
    about = {
        kind: getattr(drawer, "keywords", {}).get("metric") for kind, drawer in FIGURES.items()
    }
    if not metrics:
        return list(FIGURES)
    kept = [kind for kind, metric in about.items() if metric is None or metric in metrics]
    more = [metric for metric in metrics if metric not in about.values()]
    return [*more, *(f"{_DELTA}{metric}" for metric in more), *kept]


def _drawer(kind: str) -> Callable[[Analysis, Venue], list[Page]]:
    if kind in FIGURES:
        return FIGURES[kind]
    module = difference if kind.startswith(_DELTA) else noise_rate
    return partial(module.pages, metric=kind.removeprefix(_DELTA))


class Place(NamedTuple):
    """Where figures are written, and for whom."""

    folder: Path
    venue: Venue
    pdf: bool = False  # whether as PDF, too


def draw(analysis: Analysis, place: Place, kinds: Iterable[str] = FIGURES) -> list[Picture | str]:
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
                drawn.append(Picture(name, page.caption, place.pdf))
            else:
                drawn.append(f"{analysis.run.words.of_figure(name)} is not drawn. {page}")
    return drawn


def pages(
    analysis: Analysis, venue: Venue, kinds: Iterable[str] = FIGURES
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


SLOWEST = ("reliability", "losses", "classes", "memorisation", "confusion", "precision_recall")
"""The kinds of figure to begin with."""

_task: dict[str, Any] = {}
"""The task of a drawing process, set when it starts."""


@contextmanager
def draw_beside(
    analysis: Analysis, place: Place, count: int, kinds: Sequence[str]
) -> Iterator[Callable[[], list[Picture | str]]]:
    """Begin to draw, and yield a function that waits for it and returns the list of :func:`draw`.

    As many processes draw as ``count``; if it is 1, this one does when it is waited for. ``kinds``
    are those of :func:`kinds`.
    """
    if count == 1:
        yield lambda: draw(analysis, place, kinds)
        return
    context = processes.worker_context(processes.DRAWING)
    pool = ProcessPool(count, context=context, initializer=_start, initargs=(analysis, place))
    try:
        order = sorted(kinds, key=lambda kind: kind not in SLOWEST)
        tasks = {kind: pool.schedule(_draw, args=(kind,)) for kind in order}
        yield lambda: [each for kind in kinds for each in tasks[kind].result()]
    finally:
        pool.stop()
        pool.join()


def _start(analysis: Analysis, place: Place) -> None:
    _task.update(analysis=analysis, place=place)


def _draw(kind: str) -> list[Picture | str]:
    with processes.collecting_seldom():
        return draw(**_task, kinds=[kind])

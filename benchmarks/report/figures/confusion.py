"""What the images of each class are taken for, beside what the training labels called them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from benchmarks.report.analysis import Analysis
from benchmarks.report.figures import layout, matrices
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.figures.loss_histogram import missing
from benchmarks.report.figures.methods import core_note
from benchmarks.report.lists import matrix_of
from benchmarks.report.stats import Floats
from benchmarks.report.venues import Venue

COLUMNS = 4
"""Most matrices beside each other."""
_SIDE = 1.4
"""The inches of the largest matrix with its title."""
_BESIDE, _AROUND = 0.75, 1.0
"""The inches that labels on the left take, and what stands above and below all matrices."""
_LEAST = 3.2
"""The inches of the narrowest figure, above which its heading has room."""
GIVEN = "given"
"""In place of a method: the labels of the training images."""
_TICKS = (1, 10, 25, 50, 100)
_CAPTION = (
    "What the images of each {words.true_class} (down) are taken for (across), in percent of the "
    "class, all seeds together. {shown} of {methods} on the test images, last epoch. The colours "
    "are those of the square root, so that few images are seen."
)
_SHOWN = "Predictions"
_BELOW = "Above: the training labels as they were given. Below: the predictions"
"""What is shown where the true labels are known, too."""


class _Panel(NamedTuple):
    setting: str
    method: str  # or GIVEN
    shares: Floats  # (C, C), percent


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw core settings side by side: the labels above, the reference, and the best method."""
    run, data = analysis.run, of_core(analysis)
    measured = set(data["method"]) & set(analysis.looks)
    first = dict.fromkeys([*analysis.references[:1], *analysis.looks])
    methods = [method for method in first if method in measured][:2]
    data = data[data["method"].isin(methods)]  # of no setting that only others finished
    words, known = run.words, not run.unknown
    what = _BELOW if known else _SHOWN
    caption = _CAPTION.format(words=words, shown=what, methods=_words(analysis, methods))
    caption += matrices.numbered(run, data)
    caption += core_note(analysis, run.confusion["setting"])
    drawn = []
    for arena, here in data.groupby("arena", sort=False):
        settings = list(dict.fromkeys(here["setting"]))
        for columns in layout.chunks(settings, min(COLUMNS, int((venue.width - _BESIDE) / 1.1))):
            part = here[here["setting"].isin(columns)]
            panels = _panels(part, columns, known=known)
            figure = _figure(analysis, panels, part, venue)
            drawn.append(Page(figure, _numbers(analysis, panels, part), caption, str(arena)))
    kept = layout.spread(drawn, layout.PAGES)
    more = layout.of_many(len(kept), len(drawn), "pages")
    return [replace(page, caption=page.caption + more) for page in kept]


def of_core(analysis: Analysis) -> pd.DataFrame:
    """Return the confusion of the core settings, in their order; the clean ones only if alone.

    Raises:
        AbsentError: there is none.
    """
    run = analysis.run
    if run.confusion.empty:
        raise AbsentError(missing(run, "confusion.csv", "no finished cell was tested"))
    place = {setting: number for number, setting in enumerate(analysis.core_settings)}
    data = run.confusion[run.confusion["setting"].isin(place)]
    data = data[data["noisy"]] if data["noisy"].any() else data
    return data.sort_values("setting", key=lambda names: names.map(place), kind="stable")


def percent(rows: pd.DataFrame, column: str) -> Floats:
    """Return the shares of each true class, ``(C, C)``; nan of a class without images."""
    counted = matrix_of(rows, column)
    total = counted.sum(1, keepdims=True)
    return 100 * counted / np.where(total > 0, total, np.nan)


def given_of(rows: pd.DataFrame) -> Floats:
    """Return what the labels of a setting were given, of the method with the most seeds."""
    most = rows["method"].to_numpy()[int(rows["seeds"].argmax())]
    return percent(rows[rows["method"] == most], "given")


def _words(analysis: Analysis, methods: Sequence[str]) -> str:
    names = [analysis.looks[method].label for method in methods]
    if len(names) < 2:
        return names[0]
    return f"{names[0]} and of the best method by mean {analysis.run.words.accuracy}, {names[1]},"


def _panels(data: pd.DataFrame, settings: Sequence[str], *, known: bool) -> list[_Panel]:
    """Return the matrices of settings: of given labels where the true ones are known."""
    panels = []
    for setting in settings:
        rows = data[data["setting"] == setting]
        panels += [_Panel(setting, GIVEN, given_of(rows))] if known else []
        for method, own in rows.groupby("method"):
            panels.append(_Panel(setting, str(method), percent(own, "predicted")))
    return panels


def _numbers(analysis: Analysis, panels: Sequence[_Panel], data: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of a page, an entry of a matrix a row."""
    tables = []
    for panel in panels:
        true, taken = np.indices(panel.shares.shape)
        (dataset,) = data.loc[data["setting"] == panel.setting, "dataset"].unique()
        names = matrices.class_names(analysis.run, dataset, len(panel.shares))
        table = pd.DataFrame(
            {
                "true": [names[label] for label in true.ravel()],
                "taken_for": [names[label] for label in taken.ravel()],
                "percent": panel.shares.ravel(),
            }
        )
        tables.append(table.assign(setting=panel.setting, what=panel.method))
    return pd.concat(tables, ignore_index=True)


def _figure(
    analysis: Analysis, panels: Sequence[_Panel], data: pd.DataFrame, venue: Venue
) -> Figure:
    true_class = analysis.run.words.true_class
    settings = list(dict.fromkeys(panel.setting for panel in panels))
    rows = [m for m in (GIVEN, *analysis.looks) if m in {panel.method for panel in panels}]
    reference = [m for m in analysis.references[:1] if m in rows]
    rows = list(dict.fromkeys([*rows[: GIVEN in rows], *reference, *rows]))
    (dataset,) = data["dataset"].unique()
    names = matrices.names_beside(analysis.run, dataset, len(panels[0].shares))
    side = min((venue.width - _BESIDE - names.inches) / len(settings), _SIDE)
    upright = names.inches * names.turned
    width = max(side * len(settings) + _BESIDE + names.inches, _LEAST)
    figure = layout.new_figure(width, side * len(rows) + _AROUND + upright)
    grid = figure.subplots(len(rows), len(settings), squeeze=False)
    scale: dict[str, Any] = {"cmap": "Greys", "norm": PowerNorm(0.5, 0, 100)}
    small = replace(venue, points=venue.small)
    by_place = {(panel.method, panel.setting): panel.shares for panel in panels}
    for row, method in enumerate(rows):
        label = "given labels" if method == GIVEN else analysis.looks[method].label
        for column, setting in enumerate(settings):
            axes = grid[row, column]
            if measured := (method, setting) in by_place:
                image = matrices.draw(axes, by_place[method, setting], scale)
                matrices.tell(axes, by_place[method, setting], names)
            else:
                layout.write_centred(axes, "no run")
                axes.set(xticks=[], yticks=[], box_aspect=1)
                axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(layout.name_lines(setting, side - 0.2, small), fontsize=venue.small)
            if column == 0:
                axes.set_ylabel(f"{layout.name_lines(label, side - 0.2, small)}\n{true_class}")
                if measured:
                    matrices.name_beside(axes, names)
            if row == len(rows) - 1 and measured:
                matrices.name_below(axes, names)
                axes.set_xlabel("taken for")
    bar = figure.colorbar(
        image, ax=list(grid.flat), location="bottom", aspect=30, shrink=0.7, pad=0.02, ticks=_TICKS
    )
    bar.set_label(f"Share of the {true_class} (%)")
    bar.outline.set_visible(False)
    return figure

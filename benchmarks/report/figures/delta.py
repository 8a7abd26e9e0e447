"""What each method gains on the reference in each setting, as a heat map."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.collections import QuadMesh
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from benchmarks.report import stats
from benchmarks.report.analysis import FEWEST_PAIRS, REFERENCES, Analysis
from benchmarks.report.figures import canvas, matrix
from benchmarks.report.figures.canvas import AbsentError, Drawing
from benchmarks.report.phrases import MINUS, signed
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS

NAMES = {"acc": "delta", "ece": "delta_ece"}
_CELL = 0.33
_MAP = "RdBu"  # blue is better, red is worse, white is no difference


def pages(analysis: Analysis, venue: Venue, metric: str) -> list[Drawing]:
    """Methods by settings: the mean paired difference to the reference, in points."""
    run = analysis.run
    reference = the_reference(analysis)
    data = points(analysis, reference, metric)
    if data.empty:
        raise AbsentError("No seed finished with both a method and the reference.")
    looks = analysis.looks
    methods = [m for m in run.methods if m in set(data["method"])]
    settings = [s for s in run.settings if s in set(data["setting"])]
    labels = [looks[m].label for m in methods]
    parts, more = matrix.split(methods, settings, matrix.fitting(venue, labels, _CELL))
    limit = _limit(data["difference"])
    drawn = []
    for page, (rows, columns) in enumerate(parts, start=1):
        part = data[data["method"].isin(rows) & data["setting"].isin(columns)]
        frame = matrix.frame(venue, [looks[m].label for m in rows], columns)
        _fill(frame, _grids(part, rows, columns), metric, limit)
        canvas.heading(frame.figure, run.note)
        name = canvas.page_name(NAMES[metric], page)
        caption = _caption(looks[reference].label, metric) + more
        drawn.append(Drawing(name, frame.figure, part, caption))
    return drawn


def the_reference(analysis: Analysis) -> str:
    """What every method is compared with.

    Raises:
        AbsentError: the run has none, or nothing beside it.
    """
    if not analysis.references:
        names = " nor ".join(REFERENCES)
        raise AbsentError(f"The run has neither {names} to compare with.")
    if len(analysis.run.methods) == 1:
        raise AbsentError("One method alone has nothing to be compared with.")
    return analysis.references[0]


def points(analysis: Analysis, reference: str, metric: str) -> pd.DataFrame:
    """``difference`` in drawing units of each ``method`` and ``setting``, ``n`` and ``p_holm``.

    A difference of fewer than three pairs has no ``p_holm``.
    """
    means = analysis.mean_differences(reference, metric)
    tests = analysis.differences(reference, metric)[["method", "setting", "n", "p_holm"]]
    data = means.merge(tests, on=["method", "setting"], how="left")
    scale = 100 if METRICS[metric].percent else 1
    data["difference"] *= scale
    return data[["method", "setting", "difference", "n", "p_holm"]]


def _grids(
    part: pd.DataFrame, rows: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Differences, and whether each is told from zero; ``(methods, settings)``."""
    table = part.set_index(["method", "setting"])
    places = pd.MultiIndex.from_product([rows, columns])
    shape = (len(rows), len(columns))
    difference = table["difference"].reindex(places).to_numpy(np.float64).reshape(shape)
    p = table["p_holm"].reindex(places).to_numpy(np.float64).reshape(shape)
    return difference, p < stats.ALPHA


def _limit(differences: pd.Series) -> float:
    """The difference of the strongest colour: a few far beyond the rest do not fade all others."""
    sizes = differences.abs()
    return float(max(min(1.5 * sizes.quantile(0.8), sizes.max()), 1.0))


def _fill(
    frame: matrix.Frame,
    grids: tuple[NDArray[np.float64], NDArray[np.bool_]],
    metric: str,
    limit: float,
) -> None:
    difference, told = grids
    sign = 1 if METRICS[metric].better == "higher" else -1
    mesh = frame.axes.pcolormesh(
        sign * difference, cmap=_MAP, vmin=-limit, vmax=limit, edgecolors="white", linewidth=0.6
    )
    known = np.isfinite(difference)
    matrix.hatch(frame.axes, known & ~told, "0.72")
    texts = np.full(difference.shape, "", dtype=object)
    scale = 100 if METRICS[metric].percent else 1
    texts[known] = [signed(metric, value / scale) for value in difference[known]]
    strong = np.abs(difference) > 0.6 * limit
    matrix.write(frame, texts, np.where(strong & known, "white", "black").astype(object))
    _bar(frame, mesh, sign, beyond=bool((np.abs(difference) > limit).any()))


def _bar(frame: matrix.Frame, mesh: QuadMesh, sign: int, *, beyond: bool) -> None:
    """The scale, in the sign of the metric, so that blue is below zero where less is better."""
    extend: Literal["both", "neither"] = "both" if beyond else "neither"
    bar = frame.figure.colorbar(
        mesh, ax=frame.axes, extend=extend, fraction=0.05, pad=0.02, aspect=14, shrink=0.9
    )
    bar.outline.set_visible(False)
    bar.locator = canvas.few_ticks(5)
    bar.formatter = FuncFormatter(
        lambda value, _: f"{sign * value:+g}".replace("-", MINUS) if value else "0"
    )
    bar.update_ticks()
    bar.ax.tick_params(length=0)


def _caption(reference: str, metric: str) -> str:
    return (
        f"{METRICS[metric].label} in points above {reference}, mean over seeds of the paired "
        "difference at the last epoch. Blue is better, red worse. Hatched: not told from zero by a "
        f"paired t test over at least {FEWEST_PAIRS} seeds (Holm over all cells, "
        f"{stats.ALPHA:g}). Colours end at the bar's arrows; the numbers do not."
    )

"""Losses of rightly labelled and of mislabelled training images: can they be told apart?"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.stats import norm

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import layout
from benchmarks.report.figures.layout import AbsentError, Page, Venue
from benchmarks.report.figures.methods import MethodGrid, method_grids
from benchmarks.report.stats import Floats
from benchmarks.schema import LOSS_BINS, LOSS_RANGE

_TICKS = (0, 5, 25, 80)
_EDGES = np.geomspace(*LOSS_RANGE, LOSS_BINS + 1)
_CENTRES = np.sqrt(_EDGES[1:] * _EDGES[:-1])
_FITTED = 1000
"""About so many values stand for a histogram when a mixture is fitted to it."""
RIGHT, WRONG = "#3a7ca5", "#c8553d"
_CAPTION = (
    "Loss of the given label (nats, log scale) of training images at the end, all seeds together: "
    "filled, images whose label is right; outlined, those whose label is wrong, each as a share of "
    "its kind on a square-root axis; the bins at either end hold what lies beyond. The AUROC is "
    "how well the loss separates them, mean over seeds (0.5 is chance). Dashed: the mixture of "
    "two normal distributions of the log loss that fits all images within the range best, without "
    "knowing whose label is right, each component as shares of itself; the dotted cut is where "
    "both are equally likely, and none is drawn where one is likelier all the way."
)
GROUP = ["arena", "panel", "setting", "method"]
MIXTURE = [f"{a}_{b}" for b in ("low", "high") for a in ("weight", "median", "spread")] + ["cut"]


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods by noises."""
    run = analysis.run
    if run.losses.empty:
        raise AbsentError(missing(run, "losses.csv", "no training label is wrong"))
    drawn = []
    for grid in method_grids(analysis, points(run)):
        fitted = replace(grid, data=_with_mixtures(grid.data))
        drawn.append(Page(_figure(fitted, venue), fitted.data, _CAPTION + grid.note, grid.arena))
    return drawn


def missing(run: Run, name: str, otherwise: str) -> str:
    """Return why a pooled table is empty: an old folder, or nothing to put in it."""
    if name in run.absent:
        return f"The folder has no {name}; `report` writes it where the parts are still there."
    return f"{otherwise[0].upper()}{otherwise[1:]}."


def points(run: Run) -> pd.DataFrame:
    """Return ``right`` and ``wrong`` in percent of their kind in each bin, and the ``auroc``."""
    data = run.losses[[*GROUP, "seeds", "bin", "low", "high", "right", "wrong"]].copy()
    data["images"] = data["right"] + data["wrong"]
    totals = data.groupby(GROUP)[["right", "wrong"]].transform("sum")
    data[["right", "wrong"]] = 100 * data[["right", "wrong"]] / totals.clip(lower=1)
    scores = run.detection[run.detection["score"] == "loss"]
    auroc = scores.groupby(["setting", "method"])["auroc"].mean().reset_index()
    return data.merge(auroc, on=["setting", "method"], how="left")


def _with_mixtures(data: pd.DataFrame) -> pd.DataFrame:
    """Add :func:`mixture` of each panel to the points of a page."""
    fits = [
        dict(zip(GROUP, key, strict=True)) | mixture(rows["bin"], rows["images"])
        for key, rows in data.groupby(GROUP, sort=False)
    ]
    table = pd.DataFrame(fits).reindex(columns=[*GROUP, *MIXTURE])
    return data.merge(table, on=GROUP, how="left")


def mixture(bins: pd.Series, images: pd.Series) -> dict[str, float]:
    """Fit two normal distributions to the logarithms of losses, from their histogram.

    The outer bins hold what lies beyond the range of the histogram, nobody knows where, and are
    left out: a fit would put a component on their spike.

    Args:
        bins: the number of each bin.
        images: how many images lie in it.

    Returns:
        ``weight``, ``median`` (nats) and ``spread`` (standard deviation of the natural logarithm)
        of the component of lower and of higher loss, as ``weight_low`` and so on, and the ``cut``
        between them where both are equally likely: nan where one is likelier all the way, and
        nothing where all images are in the outer bins.
    """
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415 - takes long to import

    inside = bins.between(1, LOSS_BINS - 2)
    if not inside.any():
        return {}
    bins, images = bins[inside], images[inside]
    copies = np.ceil(_FITTED * images / images.sum()).astype(int)
    values = np.repeat(np.log(_CENTRES[bins]), copies)[:, None]
    half_bin = np.log(_EDGES[1] / _EDGES[0]) / 2  # a histogram shows nothing that is narrower
    model = GaussianMixture(
        2, reg_covar=half_bin**2, max_iter=1000, n_init=3, init_params="k-means++", random_state=0
    )
    fit = model.fit(values)
    mean = fit.means_[:, 0]
    low, high = np.argsort(mean)
    between = np.linspace(mean[low], mean[high], 1001)
    is_low = fit.predict_proba(between[:, None])[:, low] > 0.5
    cut = np.exp(between[is_low.argmin()]) if is_low[0] and not is_low[-1] else np.nan
    sides = np.stack([fit.weights_, np.exp(mean), np.sqrt(fit.covariances_.ravel())])
    return dict(zip(MIXTURE, [*sides[:, low], *sides[:, high], cut], strict=True))


def _figure(grid: MethodGrid, venue: Venue) -> Figure:
    figure, panels = grid.figure(venue, 0.85, "Loss (nats)")
    top = 1.6 * float(grid.data[["right", "wrong"]].max().max())
    for axes, rows in panels:
        axes.set_xscale("log")
        axes.set_xlim(*LOSS_RANGE)
        axes.xaxis.set_major_locator(FixedLocator([1e-4, 1e-2, 1, 100]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(layout.powers_of_ten())
        axes.set_yscale("function", functions=(_root, np.square))
        axes.set_ylim(0, top)
        axes.set_yticks([tick for tick in _TICKS if tick <= top])
        if len(rows):
            _draw_histogram(axes, rows)
            _draw_mixture(axes, rows.iloc[0], venue.points - 2)
    figure.supylabel("Share of images (%)", fontsize=venue.points)
    handles = [
        Patch(color=RIGHT, alpha=0.6, label="label is right"),
        Line2D([], [], color=WRONG, linewidth=1.2, label="label is wrong"),
        Line2D([], [], color="0.25", linewidth=0.8, linestyle=(0, (3, 1.5)), label="mixture"),
        Line2D([], [], color="0.25", linewidth=0.7, linestyle=(0, (1, 1.5)), label="its cut"),
    ]
    ncols = 4 if figure.get_figwidth() > 4.5 else 2
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
    return figure


def _root(shares: Floats) -> Floats:
    return np.sqrt(np.maximum(shares, 0))


def _draw_histogram(axes: Axes, rows: pd.DataFrame) -> None:
    heights = rows.set_index("bin")[["right", "wrong"]].reindex(range(LOSS_BINS), fill_value=0)
    axes.stairs(heights["right"], _EDGES, fill=True, color=RIGHT, alpha=0.6)
    axes.stairs(heights["wrong"], _EDGES, color=WRONG, linewidth=1.0)


def _draw_mixture(axes: Axes, fit: pd.Series, size: float) -> None:
    """Draw the components as shares of themselves in each bin, and the cut; write AUROC and cut."""
    bounds = [-np.inf, *np.log(_EDGES[1:-1]), np.inf]
    for side, colour in (("low", RIGHT), ("high", WRONG)):
        below = norm.cdf(bounds, np.log(fit[f"median_{side}"]), fit[f"spread_{side}"])
        share = 100 * np.diff(below)
        axes.plot(_CENTRES, share, color=colour, linewidth=0.8, linestyle=(0, (3, 1.5)))
    words = [f"AUROC {fit['auroc']:.2f}"] if np.isfinite(fit["auroc"]) else []
    if np.isfinite(fit["cut"]):
        axes.axvline(fit["cut"], ymax=0.65, color="0.25", linewidth=0.7, linestyle=(0, (1, 1.5)))
        words.append(f"cut {fit['cut']:.2g}")
    text = "\n".join(words)
    axes.text(0.03, 0.96, text, transform=axes.transAxes, va="top", fontsize=size, linespacing=1.1)

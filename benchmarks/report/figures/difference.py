"""The gain of each method on the reference in each setting, as a heat map."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from benchmarks.report import stats
from benchmarks.report.analysis import REFERENCES, Analysis
from benchmarks.report.figures import heat_map, layout, survivors
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.phrases import MINUS, signed
from benchmarks.report.venues import Venue
from benchmarks.schema import METRICS


def pages(analysis: Analysis, venue: Venue, metric: str) -> list[Page]:
    """Draw methods by settings: the mean paired difference to the reference, in points."""
    reference = the_reference(analysis)
    data = points(analysis, reference, metric)
    if data.empty:
        raise AbsentError("No seed finished with both a method and the reference.")
    if len(set(data["setting"])) == 1:
        raise AbsentError("A heat map of one setting is a column of a table.")
    name, words = analysis.label(reference), analysis.run.words
    shown = {m: k.label for m, k in analysis.looks.items() if m in set(data["method"])}
    settings = [s for s in analysis.run.settings if s in set(data["setting"])]
    parts, more = heat_map.split(venue, shown, settings)
    limit = _limit(data["difference"])
    drawn = []
    for rows, columns in parts:
        part = data[data["method"].isin(rows) & data["setting"].isin(columns)]
        entries = heat_map.entries(part, rows, columns)
        figure = heat_map.draw(
            venue,
            shown,
            heat_map.setting_names(analysis.run),
            _coloured(entries, metric),
            hatch_colour="0.72",
            cmap="RdBu" if METRICS[metric].better == "higher" else "RdBu_r",  # blue is better
            vmin=-limit,
            vmax=limit,
            cbar_kws=_colour_bar(extended=data["difference"].abs().max() > limit),
        )
        few = np.argwhere(survivors.lost(entries).to_numpy().reshape(len(rows), -1))
        survivors.mark_corners(figure.axes[0], [(column + 1, row) for row, column in few])
        figure.axes[-1].tick_params(length=0)
        label = f"{words.metric(metric).label}, difference{_unit(metric)}"
        figure.axes[-1].set_ylabel(layout.wrapped(label, figure.get_figheight() - 0.8, venue))
        above = f"{words.metric(metric).label}{_unit(metric)} above {name}"
        caption = _caption(above, _coloured(entries, metric), limit)
        drawn.append(Page(figure, part, caption + more))
    return drawn


def the_reference(analysis: Analysis) -> str:
    """Return the method that every other one is compared with.

    Raises:
        AbsentError: the run has none, or nothing beside it.
    """
    if not analysis.references:
        names = " nor ".join(REFERENCES)
        raise AbsentError(f"The run has neither {names} to compare with.")
    if set(analysis.run.methods) <= {analysis.references[0]}:
        raise AbsentError("One method alone has nothing to be compared with.")
    return analysis.references[0]


def points(analysis: Analysis, reference: str, metric: str) -> pd.DataFrame:
    """Return each ``difference`` in points by ``method`` and ``setting``, and what may be claimed.

    A difference of fewer than three pairs has no ``p_adjusted``. ``done`` of ``planned`` seeds
    finished with both methods.
    """
    data = analysis.compared(reference, metric)
    data = data.assign(difference=_scale(metric) * data["difference"]).rename(columns={"n": "done"})
    keys, claimed = ["method", "setting"], ["family", "p_adjusted", "outcome"]
    table = data.join(analysis.planned(reference), on=keys)
    return table[[*keys, "difference", "done", "planned", *claimed]]


def _scale(metric: str) -> int:
    return 100 if METRICS[metric].percent else 1


def _limit(differences: pd.Series) -> float:
    """Return the difference of the strongest colour.

    A few differences far beyond the rest must not fade all others.
    """
    sizes = differences.abs()
    return float(max(min(1.5 * sizes.quantile(0.8), sizes.max()), 1.0))


def _coloured(entries: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the value, the text and the hatching of every entry."""
    difference = entries["difference"]
    return entries.assign(
        value=difference,
        text=difference.map(lambda d: signed(metric, d / _scale(metric))),
        hatched=difference.notna() & ~entries["outcome"].isin(["better", "worse"]),
    )


def _unit(metric: str) -> str:
    return " (points)" if METRICS[metric].percent else " (nats)" if metric == "nll" else ""


def _colour_bar(*, extended: bool) -> dict[str, object]:
    return {
        "extend": "both" if extended else "neither",
        "fraction": 0.04,
        "pad": 0.01,
        "aspect": 14,
        "shrink": 0.9,
        "ticks": layout.few_ticks(5),
        "format": FuncFormatter(lambda v, _: f"{v:+g}".replace("-", MINUS) if v else "0"),
    }


def _caption(above: str, entries: pd.DataFrame, limit: float) -> str:
    text = (
        f"{above}, mean over seeds of the paired difference at the last epoch. Blue is better, "
        "red worse."
    )
    if entries["hatched"].any():
        text += (
            " Hatched: no difference detected by paired t tests over at least "
            f"{stats.FEWEST_PAIRS} seeds (at {stats.ALPHA:g}: p after Holm for what the suite "
            "asked, q for all else)."
        )
    text += survivors.OPEN * bool(survivors.lost(entries).any())
    if entries["value"].abs().max() > limit:
        text += f" Beyond {limit:.1f} either way all colours are alike; the numbers are not."
    return text

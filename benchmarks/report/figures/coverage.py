"""The runs that were planned, that finished and that failed, method by setting."""

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import Run
from benchmarks.report.figures import heat_map
from benchmarks.report.figures.layout import AbsentError, Page
from benchmarks.report.looks import order_methods
from benchmarks.report.venues import Venue

_THIN = 0.115
"""The least width of an entry in inches where there are too many settings for numbers."""
_STATES = {
    "nothing planned": "white",
    "none yet": "#f7f7f7",
    "some missing": "#e4eef7",
    "all finished": "#a8cbe6",
    "any failed": "#e8a08f",
}
_CAPTION = (
    "Runs that finished of those planned. Hatched: some diverged or failed; the list of reasons "
    "is in the report."
)


def pages(analysis: Analysis, venue: Venue) -> list[Page]:
    """Draw methods by settings, in each entry the number of seeds done of those planned."""
    data, run = points(analysis.run), analysis.run
    if (data["done"] == data["planned"]).all():
        raise AbsentError("Every planned cell finished.")
    others = order_methods(set(data["method"]) - set(analysis.looks))
    labels = {method: analysis.label(method) for method in (*analysis.looks, *others)}
    known = set(data["setting"])
    settings = [s for s in run.settings if s in known]
    settings += sorted(known - set(settings))  # planned, nothing tried yet
    parts, more = heat_map.split(venue, labels, settings, _THIN)
    drawn = []
    for rows, columns in parts:
        part = data[data["method"].isin(rows) & data["setting"].isin(columns)]
        counts = heat_map.entries(part, rows, columns, fill=0)
        names = heat_map.setting_names(run)
        drawn.append(Page(_figure(counts, labels, names, venue), part, _CAPTION + more))
    return drawn


def points(run: Run) -> pd.DataFrame:
    """Count ``planned``, ``done``, ``diverged`` and ``failed`` seeds by ``method`` and ``setting``.

    Cells that ended outside the plan, or without one, count as planned.
    """
    keys = ["method", "setting"]
    known = run.cells[[*keys, "cell_id", "status"]]
    waiting = run.plan[~run.plan["cell_id"].isin(known["cell_id"])]
    cells = pd.concat([known, waiting[[*keys, "cell_id"]].assign(status="missing")])
    counts = cells.pivot_table(index=keys, columns="status", aggfunc="size", fill_value=0)
    counts = counts.reindex(columns=["done", "diverged", "failed", "missing"], fill_value=0)
    counts.insert(0, "planned", counts.sum(axis=1))
    return counts.reset_index().rename_axis(columns=None)


def _figure(
    counts: pd.DataFrame,
    labels: dict[str, str],
    names: dict[str, heat_map.Setting],
    venue: Venue,
) -> Figure:
    planned, done = counts["planned"], counts["done"]
    fault = counts["diverged"] + counts["failed"] > 0
    conditions = [planned == 0, fault, done == planned, done > 0]
    states = ["nothing planned", "any failed", "all finished", "some missing"]
    state = pd.Series(np.select(conditions, states, "none yet"), counts.index)
    entries = counts.assign(
        value=state.map(list(_STATES).index),
        text=(done.astype(str) + "/" + planned.astype(str)).where(planned > 0, ""),
        hatched=fault,
    )
    figure = heat_map.draw(
        venue,
        labels,
        names,
        entries,
        hatch_colour="0.35",
        cmap=ListedColormap(list(_STATES.values())),
        vmin=-0.5,
        vmax=len(_STATES) - 0.5,
        cbar=False,
    )
    handles = [
        Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4, label=name)
        for name, colour in _STATES.items()
        if name in set(state) - {"nothing planned"}
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure

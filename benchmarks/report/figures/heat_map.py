"""Methods by settings as a heat map: how large it is, how it is split into pages and drawn."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.report.data import Run
from benchmarks.report.figures import layout, tips
from benchmarks.report.looks import ink
from benchmarks.report.venues import SMALLEST, Venue

ENTRY = 0.29
"""The inches from which on an entry is wide enough for a number."""
_PLUS = 0.33
"""The inches from which on there is room for a plus."""
_ROW_HEIGHT = 0.18
_LEVEL, _LONGEST = 0.48, 24
"""The inches from which on an entry has its setting's name written level below it, and the letters
of the longest name that is not."""
_FOOT = 2.0
"""The inches of the longest names of settings, with a bar or a legend below them."""

Setting = tuple[str, str]
"""The two lines of a setting's name: what it is called beside others, and what those share."""


def setting_names(run: Run) -> dict[str, Setting]:
    """Return how each setting is called below a heat map: ``20%`` of the group ``symmetric``."""
    rows = run.results.drop_duplicates("setting")
    names = {}
    for row in rows.to_dict("records"):
        kind, panel = row["kind"], row["panel"]
        rate = panel.removeprefix(f"{kind} ") if panel.startswith(f"{kind} ") else panel
        group = ", ".join(part for part in (row["arena"], kind if rate != panel else "") if part)
        names[row["setting"]] = rate, group
    return names


def split(
    venue: Venue, labels: Mapping[str, str], settings: Sequence[str], least: float = ENTRY
) -> tuple[list[tuple[tuple[str, ...], tuple[str, ...]]], str]:
    """Return the methods and settings of each page, and what a caption says where not all fit.

    Where not all settings fit with numbers, an entry is ``least`` inches wide.
    """
    room = _room(venue, labels)
    entry = ENTRY if len(settings) <= room // ENTRY else least
    rows = int((venue.tallest - _FOOT) / _row_height(labels, venue))
    pages, shown = layout.split(list(labels), settings, (rows, max(1, int(room / entry))))
    return pages, layout.of_many(shown, len(settings), "settings")


def _row_height(labels: Mapping[str, str], venue: Venue) -> float:
    wrapped = [layout.name_lines(label, 2.0, venue) for label in labels.values()]
    return layout.row_height(wrapped, _ROW_HEIGHT, venue)


def entries(
    data: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], fill: float = np.nan
) -> pd.DataFrame:
    """Return the data of every pair of method and setting, also of those that it lacks."""
    places = pd.MultiIndex.from_product([rows, columns], names=["method", "setting"])
    return data.set_index(places.names).reindex(places, fill_value=fill)


def _room(venue: Venue, labels: Mapping[str, str]) -> float:
    """Return the inches that the longest label leaves for entries."""
    return venue.width - min(max(map(len, labels.values())) * venue.letter * 0.9, 2.0) - 0.5


def ink_on(image: ScalarMappable, value: float) -> str:
    """Return the colour of letters on that of a value in an image."""
    return ink(to_hex(tuple(image.to_rgba(np.array([value]))[0])))


def draw(
    venue: Venue,
    labels: Mapping[str, str],
    names: Mapping[str, Setting],
    entries: pd.DataFrame,
    hatch_colour: str,
    **options: object,
) -> Figure:
    """Draw a coloured entry for each method and setting.

    Args:
        venue: where it is printed.
        labels: the label of each method.
        names: of :func:`setting_names`; a setting that it lacks is called by its key.
        entries: by method and setting, each pair of both, the number ``value``, the ``text``
            that is written where entries are large enough, and whether they are ``hatched``.
        hatch_colour: the colour of the thin lines over hatched entries.
        options: those of ``seaborn.heatmap``.
    """
    methods, settings = (entries.index.unique(level) for level in (0, 1))
    value, text, hatched = (
        pd.DataFrame(entries[name].to_numpy().reshape(len(methods), -1), methods, settings)
        for name in ("value", "text", "hatched")
    )
    labels = {method: labels[method] for method in methods}
    room = _room(venue, labels)
    entry = min(room / len(settings), 1.1)
    called = [names.get(setting, (setting, "")) for setting in settings]
    level = entry >= _LEVEL or all(0.85 * len(name) * venue.letter <= entry for name, _ in called)
    groups = [
        layout.name_lines(group, entry * len(list(members)), venue)
        for group, members in groupby(group for _, group in called)
    ]
    short = [
        layout.name_lines(name, entry, venue) if level else layout.shortened(name, _LONGEST)
        for name, _ in called
    ]
    foot = 0.14 * max(name.count("\n") + 1 for name in short)
    if not level:
        foot = max(map(len, short)) * venue.letter * 0.9
    below = max(group.count("\n") + 1 if group else 0 for group in groups)
    width = min(venue.width, venue.width - room + entry * len(settings) + 0.3)
    height = _row_height(labels, venue) * len(methods) + foot + 0.14 * below + 0.6
    figure = layout.new_figure(width, height)
    axes = figure.subplots()
    size = venue.small if entry > 0.4 else SMALLEST
    if entry < _PLUS:
        text = text.replace(r"^\+", "", regex=True)
    sns.heatmap(
        value,
        annot=text if entry >= ENTRY else None,
        fmt="",
        annot_kws={"fontsize": size},
        linewidths=0.6,
        xticklabels=False,
        yticklabels=False,
        ax=axes,
        **options,
    )
    for note in axes.texts:
        x, y = map(int, note.get_position())
        note.set_color(ink_on(axes.collections[0], value.to_numpy()[y, x]))
    for place, method in enumerate(methods):
        known = value.loc[method].notna() & text.loc[method].ne("")
        texts = [f"{labels[method]}, {name}: {t}" for name, t in text.loc[method][known].items()]
        tips.say(axes, np.flatnonzero(known) + 0.5, place + 0.5, texts)
    axes.set(xlabel="", ylabel="")
    axes.set_xticks(np.arange(len(short)) + 0.5, short, rotation=0 if level else 90)
    wrapped = [layout.name_lines(label, 2.0, venue) for label in labels.values()]
    axes.set_yticks(np.arange(len(methods)) + 0.5, wrapped)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    if below:
        _write_groups(axes, called, groups, pad=72 * foot + 3)
    for y, x in np.argwhere(hatched.to_numpy()):
        box = Rectangle((x, y), 1, 1, fill=False, hatch="/////", linewidth=0)
        axes.add_patch(box).set_edgecolor(hatch_colour)
    return figure


def _write_groups(axes: Axes, called: Sequence[Setting], groups: Sequence[str], pad: float) -> None:
    """Write what neighbouring settings share below their names, and part it by white lines."""
    sizes = [len(list(members)) for _, members in groupby(group for _, group in called)]
    ends = np.cumsum([0, *sizes])
    axis = axes.secondary_xaxis("bottom")
    axis.set_xticks((ends[1:] + ends[:-1]) / 2, groups)
    axis.tick_params(length=0, pad=pad)
    axis.spines[:].set_visible(False)
    for end in ends[1:-1]:
        axes.axvline(end, color="white", linewidth=3)

"""Contact sheets: the most doubtful images of a ranking with their labels, for a reviewer."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.report.figures.layout import new_figure, paper_style, wrapped
from benchmarks.report.phrases import printable
from benchmarks.report.venues import VENUES
from benchmarks.suspects.class_names import class_name
from benchmarks.suspects.ranking import LabelRanking

PAGE = VENUES["tmlr"]
SHEET_COLUMNS = 10
ROW_HEIGHT = 0.94  # inches: an image with two lines of text
COLUMN_WIDTH = PAGE.width / SHEET_COLUMNS
SIDE, GAP = 0.56, 0.04  # of an image, and between it and its text
MARGIN, LINE = 0.15, 0.16  # of the page; of the caption
LETTERS = 11  # of a class name that fit below an image

SHEET_IMAGES = 60
"""The images on a contact sheet: six rows of ten."""


def draw_sheet(
    ranking: LabelRanking, image: Tensor, top: int, folder: Path, *, reveal: bool
) -> Path:
    """Write a PNG of the ``top`` most doubtful images with their labels and return its path.

    ``reveal`` frames the labels that are known to be wrong, which a reviewer should not know.
    """
    rows = ranking.table.head(top)
    names, white = ranking.cell.dataset.classes, ranking.cell.dataset.origin.white
    caption = (
        f"The {len(rows)} most doubtful of {len(ranking.table)} training labels: "
        f"{ranking.title}. Given label, then the predicted one"
    )
    caption += "; framed where the label is known to be wrong." if reveal else "."
    with paper_style(PAGE), rc_context({"savefig.bbox": "standard"}):
        caption = wrapped(caption, PAGE.width - 2 * MARGIN, PAGE)
        figure, axes = _axes(
            MARGIN + LINE * (1 + caption.count("\n")), -(-len(rows) // SHEET_COLUMNS)
        )
        _write(axes, axes.get_xlim()[1] / 2, -LINE * (1 + caption.count("\n")), caption, "0.35")
        for place, row in enumerate(rows.to_dict("records")):
            labels = [int(row[key]) for key in ("given", "predicted")]
            words = [printable(class_name(names, label))[:LETTERS] for label in labels]
            corner = (place % SHEET_COLUMNS * COLUMN_WIDTH, place // SHEET_COLUMNS * ROW_HEIGHT)
            wrong = bool(reveal and row["wrong"])
            _draw_image(axes, corner, image[int(row["position"])].numpy() / white, wrong=wrong)
            text = "\n\N{RIGHTWARDS ARROW} ".join(words)
            names_below = _write(
                axes, corner[0] + COLUMN_WIDTH / 2, corner[1] + SIDE + GAP, text, "black"
            )
            _shrink(names_below, COLUMN_WIDTH - GAP)
        path = folder / f"{ranking.stem}.png"
        figure.savefig(path, metadata={"Software": None})
    return path


def _axes(above: float, lines: int) -> tuple[Figure, Axes]:
    """Return a page and axes over it, in inches from the left and from ``above`` down."""
    figure = new_figure(PAGE.width, above + ROW_HEIGHT * lines)
    figure.set_layout_engine("none")  # it would take a second to find what is known here
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, PAGE.width), ylim=(ROW_HEIGHT * lines, -above))
    return figure, axes


def _draw_image(
    axes: Axes, corner: tuple[float, float], pixels: NDArray[Any], *, wrong: bool
) -> None:
    """Draw an image ``(channels, H, W)`` of values from 0 to 1, with a frame if it is wrong."""
    channels, height, width = pixels.shape
    largest = max(height, width)
    size = (SIDE * width / largest, SIDE * height / largest)
    left = corner[0] + (COLUMN_WIDTH - size[0]) / 2
    top = corner[1] + SIDE - size[1]
    shown = pixels[0] if channels == 1 else np.moveaxis(pixels, 0, -1)
    look: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    extent = (left, left + size[0], top + size[1], top)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(shown, extent=extent, aspect="auto", **look)
    axes.set(xlim=limits[0], ylim=limits[1])
    if wrong:
        frame = Rectangle((left, top), *size, fill=False, edgecolor="#bd1f01", linewidth=1.6)
        axes.add_patch(frame)


def _write(axes: Axes, x: float, y: float, text: str, color: str) -> Text:
    """Write text below a point; a name may hold dollars, which begin no formula."""
    return axes.text(x, y, text, color=color, ha="center", va="top", parse_math=False)


def _shrink(text: Text, inches: float) -> None:
    """Give a text that is wider than ``inches`` smaller letters, so that it covers no other."""
    figure = cast("Figure", text.get_figure(root=True))
    wide = text.get_window_extent().width / figure.dpi
    if wide > inches:
        text.set_fontsize(float(text.get_fontsize()) * inches / wide)

"""Contact sheets: the most doubtful training images with their given and predicted labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from benchmarks.report.figures.canvas import new_figure, paper_style, wrapped
from benchmarks.report.venues import VENUES
from benchmarks.suspects.rank import Suspects

PAGE = VENUES["tmlr"]
COLUMNS = 10
LINE = 0.94  # inches: an image with two lines of text
WORD = 11  # letters of a class name that fit below an image


def draw(suspects: Suspects, image: Tensor, top: int, folder: Path, *, reveal: bool) -> Path:
    """Write the sheet of the ``top`` most doubtful labels and return its PNG.

    Args:
        suspects: the ranking.
        image: ``(N, channels, H, W)`` uint8, the training set in the publisher's order.
        top: how many images.
        folder: where to.
        reveal: frame the labels that are known to be wrong; the truth is unknown to a reviewer.
    """
    rows = suspects.table.head(top)
    lines = -(-len(rows) // COLUMNS)
    names = suspects.cell.dataset.classes
    with paper_style(PAGE):
        figure = new_figure(PAGE.width, 0.5 + LINE * lines)
        grid = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
        for axes, row in zip(grid, rows.to_dict("records"), strict=False):
            words = [named(names, int(row[key]))[:WORD] for key in ("given", "predicted")]
            _one(axes, image[int(row["position"])], words, suspects.cell.dataset.white)
            if reveal and row["wrong"]:
                for spine in axes.spines.values():
                    spine.set(visible=True, color="#bd1f01", linewidth=1.6)
        for axes in grid[len(rows) :]:
            axes.set_visible(False)
        caption = (
            f"The {len(rows)} most doubtful of {len(suspects.table)} training labels: "
            f"{suspects.title}. Given label, then the predicted one"
        )
        caption += "; framed where the label is known to be wrong." if reveal else "."
        figure.suptitle(wrapped(caption, PAGE.width - 0.3, PAGE), color="0.35")
        path = folder / f"{suspects.stem}.png"
        figure.savefig(path, metadata={"Software": None})
    return path


def _one(axes: Axes, image: Tensor, words: Sequence[str], white: int) -> None:
    pixels = np.moveaxis(image.numpy(), 0, -1) / white
    axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("\n\N{RIGHTWARDS ARROW} ".join(words), labelpad=2)


def named(names: tuple[str, ...], label: int) -> str:
    """Return a class's name, or ``?`` for a label that nobody gave."""
    if label < 0:
        return "?"
    return names[label] if label < len(names) else str(label)

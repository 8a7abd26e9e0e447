"""Contact sheets: the most doubtful training images with their given and predicted labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from benchmarks.report.figures.layout import VENUES, new_figure, paper_style, wrapped
from benchmarks.suspects.ranking import LabelRanking

PAGE = VENUES["tmlr"]
COLUMNS = 10
ROW_HEIGHT = 0.94  # inches: an image with two lines of text
LETTERS = 11  # of a class name that fit below an image


def draw_sheet(
    ranking: LabelRanking, image: Tensor, top: int, folder: Path, *, reveal: bool
) -> Path:
    """Write a PNG of the ``top`` most doubtful images with their labels and return its path.

    Args:
        ranking: of the labels.
        image: ``(N, channels, H, W)`` uint8, the training set in the publisher's order.
        top: how many images.
        folder: where the file goes.
        reveal: frame the labels that are known to be wrong, which a reviewer should not know.
    """
    rows = ranking.table.head(top)
    lines = -(-len(rows) // COLUMNS)
    dataset = ranking.cell.dataset
    with paper_style(PAGE):
        figure = new_figure(PAGE.width, 0.5 + ROW_HEIGHT * lines)
        grid = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
        for axes, row in zip(grid, rows.to_dict("records"), strict=False):
            labels = [int(row[key]) for key in ("given", "predicted")]
            words = [class_name(dataset.classes, label)[:LETTERS] for label in labels]
            _draw_image(axes, image[int(row["position"])], words, dataset.white)
            if reveal and row["wrong"]:
                for spine in axes.spines.values():
                    spine.set(visible=True, color="#bd1f01", linewidth=1.6)
        for axes in grid[len(rows) :]:
            axes.set_visible(False)
        caption = (
            f"The {len(rows)} most doubtful of {len(ranking.table)} training labels: "
            f"{ranking.title}. Given label, then the predicted one"
        )
        caption += "; framed where the label is known to be wrong." if reveal else "."
        figure.suptitle(wrapped(caption, PAGE.width - 0.3, PAGE), color="0.35")
        path = folder / f"{ranking.stem}.png"
        figure.savefig(path, metadata={"Software": None})
    return path


def _draw_image(axes: Axes, image: Tensor, words: Sequence[str], white: int) -> None:
    """Draw an image ``(channels, H, W)``, of values from 0 to ``white``, and words below it."""
    pixels = np.moveaxis(image.numpy(), 0, -1) / white
    axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("\n\N{RIGHTWARDS ARROW} ".join(words), labelpad=2)


def class_name(names: tuple[str, ...], label: int) -> str:
    """Return the name of a class, or ``?`` for a prediction that no cell made."""
    if label < 0:
        return "?"
    return names[label] if label < len(names) else str(label)

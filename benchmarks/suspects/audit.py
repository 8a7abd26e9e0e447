"""The audit of a results folder: a table to fill in, contact sheets, and an index page."""

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from torch import Tensor

from benchmarks.errors import RefusedError
from benchmarks.report.figures.layout import VENUES, new_figure, paper_style, wrapped
from benchmarks.report.phrases import count
from benchmarks.suspects.ranking import KEYS, CellFilter, LabelRanking, rank
from benchmarks.sweep import Cell, corrupted

TABLE = "suspects.csv"
PAGE = VENUES["tmlr"]
SHEET_COLUMNS = 10
ROW_HEIGHT = 0.94  # inches: an image with two lines of text
LETTERS = 11  # of a class name that fit below an image

SHEET_IMAGES = 60
"""The images on a contact sheet: six rows of ten."""

MOST_SHEETS = 60
"""The number of rankings with a contact sheet; further ones are in the table only."""

COLUMNS = (
    *("cell_id", *KEYS, "seeds"),
    *("rank", "position", "given", "given_name", "predicted", "predicted_name"),
    *("score", "value", "cells", "corrected"),
)
"""The columns of ``suspects.csv``; the last is blank, for a reviewer to fill in."""


@dataclass(frozen=True)
class Audit:
    """The files that an audit wrote, and what it says of each ranking."""

    table: Path
    index: Path
    sheets: tuple[Path, ...]
    lines: tuple[str, ...]  # one for each ranking: what it is, and how well it ranks
    undrawn: int  # rankings without a sheet


class AuditOptions(NamedTuple):
    """The score that labels are ranked by, and what an audit shows of a ranking."""

    score: str = "loss_mean"  # see benchmarks.suspects.ranking.rank
    top: int = 100  # labels of each ranking that go into the table
    reveal: bool = False  # say which labels are known to be wrong; a reviewer must not see it


def audit(folder: Path, root: Path, cells: CellFilter, options: AuditOptions) -> Audit:
    """Rank the training labels of a results folder and write ``folder/suspects``.

    Args:
        folder: the results folder, with its parts.
        root: the folder of the image files.
        cells: which cells to take.
        options: the score, and what to show.

    Raises:
        RefusedError: no cell fits, or the table that is there has been filled in.
        DataMissingError: the images are not there.
    """
    out = folder / "suspects"
    _refuse_to_lose(out / TABLE)
    rankings = list(rank(folder, cells, options.score))
    first: dict[tuple[object, ...], LabelRanking] = {}  # labels of every method and setting
    for ranking in rankings:
        first.setdefault(tuple(ranking.keys[name] for name in KEYS), ranking)
    shown = list(first.values())[:MOST_SHEETS]
    images = [_images(ranking.cell, root) for ranking in shown]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    size = min(options.top, SHEET_IMAGES)
    sheets = [
        _draw_sheet(ranking, image, size, out, reveal=options.reveal)
        for ranking, image in zip(shown, images, strict=True)
    ]
    table = pd.concat([_rows(ranking, options) for ranking in rankings])
    table.to_csv(out / TABLE, index=False, lineterminator="\n", float_format="%.9g")
    rankings.sort(key=lambda r: (0.0 if math.isnan(r.auroc) else -r.auroc, r.title))
    lines = tuple(_line(ranking) for ranking in rankings)
    index, undrawn = out / "index.md", len(rankings) - len(sheets)
    index.write_text(_page(lines, sheets, options.top, undrawn), encoding="utf-8")
    return Audit(out / TABLE, index, tuple(sheets), lines, undrawn)


def _refuse_to_lose(table: Path) -> None:
    """Refuse to write over a reviewer's work."""
    if not table.is_file():
        return
    corrected = pd.read_csv(table, dtype="str", keep_default_na=False).get("corrected")
    if corrected is None or corrected.str.strip().any():
        raise RefusedError(
            f"{table} has been filled in; keep a copy of it elsewhere and remove it first"
        )


def _images(cell: Cell, root: Path) -> Tensor:
    """Return the ``(N, channels, H, W)`` images that a cell was trained on."""
    train = cell.dataset.load(root, cell.seed)[0]
    if not cell.noise.replaces:
        return train.image
    return corrupted(cell.dataset, cell.noise, cell.seed, train, root).images(train.image)


def _rows(ranking: LabelRanking, options: AuditOptions) -> pd.DataFrame:
    """Return the rows of ``suspects.csv`` for a ranking."""
    rows, names = ranking.table.head(options.top), ranking.cell.dataset.classes
    table = rows.assign(
        **{name: ranking.keys[name] for name in ("cell_id", *KEYS)},
        seeds=" ".join(map(str, ranking.seeds)),
        given_name=[_class_name(names, label) for label in rows["given"]],
        predicted_name=[_class_name(names, label) for label in rows["predicted"]],
        score=ranking.score,
        corrected="",
    )
    return table[[*COLUMNS, *(["wrong"] if options.reveal else [])]]


def _line(ranking: LabelRanking) -> str:
    """Say how well a ranking finds the labels that are known to be wrong."""
    if math.isnan(ranking.auroc):
        return f"{ranking.title}: no label is known to be wrong"
    chance = ranking.table["wrong"].mean()
    return (
        f"{ranking.title}: AUROC {ranking.auroc:.3f}, average precision {ranking.ap:.3f} "
        f"(by chance {chance:.3f})"
    )


def _page(lines: Iterable[str], sheets: list[Path], top: int, undrawn: int) -> str:
    """Return the text of the index page."""
    text = [
        "# The most doubtful training labels",
        (
            f"`{TABLE}` holds the {top} most doubtful labels of every ranking. Fill in its column "
            "`corrected` with a class, by number or name: another one where the given label is "
            "wrong, the same where it is right. `run_all.py relabel` writes the labels with your "
            "corrections, and the noise `labels(file=...)` trains on them."
        ),
        "## How well each ranks",
        "\n".join(f"- {line}" for line in lines),
        "## Contact sheets",
        *(f"![{sheet.stem}]({sheet.name})" for sheet in sheets),
    ]
    if undrawn:
        text.append(f"{count(undrawn, 'further ranking')} in the table only.")
    return "\n\n".join(text) + "\n"


def _draw_sheet(
    ranking: LabelRanking, image: Tensor, top: int, folder: Path, *, reveal: bool
) -> Path:
    """Write a PNG of the ``top`` most doubtful images with their labels and return its path.

    ``reveal`` frames the labels that are known to be wrong, which a reviewer should not know.
    """
    rows = ranking.table.head(top)
    lines = -(-len(rows) // SHEET_COLUMNS)
    dataset = ranking.cell.dataset
    with paper_style(PAGE):
        figure = new_figure(PAGE.width, 0.5 + ROW_HEIGHT * lines)
        grid = figure.subplots(lines, SHEET_COLUMNS, squeeze=False).ravel()
        for axes, row in zip(grid, rows.to_dict("records"), strict=False):
            labels = [int(row[key]) for key in ("given", "predicted")]
            words = [_class_name(dataset.classes, label)[:LETTERS] for label in labels]
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


def _class_name(names: tuple[str, ...], label: int) -> str:
    """Return the name of a class, or ``?`` for a prediction that no cell made."""
    if label < 0:
        return "?"
    return names[label] if label < len(names) else str(label)

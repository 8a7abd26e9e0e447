"""The audit of a results folder: a table to fill in, contact sheets, and an index page."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.commands import command_line
from benchmarks.datasets import Split
from benchmarks.errors import DataMissingError, RefusedError, some
from benchmarks.inputs import sha256_of
from benchmarks.outputs import read_manifest, refuse_foreign_files, replaced_files
from benchmarks.suspects.class_names import class_name
from benchmarks.suspects.corrections import distinguishing
from benchmarks.suspects.page import LEAST, Page
from benchmarks.suspects.ranking import KEYS, CellFilter, FinishedCells, LabelRanking
from benchmarks.suspects.sheets import SHEET_IMAGES, draw_sheet
from benchmarks.sweep import Cell, corrupted, published_index

VERB = "suspects"
TABLE, HELD_OUT, INDEX = "suspects.csv", "held-out.csv", "index.md"
REVIEWED = "reviewed.csv"
"""The name under which a reviewer is told to keep the table that was filled in."""

MOST_SHEETS = 60
"""The number of rankings with a contact sheet; further ones are in the table only."""

COLUMNS = (
    *("cell_id", *KEYS, "seeds"),
    *("rank", "position", "index", "given", "given_name", "predicted", "predicted_name"),
    *("score", "value", "cells", "corrected"),
)
"""The columns of ``suspects.csv``; the last is blank, for a reviewer to fill in."""
NAMED = ("given", "predicted", "true")
"""The columns of classes, each beside one of their names."""
REVEALED = ("wrong", "true", "true_name")
"""The further columns of a table that tells the truth."""


@dataclass(frozen=True)
class Audit:
    """The files that an audit wrote, and what it says of each ranking."""

    table: Path
    index: Path
    sheets: tuple[Path, ...]
    rows: int  # of the table
    lines: tuple[str, ...]  # one for each ranking: what it is, and how well it ranks
    notes: tuple[str, ...]  # what the table leaves out, in sentences
    undrawn: int  # rankings without a sheet, as there are many
    reviewed: Path  # where the table that was filled in is to be kept
    relabel: str  # the command line that applies it


class AuditOptions(NamedTuple):
    """The score that labels are ranked by, and what an audit shows of a ranking."""

    score: str = "loss_mean"  # see ranking.FinishedCells.rankings
    top: int | None = None  # labels of each ranking in the table; None: as many as seem wrong
    reveal: bool = False  # say which labels are known to be wrong; a reviewer must not see it
    repeated: tuple[str, ...] = ()  # options that the next command needs too, such as --plugin


def audit(folder: Path, root: Path, cells: CellFilter, options: AuditOptions) -> Audit:
    """Rank the training labels of a results folder and write ``folder/suspects``.

    The files of a former audit are replaced when the new ones are whole; all others stay.

    Args:
        folder: the results folder, with its parts.
        root: the folder of the image files.
        cells: which cells to take.
        options: the score, and what to show.

    Raises:
        RefusedError: no cell fits, or a file of the former audit has been changed, say filled in.
        DataMissingError: the images are not there.
    """
    out = folder / "suspects"
    _refuse_to_lose(out)
    finished = FinishedCells(folder, cells)
    rankings = list(finished.rankings(options.score))
    if options.reveal and all(ranking.truth_unknown for ranking in rankings):
        names = some(sorted({str(ranking.keys["dataset"]) for ranking in rankings}))
        raise RefusedError(
            f"there is nothing to reveal: {names} has no clean labels, so nobody knows which are "
            "wrong; leave out --reveal"
        )
    published = _Published(root)
    first: dict[tuple[object, ...], LabelRanking] = {}  # labels of every method and setting
    for ranking in rankings:
        first.setdefault(tuple(ranking.keys[name] for name in KEYS), ranking)
    shown = list(first.values())[:MOST_SHEETS]
    relabel = command_line(
        *("relabel", folder, out / REVIEWED, "--out", out / _labels_name(rankings)),
        *options.repeated,
    )
    with replaced_files(out, VERB, title=folder.name) as new:
        table = pd.concat([_rows(ranking, published, options) for ranking in rankings])
        _write(table, new / TABLE)
        held_out = _held_out(rankings, published)
        if len(held_out):
            _write(held_out, new / HELD_OUT)
        size = min(options.top or SHEET_IMAGES, SHEET_IMAGES)
        pictured = ((each, published.images(each.cell)) for each in shown)
        sheets = tuple(
            draw_sheet(each, images, size, new, reveal=options.reveal and not each.truth_unknown)
            for each, images in pictured
            if images is not None
        )
        page = Page(rankings, options.top, _unranked(cells, finished, options.score))
        text = page.text(out / TABLE, out / REVIEWED, relabel, sheets)
        (new / INDEX).write_text(text, encoding="utf-8", newline="\n")
    return Audit(
        table=out / TABLE,
        index=out / INDEX,
        sheets=tuple(out / sheet.name for sheet in sheets),
        rows=len(table),
        lines=page.lines,
        notes=page.notes,
        undrawn=len(rankings) - len(shown),
        reviewed=out / REVIEWED,
        relabel=relabel,
    )


def _refuse_to_lose(out: Path) -> None:
    """Refuse to write over a reviewer's work, before anything is done."""
    manifest, table = read_manifest(out, VERB), out / TABLE
    ours = TABLE in manifest.names() and table.is_file()
    if ours and not manifest.wrote(TABLE, sha256_of(table)):
        free = (out / f"reviewed{n}.csv" for n in ("", *range(2, 100)))
        name = next((path.name for path in free if not path.exists()), "another name")
        raise RefusedError(
            f"{table} has been filled in or changed since `{VERB}` wrote it; rename it to {name}, "
            "under which it is left alone, and try again"
        )
    refuse_foreign_files(out, VERB, manifest.names() | {TABLE, HELD_OUT, INDEX})


def _unranked(cells: CellFilter, finished: FinishedCells, score: str) -> list[str]:
    """Say which runs are not ranked though nobody left them out by name."""
    clean = "Runs on clean labels, which count as right, are ranked only with --noises clean."
    asked = bool(cells.noises) or not finished.any_truth()
    lacking = ", ".join(finished.without(score))
    without = f"Not ranked, for they have no score {score}: {lacking}."
    said = [*([] if asked else [clean]), *([without] if lacking else [])]
    return [*said, *finished.damage()]


class _Published:
    """The training sets of cells, each loaded once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loaded: dict[tuple[object, int], Split] = {}

    def _train(self, cell: Cell) -> Split:
        key = (cell.dataset, cell.seed if cell.dataset.resplit else 0)
        if key not in self._loaded:
            self._loaded[key] = cell.dataset.load(self._root, cell.seed)[0]
        return self._loaded[key]

    def images(self, cell: Cell) -> Tensor | None:
        """Return the ``(N, channels, H, W)`` images that a cell was trained on.

        Of feature vectors they are those that these were computed from, None where they are gone.
        """
        if cell.dataset.vectors:
            with contextlib.suppress(DataMissingError):
                images = cell.dataset.origin
                return None if images.vectors else images.load(self._root, cell.seed)[0].image
            return None
        train = self._train(cell)
        if not cell.noise.replaces:
            return train.image
        labels = corrupted(cell.dataset, cell.noise, cell.seed, train, self._root)
        return labels.images(train.image)

    def index(self, cell: Cell, position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the publisher's index of images, from their positions in the training set."""
        index: NDArray[np.int64] = published_index(self._train(cell)).numpy()[position]
        return index


def _labels_name(rankings: Sequence[LabelRanking]) -> str:
    """Return a name for the files of corrected labels that tells them apart."""
    vectors = {(r.keys["dataset"], r.keys["noise"], r.sha256) for r in rankings}
    words = distinguishing([(dataset, noise) for dataset, noise, _ in vectors])
    if "seed" not in words and any(ranking.cell.dataset.resplit for ranking in rankings):
        words.append("seed")
    return "-".join(["labels", *(f"{{{word}}}" for word in words)]) + ".npy"


def _rows(ranking: LabelRanking, published: _Published, options: AuditOptions) -> pd.DataFrame:
    """Return the rows of ``suspects.csv`` for a ranking."""
    top = options.top or max(LEAST, ranking.doubtful)
    rows, names = ranking.table.head(top), ranking.cell.dataset.classes
    table = rows.assign(
        **{name: ranking.keys[name] for name in ("cell_id", *KEYS)},
        **{f"{n}_name": [class_name(names, k) for k in rows[n]] for n in NAMED},
        seeds=" ".join(map(str, ranking.seeds)),
        index=published.index(ranking.cell, rows["position"].to_numpy()),
        score=ranking.score,
        corrected="",
    )
    if ranking.truth_unknown:  # beside others whose labels are known
        table = table.assign(**dict.fromkeys(REVEALED, ""))
    return table[[*COLUMNS, *(REVEALED if options.reveal else ())]]


def _held_out(rankings: Sequence[LabelRanking], published: _Published) -> pd.DataFrame:
    """Return the labels that no seed of a ranking trained on, each once for all methods."""
    tables: dict[tuple[object, ...], pd.DataFrame] = {}
    for ranking in rankings:
        if not len(ranking.held_out):
            continue
        keys = {name: ranking.keys[name] for name in ("dataset", "noise", "recipe")}
        keys["seeds"] = " ".join(map(str, ranking.seeds))
        index = published.index(ranking.cell, ranking.held_out)
        table = pd.DataFrame({"position": ranking.held_out, "index": index})
        tables.setdefault((*keys.values(), ranking.held_out.tobytes()), table.assign(**keys))
    columns = ["dataset", "noise", "recipe", "seeds", "position", "index"]
    return pd.concat(tables.values())[columns] if tables else pd.DataFrame(columns=columns)


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.9g", encoding="utf-8")

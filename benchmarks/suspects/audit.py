"""Write the audit of a results folder: a table to fill in, contact sheets, and an index page."""

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from torch import Tensor

from benchmarks.errors import RefusedError
from benchmarks.report.phrases import count
from benchmarks.suspects.rank import PLACE, Suspects, Wanted, rank
from benchmarks.suspects.sheet import draw, named
from benchmarks.sweep import Cell, corrupted

TABLE = "suspects.csv"
SHEET = 60
"""Images of a contact sheet: six rows of ten."""

MOST_SHEETS = 60
"""More methods and labellings than this are only ranked in the table."""

LABELS = ("cell_id", *PLACE, "seeds")
COLUMNS = (
    *LABELS,
    *("rank", "position", "given", "given_name", "predicted", "predicted_name"),
    *("score", "value", "cells", "corrected"),
)
"""Of ``suspects.csv``; the last is blank, for a reviewer to fill in."""


@dataclass(frozen=True)
class Audit:
    """What was written."""

    table: Path
    index: Path
    sheets: tuple[Path, ...]
    lines: tuple[str, ...]  # one for each ranking: what it is, and how well it ranks
    undrawn: int  # rankings without a sheet


class How(NamedTuple):
    """What to show of a ranking."""

    score: str = "loss_mean"  # see benchmarks.suspects.rank.rank
    top: int = 100  # labels of each ranking that go into the table
    reveal: bool = False  # say which labels are known to be wrong; a reviewer must not see it


def audit(folder: Path, root: Path, wanted: Wanted, how: How) -> Audit:
    """Rank the training labels of a results folder and write ``folder/suspects``.

    Args:
        folder: the results folder, with its parts.
        root: the folder of the image files.
        wanted: which cells to ask.
        how: what to show.

    Raises:
        RefusedError: nothing fits, or the table that is there has been filled in.
        DataMissingError: the images are not there.
    """
    out = folder / "suspects"
    _refuse_to_lose(out / TABLE)
    found = list(rank(folder, wanted, how.score))
    drawn = list(_first_of_each(found))[:MOST_SHEETS]
    images = [_images(s.cell, root) for s in drawn]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    size = min(how.top, SHEET)
    sheets = [
        draw(suspects, image, size, out, reveal=how.reveal)
        for suspects, image in zip(drawn, images, strict=True)
    ]
    table = pd.concat([_rows(suspects, how) for suspects in found])
    table.to_csv(out / TABLE, index=False, lineterminator="\n", float_format="%.9g")
    ranked = sorted(found, key=lambda s: (0.0 if math.isnan(s.auroc) else -s.auroc, s.title))
    lines = tuple(_line(suspects) for suspects in ranked)
    index, undrawn = out / "index.md", len(found) - len(sheets)
    index.write_text(_page(lines, sheets, how.top, undrawn), encoding="utf-8")
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


def _first_of_each(found: Iterable[Suspects]) -> Iterable[Suspects]:
    """Yield the first labelling of every method and noise."""
    seen = set()
    for suspects in found:
        place = tuple(suspects.keys[name] for name in PLACE)
        if place not in seen:
            seen.add(place)
            yield suspects


def _images(cell: Cell, root: Path) -> Tensor:
    """Return the images that a cell was trained on."""
    train = cell.dataset.load(root, cell.seed)[0]
    if not cell.noise.replaces:
        return train.image
    return corrupted(cell.dataset, cell.noise, cell.seed, train, root).images(train.image)


def _rows(suspects: Suspects, how: How) -> pd.DataFrame:
    """Return the rows of ``suspects.csv``."""
    rows, names = suspects.table.head(how.top), suspects.cell.dataset.classes
    told = {name: suspects.keys[name] for name in ("cell_id", *PLACE)}
    table = rows.assign(
        **told,
        seeds=" ".join(map(str, suspects.seeds)),
        given_name=[named(names, label) for label in rows["given"]],
        predicted_name=[named(names, label) for label in rows["predicted"]],
        score=suspects.score,
        corrected="",
    )
    return table[[*COLUMNS, *(["wrong"] if how.reveal else [])]]


def _line(suspects: Suspects) -> str:
    if math.isnan(suspects.auroc):
        return f"{suspects.title}: no label is known to be wrong"
    chance = suspects.table["wrong"].mean()
    return (
        f"{suspects.title}: AUROC {suspects.auroc:.3f}, average precision {suspects.ap:.3f} "
        f"(by chance {chance:.3f})"
    )


def _page(lines: Iterable[str], sheets: list[Path], top: int, undrawn: int) -> str:
    """Return the index page."""
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

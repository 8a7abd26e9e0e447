"""Cells of well-known tables in order of fame, with the published figure beside."""

import contextlib
import csv
import functools
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.datasets.content import load
from benchmarks.errors import DataMissingError
from benchmarks.planning.options import default_precision
from benchmarks.sweep import Cell
from tests.cells import build
from tests.gpu.environment import timed
from tests.gpu.findings import UNJUDGED, Findings, Row
from tests.gpu.truth import DRIVERS
from tests.gpu.work import Item, Session
from tests.speed import contest

TABLE = Path(__file__).with_name("published.csv")
SEEDS = 3
SECONDS = 20.0


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List the cells of the table."""
    rows = {f"{row['method']}, {row['noise']}, {row['model']}": row for row in published()}
    find = functools.partial(_beside, session, rows)
    return [Item([key], find, 0.0 if session.toy else SECONDS) for key in rows]


def published() -> list[dict[str, str]]:
    """Return the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells_of(row: dict[str, str], session: Session) -> list[Cell]:
    """Return the cells of a row of the table, one for each seed."""
    specs = {name: row[name] for name in ("dataset", "noise", "model", "recipe")}
    cells = [build(row["method"], seed=seed, **specs) for seed in range(SEEDS)]
    (model, dataset), device = (cells[0].model, cells[0].dataset), torch.device(session.device)
    return [replace(cell, precision=default_precision(device, model, dataset)) for cell in cells]


def _beside(session: Session, rows: dict[str, dict[str, str]], key: str) -> Row:
    """Train a cell of the table with several seeds, as far as time goes."""
    row = rows[key]
    beside: Row = {"published": float(row["mean"]), "published_sd": float(row["std"])}
    beside |= {"selection": row["selection"], "source": row["source"]}
    try:
        with readable(session.data) as root:
            return beside | _accuracies(cells_of(row, session), root, session, row["selection"])
    except (DataMissingError, FileNotFoundError):  # of a set, or of a part of it
        text = f"no files of {row['dataset']} and its labels in {session.data}"
        return {"verdict": UNJUDGED, **beside, "left_out": text}


def _accuracies(cells: list[Cell], root: Path, session: Session, selection: str) -> Row:
    """Return what the cells reach, or how long they would have taken."""
    device = torch.device(session.device)
    flags = DRIVERS["branches graph"][1] if device.type == "cuda" else ()
    best = last = [0.0] * len(cells)
    began, count = time.time(), cells[0].recipe.epochs
    label = load(cells[0].dataset, root, 0)[1].label.to(device)
    for number, epochs in enumerate(contest.epochs_of(cells, root, device, flags), 1):
        last = [(epoch.test.argmax(-1) == label).double().mean().item() for epoch in epochs]
        best = [max(pair) for pair in zip(best, last, strict=True)]
        whole = (time.time() - began) / number * count
        if number > 1 and began + whole > session.ends["published"]:
            row: Row = {"verdict": UNJUDGED, "left_out": f"{count} epochs take {whole:.0f} s"}
            return row | {"epochs": number, "acc": [round(100 * value, 2) for value in last]}
    reached = [100 * value for value in (best if selection == "oracle" else last)]
    return {
        "verdict": timed(device),
        "acc": statistics.mean(reached),
        "sd": statistics.stdev(reached),
    }


@contextlib.contextmanager
def readable(data: Path) -> Iterator[Path]:
    """Give the folder of the image files; CIFAR-10 may be there packed anew, which is unpacked.

    What it holds is proven by the sha256 of its pixels and labels, as the publisher's files are.
    """
    if not (data / "load_packed.py").is_file():
        yield data
        return
    import pytest  # noqa: PLC0415  a bare image may lack it

    from tests.datasets.data_files import cifar10_in  # noqa: PLC0415

    target = Path(tempfile.gettempdir()) / "noisy-label-gpu-data"
    target.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        known = cifar10_in(data, target)
        known.accept(patch)
        for file in data.glob("cifar10/*_human.pt"):
            if not (known.root / file.name).exists():
                (known.root / file.name).symlink_to(file.resolve())
        yield known.root

"""Reports of a part of a run: whatever was trained before it was stopped is drawn and told."""

import random
import warnings
from contextlib import nullcontext

import pandas as pd
import pytest

from benchmarks.report import Paper, document
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.drawing import KINDS
from benchmarks.report.figures import layout, pages
from benchmarks.report.figures.layout import Page
from benchmarks.report.venues import VENUES
from tests.report.folders import NOISES, SIX, Sweep, write

CELLS = [(method, noise, seed) for method in SIX for noise in NOISES for seed in range(3)]
SOAKED = [pytest.param(number, marks=pytest.mark.soak) for number in range(1, 60) if number != 18]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    sweep = Sweep(SIX, NOISES, seeds=3, epochs=3, classes=4, planned=len(CELLS))
    return write(tmp_path_factory.mktemp("whole"), sweep)


def part(whole, folder, cells):
    """Write what a folder would have if these cells alone had been trained."""
    folder.mkdir()
    keys = ["method", "noise", "seed"]
    trained = pd.DataFrame(sorted(cells), columns=keys)
    results = pd.read_csv(whole / "results.csv").merge(trained, on=keys)
    for path in whole.iterdir():
        if path.suffix == ".csv":
            rows = pd.read_csv(path)
            shared = [name for name in (*keys, "cell_id") if name in rows]
            kept = results[shared].drop_duplicates()
            rows.merge(kept, on=shared).to_csv(folder / path.name, index=False)
        else:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("number", [0, 18, *SOAKED])
def test_whatever_part_of_a_run_is_there_is_drawn_and_told(number, whole, tmp_path, monkeypatch):
    draws = random.Random(number)  # noqa: S311  it chooses cells
    cells = set(draws.sample(CELLS, draws.choice([1, 2, 3, 5, 8, 13, 30, 60])))
    folder = part(whole, tmp_path / "part", cells)
    analysis = Analysis(load(folder))
    with layout.paper_style(VENUES["neurips"]), warnings.catch_warnings():
        warnings.simplefilter("error")  # among them those of a layout that does not fit
        for _, page in pages(analysis, VENUES["neurips"], KINDS):
            if isinstance(page, Page):
                layout.freeze_layout(page.figure)
    new = tmp_path / "report"
    new.mkdir()
    monkeypatch.setattr(document, "draw_beside", lambda *_: nullcontext(list))
    document.write(folder, new, Paper(metrics=("acc",)), 1, audited=False)
    assert f"incomplete: {len(cells)} of {len(CELLS)} cells" in (new / "report.md").read_text()

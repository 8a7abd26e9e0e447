"""Seconds are told of cells that trained alone, each repetition kept; and of no others."""

import pandas as pd
import pytest

from benchmarks.engine.checkpoint import Checkpoint
from benchmarks.launch import timing
from benchmarks.launch.request import Request
from benchmarks.report import tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import layout, pareto
from benchmarks.report.venues import VENUES
from benchmarks.schema import TIMINGS
from tests.system.runs import run

FAST = ("--recipes", "small(epochs=2)", "--models", "mlp(first=8, second=8)", "--workers", 1)


def test_a_run_keeps_every_repetition_and_the_report_tells_of_all(tmp_path):
    out = tmp_path / "out"
    asked = ("--methods", "cross_entropy", "elr", "--noises", "clean", "symmetric(rate=0.4)")
    sweep = ("run", *asked, "--seeds", 0, 1, "--no-report", "--out", out, *FAST)
    code, said, err = run(*sweep, "--timing", 2)
    assert (code, err) == (0, "")
    rows = pd.read_csv(out / "timings.csv")
    assert tuple(rows) == TIMINGS
    assert rows["method"].tolist() == ["cross_entropy", "elr"] * 2  # a turn each, then again
    assert rows["repetition"].tolist() == [1, 1, 2, 2]
    assert set(rows["noise"]) == {"symmetric(rate=0.4)"}
    assert set(rows["driver"]) == {"one_by_one"}
    assert (rows[["train_seconds", "memory_mb"]] > 0).all(axis=None)
    assert "[2/2, 2/2] elr" in said
    before = (out / "results.csv").read_bytes()
    assert run(*sweep)[0] == 0  # nothing is trained again, and the file stays
    assert (out / "results.csv").read_bytes() == before
    assert len(pd.read_csv(out / "timings.csv")) == 4

    analysis = Analysis(load(out))
    table = tables.ranking(analysis)
    own = rows[rows["method"] == "elr"]["train_seconds"]
    ends = f"{own.median():.3g} [{own.min():.3g}, {own.max():.3g}]"
    assert table.text["Seconds"]["ELR"] == ends
    assert {"Cost", "Memory MB"} <= set(table.text.columns)
    assert any("one cell alone" in note and "of 2 repetitions" in note for note in table.notes)
    with layout.paper_style(VENUES["neurips"]):
        (page,) = pareto.pages(analysis, VENUES["neurips"])
    assert page.figure.axes[-1].get_xlabel() == "Seconds, alone"
    assert page.data.set_index("method").loc["elr", "high"] == pytest.approx(own.max())
    (out / "timings.csv").unlink()
    assert "Seconds" not in tables.ranking(Analysis(load(out))).text


def test_a_cell_is_timed_from_its_beginning_whatever_a_killed_run_left(tmp_path, monkeypatch):
    jobs = []

    def in_this_process(job, cell):
        jobs.append(job)
        costs = timing._train(job, cell.specs())
        assert not costs.pop("reason")
        return costs

    monkeypatch.setattr(timing, "_in_new_process", in_this_process)
    monkeypatch.setattr(Checkpoint, "resume", lambda *_: pytest.fail("a checkpoint is read"))
    request = Request(
        methods=["elr"], noises=["clean"], recipes=["small(epochs=2)"], seeds=[0], out=tmp_path
    )
    monkeypatch.setattr(timing, "write_atomically", lambda *_: None)
    timing.time_alone(request, 1)
    assert [job.checkpoint_every for job in jobs] == [None]


@pytest.mark.parametrize("times", [0, -1, 1001])
def test_no_repetition_at_all_is_refused_before_anything_trains(tmp_path, times):
    code, _, err = run("run", "--timing", times, "--out", tmp_path / "out", *FAST)
    assert code == 2
    assert f"--timing must be in [1, 1,000], got {times}" in err
    assert not (tmp_path / "out").exists()

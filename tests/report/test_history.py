"""The history of a suite: where it changes, and what a report shows of it."""

import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks.report import history
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import trend
from benchmarks.report.figures.layout import AbsentError
from benchmarks.report.trend import words
from benchmarks.report.venues import VENUES
from tests.report import folders
from tests.system.runs import run

RUNS = 40
NOISE = np.random.default_rng(1).normal(size=RUNS)
RUN = np.arange(RUNS)
PLANTED = {
    "nothing": (NOISE, []),
    "a step": (NOISE - 3 * (RUN >= 25), [25]),
    "a step there and back": (NOISE - 6 * ((RUN >= 12) & (RUN < 28)), [12, 28]),
    "a spike": (NOISE - 50 * (RUN == 20), []),
    "a step and a spike": (NOISE - 3 * (RUN >= 25) - 50 * (RUN == 10), [25]),
    "a drift": (NOISE - 0.1 * RUN, [20]),
    "a step of replays": (np.where(RUN < 34, 0.9, 0.8), [34]),
    "a spike in replays": (np.where(RUN == 20, 0.9, 0.8), []),
    "too few runs": (NOISE[:9] - 50 * (RUN[:9] >= 4), []),
}


@pytest.mark.parametrize(("values", "expected"), PLANTED.values(), ids=PLANTED)
def test_a_step_and_a_drift_are_found_and_a_spike_is_not(values, expected):
    found = history.change_points(np.asarray(values))
    assert len(found) == len(expected)
    assert all(abs(a - b) <= 3 for a, b in zip(found, expected, strict=True))


def test_one_series_in_a_thousand_changes_by_chance():
    random = np.random.default_rng(2)
    alarms = sum(bool(history.change_points(random.normal(size=30))) for _ in range(500))
    assert alarms <= 3


def write(path, runs=RUNS, loses=0.02, **changed):
    """The history of ELR and GCE in which ELR's accuracy loses so much with run 26."""
    lines = [history.line(history.COLUMNS)]
    for k in range(runs):
        for method, metric in (("elr", "acc"), ("gce", "acc"), ("elr", "auroc")):
            value = (
                0.9 + 0.001 * NOISE[k] - loses * (k >= 25) * ((method, metric) == ("elr", "acc"))
            )
            time = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=k)).isoformat()
            branch = f"run {method} {metric}"
            row = [time, branch, f"r{k}", f"c{k}", "run", method, metric, f"{value:.9g}", 2, 5]
            row = [changed.get(name, v) for name, v in zip(history.COLUMNS, row, strict=True)]
            lines.append(history.line(row))
    path.write_text("".join(lines))
    return path


@pytest.fixture
def results(tmp_path):
    sweep = folders.Sweep(("elr", "gce"), folders.NOISES[:2], 2, epochs=2)
    return folders.write(tmp_path / "run", sweep)


def analysed(results):
    return Analysis(load(results))


@pytest.mark.parametrize("beside", [True, False])
def test_a_report_says_which_run_was_the_first_after_a_change(results, beside):
    write((results.parent if beside else results) / "history.csv")
    analysis = analysed(results)
    assert set(analysis.run.history["metric"]) <= set(history.TRACKED)
    (page,) = trend.pages(analysis, VENUES["neurips"])
    changed = page.data[page.data["changed"]]
    assert changed[["method", "metric", "number", "commit"]].to_numpy().tolist() == [
        ["elr", "acc", 26, "c25"]
    ]
    assert len(page.data) == 3 * RUNS
    assert words(analysis) == (
        "- ELR: Accuracy 2.0 points worse (90.0 to 88.0) since run 26 (2026-01-26, commit c25)"
    )
    rings = [c.get_offsets().tolist() for axes in page.figure.axes for c in axes.collections]
    assert [[26.0, pytest.approx(88.0, abs=0.3)]] in rings


def test_the_page_of_a_report_has_the_trend(results):
    write(results.parent / "history.csv")
    assert run("report", results)[0] == 0
    text = (results / "report" / "report.md").read_text()
    section = text[text.index("## Trend") :].partition("\n## ")[0]
    assert "(figures/trend.png)" in section
    assert "since run 26" in section
    assert "2.0 points worse" in (results / "report" / "report.html").read_text()
    write(results.parent / "history.csv", loses=0.0)
    assert run("report", results)[0] == 0
    assert (
        "No method has changed its level in 40 runs."
        in (results / "report" / "report.md").read_text()
    )


def test_what_is_not_of_the_suite_or_no_history_changes_no_report(results):
    path = results.parent / "history.csv"
    path.write_text("date,what\n1066,Hastings\n")
    assert analysed(results).run.history.empty
    write(path, suite="another")
    assert trend.pages(analysed(results), VENUES["neurips"]) == []


def test_runs_over_other_settings_than_the_last_are_left_out(results):
    path = write(results.parent / "history.csv", runs=30)
    more = write(results / "more.csv", settings=3).read_text().partition("\n")[2]
    path.write_text(path.read_text() + more)
    rows = analysed(results).run.history
    assert set(rows["settings"]) == {3}


def test_few_runs_none_that_changes_and_a_missing_library_are_told(results, monkeypatch):
    path = results.parent / "history.csv"
    write(path, runs=3)
    assert words(analysed(results)) == "The history has 3 runs; from 10 on, changes are sought."
    write(path, runs=1)
    with pytest.raises(AbsentError, match="a trend needs two"):
        trend.pages(analysed(results), VENUES["neurips"])
    write(path, loses=0.0)
    assert words(analysed(results)) == "No method has changed its level in 40 runs."
    write(path)
    monkeypatch.setitem(sys.modules, "ruptures", None)
    assert "the extra 'history' installs" in words(analysed(results))
    (page,) = trend.pages(analysed(results), VENUES["neurips"])
    assert not page.data["changed"].any()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"time": "yesterday"}, "line 2: 'yesterday' is no time"),
        ({"time": "2026-01-01"}, "has no zone"),
        ({"value": "nan"}, "the value 'nan' is no finite number"),
        ({"seeds": "-1"}, "'-1' is no whole number"),
        ({"seeds": "1" * 5000}, "1… is no whole number of at most nine digits"),
    ],
)
def test_a_damaged_history_is_refused_with_its_line(results, changed, reason):
    write(results.parent / "history.csv", **changed)
    code, _, err = run("report", results)
    assert code == 2
    assert reason in err

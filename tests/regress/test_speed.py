"""`regress speed`: timed runs judged, from the bytes of their files to the exit code."""

import json
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from tests.report import folders
from tests.system.runs import run

FILE = "tests/speed/test_x.py"
STEPS = ("test_step[tiny]", "test_step[mlp]", "test_noise")


def benchmark(name, factor=1.0, kernel=1.0, **more):
    """A benchmark as pytest-benchmark writes it, its times multiplied by factors."""
    low, middle = factor if isinstance(factor, tuple) else (factor, factor)
    stats = {"min": 0.01 * low, "median": 0.011 * middle, "mean": 9.0, "rounds": 20}
    extra = {"calibration": {"min": 0.001 * kernel, "median": 0.0011 * kernel}} if kernel else {}
    whole = {"name": name, "fullname": f"{FILE}::{name}", "extra_info": extra}
    return whole | {"options": {"timer": "process_time"}, "stats": stats | more}


@pytest.fixture
def timed(tmp_path):
    """Write the file of a run: each step by its name, and how many times as long it takes."""

    def write(name, kernel=1.0, node="a", **factors):
        times = dict.fromkeys(STEPS, 1.0) | {s: factors[s] for s in STEPS if s in factors}
        steps = [benchmark(step, factor, kernel) for step, factor in times.items() if factor]
        steps += [benchmark(step, factors[step], kernel) for step in factors.keys() - set(STEPS)]
        cpu = {"brand_raw": "Blue 1", "count": 2}
        path = tmp_path / f"{name}.json"
        whole = {"machine_info": {"node": node, "cpu": cpu}, "benchmarks": steps}
        path.write_text(json.dumps(whole))
        return path

    return write


def judged(runs, base, *more):
    """The exit code and the JSON of a judgement."""
    path = runs[0].with_name("j.json")
    base = base if isinstance(base, list) else [base]
    code, out, err = run("regress", "speed", *runs, "--baseline", *base, "--json", path, *more)
    assert not err
    told = json.loads(path.read_text())
    assert out.startswith(told["verdict"])
    return code, told, out


CASES = {
    "as fast": ([1.1], "PASS", "3 benchmarks: 3 PASS"),
    "slower once": ([1.3], "INCONCLUSIVE", "INCONCLUSIVE  test_noise, {}: 30% slower"),
    "slower in all": (
        [1.3, 1.4, 1.5, 1.4], "FAIL",
        "FAIL  test_noise, {}: 40% slower (10 to 14 kernels; in 4 runs 30% to 50%)",
    ),
    "not confirmed": ([1.3, 1.4, 1.05, 1.4], "PASS", ""),
    "by the minimum alone": ([(1.3, 1.05)] * 4, "PASS", ""),
    "by the median alone": ([(1.05, 1.3)] * 4, "PASS", ""),
    "a little in all": ([1.15] * 4, "CHANGED", "CHANGED  test_noise, {}: 15% slower"),
    "faster in all": ([0.5] * 4, "CHANGED", "CHANGED  test_noise, {}: 50% faster"),
}  # fmt: skip


@pytest.mark.parametrize(("factors", "verdict", "said"), CASES.values(), ids=CASES)
def test_a_benchmark_fails_that_is_slower_in_each_of_four_runs(timed, factors, verdict, said):
    runs = [timed(f"new{k}", test_noise=factor) for k, factor in enumerate(factors)]
    code, told, out = judged(runs, timed("base"))
    assert told["verdict"] == verdict
    assert code == (4 if verdict == "FAIL" else 0)
    assert said.format(FILE) in out
    assert told["how"] == "by a calibration kernel"


def test_what_one_run_shows_is_not_known_before_three_more(timed):
    runs, base = [timed("new", test_noise=1.3)], timed("base")
    code, _, out = judged(runs, base, "--strict")
    assert code == 6
    assert "1 benchmark may have become slower" in out
    assert "3 more times" in out


@pytest.mark.parametrize(
    ("kernels", "node", "verdict", "how"),
    [
        ((1.0, 2.0), "a", "PASS", "by a calibration kernel"),
        ((None, None), "a", "FAIL", "in seconds"),
        ((1.0, 2.0), "b", "PASS", "by a calibration kernel"),
        ((1.0, None), "a", "FAIL", "in seconds"),
    ],
)
def test_a_machine_of_half_the_speed_is_told_by_the_kernel(timed, kernels, node, verdict, how):
    slow = dict.fromkeys(STEPS, 2.0)
    runs = [timed(f"new{k}", kernels[1], node, **slow) for k in range(4)]
    _, told, _ = judged(runs, timed("base", kernels[0]))
    assert (told["verdict"], told["how"]) == (verdict, how)
    assert bool(told["notes"]) == (node == "b")


def test_a_benchmark_of_the_run_is_the_kernel_of_those_without_their_own(timed):
    slow = dict.fromkeys((*STEPS, "test_calibration"), 2.0)
    runs = [timed(f"new{k}", None, "b", **slow) for k in range(4)]
    _, told, _ = judged(runs, timed("base", None, test_calibration=1.0))
    assert told["verdict"] == "PASS"
    assert len(told["cells"]) == len(STEPS)


def changed(path, **fields):
    whole = json.loads(path.read_text())
    whole["benchmarks"] = [one | fields for one in whole["benchmarks"]]
    path.write_text(json.dumps(whole))
    return path


STATS = {"min": 9.0, "median": 9.0, "rounds": 2}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"options": {"timer": "perf_counter"}}, "different clocks (perf_counter, process_time)"),
        ({"stats": STATS}, "timed in 2 rounds, and 3 are needed"),
    ],
)
def test_what_cannot_be_compared_is_no_pass(timed, fields, why):
    base = timed("base")
    _, told, out = judged([changed(timed("new"), **fields)] * 4, base)
    assert told["verdict"] == "INCONCLUSIVE"
    assert why in out
    _, told, out = judged([timed("new", None, "b")] * 4, base)
    assert told["verdict"] == "INCONCLUSIVE"
    assert "on another machine, and without the kernel" in out


def test_what_is_missing_fails_with_the_name_that_it_may_have_now(timed):
    new = timed("new", **{"test_step[mlp]": None, "test_step[mlp-1]": 1.0})
    code, told, out = judged([new], timed("base"))
    assert code == 4
    assert f"FAIL  test_step[mlp], {FILE}: missing" in out
    assert f"is it test_step[mlp-1] of {FILE} now?" in out
    assert [fault["verdict"] for fault in told["faults"]] == ["FAIL", "PASS"]


def test_of_several_runs_of_the_baseline_the_median_counts(timed):
    base = [timed(f"base{k}", test_noise=factor) for k, factor in enumerate((0.5, 1.0, 1.1))]
    assert judged([timed("new", test_noise=1.1)], base)[1]["verdict"] == "PASS"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"benchmarks": []}', "times nothing"),
        ('{"benchmarks": 3}', "a list is expected here"),
        (json.dumps({"benchmarks": [benchmark("test_x", 0.0)]}), "that are not above 0"),
    ],
)
def test_a_file_that_times_nothing_is_refused(timed, tmp_path, content, reason):
    (tmp_path / "new.json").write_text(content)
    code, _, err = run("regress", "speed", tmp_path / "new.json", "--baseline", timed("base"))
    assert code == 2
    assert reason in err
    code, _, err = run("regress", "speed", timed("base"), "--baseline", tmp_path / "none.json")
    assert code == 5


SWEEP = folders.Sweep(("cross_entropy", "elr"), folders.NOISES[:2], 5, epochs=2)


def costs(folder, factor=1.0, **columns):
    """A results folder in which ELR takes so many times as long."""
    folders.stamp(folders.write(folder, SWEEP))
    rows = pd.read_csv(folder / "costs.csv").assign(steps=100, host="a", cpu="Blue 1", **columns)
    cells = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id").set_index("cell_id")
    slow = rows["cell_id"].map(cells["method"]) == "elr"
    rows.loc[slow, "train_seconds"] *= factor
    rows.assign(device="cpu").to_csv(folder / "costs.csv", index=False)
    return folder


def test_the_costs_of_a_run_are_judged_likewise(tmp_path):
    base = costs(tmp_path / "base")
    slow = [costs(tmp_path / f"new{k}", 1.5) for k in range(4)]
    code, told, out = judged(slow, base)
    assert code == 4
    assert "FAIL  elr, clean: 50% slower (0.6 to 0.9 seconds; in 4 runs 50%)" in out
    verdicts = {(cell["method"], cell["verdict"]) for cell in told["cells"]}
    assert verdicts == {("cross_entropy", "PASS"), ("elr", "FAIL")}
    code, told, out = judged([costs(tmp_path / "other", driver="one_by_one")], base)
    assert told["verdict"] == "INCONCLUSIVE"
    assert "wall, one_by_one, wall, stack" in out


def test_machines_are_told_of_benchmarks(timed, tmp_path):
    runs = [timed(f"new{k}", test_noise=1.5) for k in range(4)]
    files = {name: tmp_path / f"r.{name}" for name in ("markdown", "junit")}
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    assert run("regress", "speed", *runs, "--baseline", timed("base"), *words)[0] == 4
    page = files["markdown"].read_text()
    assert "3 benchmarks: 1 FAIL, 2 PASS; compared by a calibration kernel." in page
    assert "| FAIL | test_noise | tests/speed/test_x.py | time in kernels | 0.405 |" in page
    suite = ET.fromstring(files["junit"].read_text())[0]  # noqa: S314  our own
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")

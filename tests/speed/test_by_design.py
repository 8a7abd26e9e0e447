"""The page of arithmetic: what it says is what was counted, and its times follow from that."""

import csv

import pytest

from tests.speed import by_design

ROW = {"driver": "stack graph", "width": "10", "precision": "bfloat16"}
ROW |= {"kernels_a_step": "100.0", "launches_a_step": "6.0"}
STEP = by_design.Step(1e9, 1e6, 1e8, 1e5)


def test_a_stack_launches_as_much_whatever_its_width_and_branches_each_their_own():
    stack, branches = ROW, ROW | {"driver": "branches graph"}
    one, two = (by_design.budget(stack, STEP, width) for width in (10, 20))
    assert (one.host, one.nodes) == pytest.approx((6 * 5e-6, 100 * 1.3e-6))
    assert (two.host, two.nodes) == (one.host, one.nodes)
    assert (two.arithmetic, two.traffic) == pytest.approx((2 * one.arithmetic, 2 * one.traffic))
    assert one.arithmetic == pytest.approx(10 * 1e9 / (0.6 * 989e12))
    side_by_side = by_design.budget(branches, STEP, 20)
    assert side_by_side.nodes == pytest.approx(10 * 1.3e-6)  # those of one branch
    assert side_by_side.host == pytest.approx(2 * 6 * 5e-6)


def test_a_step_takes_the_longest_of_what_goes_on_side_by_side():
    assert by_design.Budget(3.0, 1.0, 1.0, 1.0).seconds == 3.0
    assert by_design.Budget(1.0, 1.0, 1.5, 1.0).bound == "arithmetic and traffic"


def test_the_page_shows_what_was_counted():
    with by_design.COUNTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    page = by_design.PAGE.read_text(encoding="utf-8").replace("**", "")
    assert len(by_design.workloads.WORKLOADS) == 9
    for workload in by_design.workloads.WORKLOADS:
        tables = [
            by_design.table(by_design.rows_of(workload, precision, rows), "")
            for precision in ("float32", "bfloat16")
        ]
        assert sum(table in page for table in tables) == 1

"""Kernels, copies, memory and waits of training on the stub keep within what is committed."""

import pytest

from tests.device import lines
from tests.device.lines import Budget, Combination

NO_BUDGET = f"nothing is committed of PyTorch {lines.VERSION}, whose steps have other kernels"
CLOSE = 0.95  # of a budget: what is less is to be committed
LOWER = "lower it with `python -m tests.device.lines`"


def overspent(line):
    """Say where a combination takes more than its budget, or clearly less."""
    found, budget = Budget.of(line), lines.read_budget()
    if (one := Combination(*map(line.get, lines.FIELDS))) not in budget:
        return [f"no budget is committed of {one}: measure it with `python -m tests.device.lines`"]
    said = []
    for name, measured, allowed in zip(Budget._fields, found, budget[one], strict=True):
        slack = 0.03 * allowed + 0.1 if name == "mib" else 0  # blocks are given out by their order
        if measured > allowed + slack:
            said.append(f"{name}: {measured}, and its budget is {allowed}")
        elif measured < CLOSE * allowed - slack:
            said.append(f"{name}: {measured}, far below its budget of {allowed}: {LOWER}")
    return said


@pytest.mark.parametrize("combination", lines.CHOSEN, ids=str)
def test_a_step_keeps_within_its_budget(quick, combination):
    line = quick(combination)
    assert line["status"] == "ok"
    if not lines.BUDGET.is_file():
        pytest.skip(NO_BUDGET)
    assert overspent(line) == []


def test_the_host_waits_where_it_may_and_no_oftener(quick):
    measured = lines.most_waits(quick(one) for one in lines.CHOSEN)
    assert measured == lines.read_waits(), f"where it is less, {LOWER}"


@pytest.mark.soak
def test_the_host_waits_nowhere_else(whole):
    measured = lines.most_waits(whole(one) for one in lines.EVERY)
    assert measured.keys() <= lines.read_waits().keys()


def test_a_step_that_takes_more_or_far_less_than_its_budget_is_found(monkeypatch):
    one = Combination("mlp", "float32", "stack", "elr")
    line = dict(zip(lines.FIELDS, one, strict=True))
    monkeypatch.setattr(lines, "read_budget", lambda: {one: Budget(100, 10, 50)})
    assert overspent(line | {"kernels": 100, "copies": 10, "peak_mib": 51.5}) == []
    assert overspent(line | {"kernels": 101, "copies": 10, "peak_mib": 52}) == [
        "kernels: 101, and its budget is 100",
        "mib: 52, and its budget is 50",
    ]
    (none,) = overspent(
        line | {"driver": "branches graph", "kernels": 1, "copies": 1, "peak_mib": 1}
    )
    assert none.startswith("no budget is committed of mlp-float32-branches graph-elr")
    (lower,) = overspent(line | {"kernels": 94, "copies": 10, "peak_mib": 49})
    assert lower == f"kernels: 94, far below its budget of 100: {LOWER}"

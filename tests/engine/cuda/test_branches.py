"""How many cells are branches side by side, and where they may be."""

import pytest

from benchmarks.engine.drivers import in_words
from benchmarks.errors import RefusedError
from benchmarks.launch import session
from benchmarks.launch.request import Request
from benchmarks.planning.plan import Wish, settle
from benchmarks.planning.throughput import UNMEASURED_BRANCHES, Rate, Rates, cache_file, key
from tests.cells import CPU, build

BRANCHES = ("graph", "branches")


def test_branches_are_as_many_as_were_measured_and_packs_say_nothing_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cells = [build(seed=seed, model="convnet") for seed in range(30)]
    wish = Wish(CPU, flags=BRANCHES)
    packs = {1: Rate(1.0, 1.0), 4: Rate(0.1, 0.1)}
    Rates({}).write({key(cells[0], CPU): packs})
    assert cache_file().is_relative_to(tmp_path)
    assert settle(tmp_path, "mine", cells, Wish(CPU)).width(cells[0]) == 4
    assert settle(tmp_path, "mine", cells, Wish(CPU, flags=("graph",))).width(cells[0]) == 4
    assert settle(tmp_path, "mine", cells, wish).width(cells[0]) == UNMEASURED_BRANCHES
    Rates.read().write({key(cells[0], CPU, BRANCHES): {1: Rate(1.0, 1.0), 3: Rate(0.1, 0.1)}})
    plan = settle(tmp_path, "mine", cells, wish)
    assert plan.width(cells[0]) == 3
    plan.write(tmp_path)
    assert '"driver": "branches graph"' in (tmp_path / "plan.json").read_text()
    assert settle(tmp_path, "mine", cells, Wish(CPU)).flags == BRANCHES
    assert in_words(3, plan.flags) == "branches of 3"


def test_branches_without_a_gpu_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(RefusedError, match="--branches needs --device cuda, got cpu; leave it out"):
        session.prepare(Request(out=tmp_path, device="cpu", branches=True))

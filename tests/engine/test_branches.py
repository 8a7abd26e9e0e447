"""Cells side by side, unmapped: the reference driver's numbers for each, whoever stands beside."""

from pathlib import Path

import pytest
import torch

from benchmarks.engine import drivers, packed, reference
from benchmarks.engine.branches import Branches
from benchmarks.engine.data import load_cell_data
from benchmarks.errors import RefusedError
from benchmarks.launch import session
from benchmarks.launch.request import Request
from benchmarks.planning.plan import Wish, settle
from benchmarks.planning.throughput import UNMEASURED_BRANCHES, Rate, Rates, cache_file, key
from methods import METHODS
from tests.cells import build
from tests.engine.test_engine import few
from tests.oracles.steady import Recorder

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")
RECIPE = "small(epochs=2, lr=0.05, batch=40, weight_decay=0.01, clip_norm=0.5, crop=1)"
BRANCHES = ("graph", "branches")
CASES = [(method, "mlp(first=19, second=13)") for method in METHODS]
CASES += [(method, "convnet") for method in ("co_teaching", "l2rw", "elr_plus", "pes")]


def posed(method, model, seeds):
    cells = [build(method, model=model, recipe=RECIPE, seed=seed) for seed in seeds]
    return cells, [few(load_cell_data(cell, NOWHERE, CPU)) for cell in cells]


@pytest.mark.parametrize(("method", "model"), CASES)
def test_a_branch_predicts_what_the_reference_driver_does_to_the_bit(method, model):
    cells, problems = posed(method, model, (0, 1))
    recorder = Recorder()
    together = list(packed.train(cells, problems, Branches))
    replayed = list(packed.train(cells, problems, Branches, recorder=recorder))
    for k, (cell, problem) in enumerate(zip(cells, problems, strict=True)):
        alone = reference.train(cell, problem)
        for expected, *found in zip(alone, together, replayed, strict=True):
            for epochs in found:
                for name in ("train", "val", "test"):
                    pair = getattr(epochs[k], name), getattr(expected, name)
                    torch.testing.assert_close(*pair, rtol=0, atol=0)
                # of a stack, so a sum over it may begin elsewhere in a register
                torch.testing.assert_close(epochs[k].state, expected.state, equal_nan=True)
                assert epochs[k].loss == pytest.approx(expected.loss, rel=1e-5)
                assert epochs[k].lr == expected.lr
    assert recorder.replays > 0


def test_the_driver_is_chosen_by_width_and_flags(monkeypatch):
    cells, problems = posed("cross_entropy", "mlp(first=19, second=13)", (0, 1))
    monkeypatch.setattr(drivers, "CudaGraphs", Recorder)
    sizes = [len(next(drivers.driven(cells, problems, 4, flags))) for flags in ((), BRANCHES)]
    assert sizes == [4 + 3, 2]  # padded to the width and beyond the tail; as they are
    *_, epochs = drivers.driven(cells[:1], problems[:1], 1, BRANCHES)
    *_, expected = reference.train(cells[0], problems[0])
    torch.testing.assert_close(epochs[0].test, expected.test, rtol=0, atol=0)


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
    assert drivers.in_words(3, plan.flags) == "branches of 3"


def test_branches_without_a_gpu_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(RefusedError, match="--branches needs --device cuda, got cpu; leave it out"):
        session.prepare(Request(out=tmp_path, device="cpu", branches=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device to branch on")
@pytest.mark.parametrize("method", METHODS)
def test_captured_branches_train_as_steps_one_by_one(method, caplog):
    device = torch.device("cuda")
    cells = [build(method, model="convnet", recipe=RECIPE, seed=seed) for seed in (0, 1)]
    problems = [few(load_cell_data(cell, NOWHERE, device)) for cell in cells]
    *_, found = drivers.driven(cells, problems, 2, BRANCHES)
    assert "no CUDA graph" not in caplog.text
    for epoch, cell, problem in zip(found, cells, problems, strict=True):
        *_, expected = reference.train(cell, problem)
        assert (epoch.test - expected.test).abs().max() < 1e-2

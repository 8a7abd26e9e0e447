"""Steps from a graph train as steps one by one, and could be one: without a GPU, by a stand-in."""

from pathlib import Path

import pytest
import torch

from benchmarks.engine import graph, packed, reference
from benchmarks.engine.data import load_cell_data
from benchmarks.errors import RefusedError
from benchmarks.launch import session
from benchmarks.launch.request import Request
from methods import METHODS
from tests.cells import build
from tests.engine.test_engine import few
from tests.oracles.steady import Recorder

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")
RECIPE = "small(epochs=2, lr=0.05, batch=40, weight_decay=0.01, clip_norm=0.5, crop=1)"
ADAM = "small(epochs=2, optimizer='adam', lr=0.001, batch=40)"
ONE = torch.tensor(1)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}
CASES = [(method, "mlp(first=19, second=13)") for method in METHODS]
CASES += [(method, "convnet") for method in ("co_teaching", "l2rw", "elr_plus", "pes")]


@pytest.mark.parametrize(("method", "model"), CASES)
@pytest.mark.usefixtures("double")
def test_replayed_steps_train_as_the_reference_does(method, model):
    cells = [build(method, model=model, recipe=RECIPE, seed=seed) for seed in (0, 1)]
    problems = [few(load_cell_data(cell, NOWHERE, CPU)) for cell in cells]
    recorders = Recorder(), Recorder()
    together = list(packed.train(cells, problems, recorder=recorders[0]))
    alone = reference.train(cells[1], problems[1], recorder=recorders[1])
    plain = reference.train(cells[1], problems[1])
    for pack, own, expected in zip(together, alone, plain, strict=True):
        for found in (pack[1], own):
            assert found.loss == pytest.approx(expected.loss, abs=1e-10)
            torch.testing.assert_close(found.test, expected.test, **CLOSE)
            torch.testing.assert_close(found.state, expected.state, **CLOSE)
    stages = [stage for stage in cells[0].method.stages(2) if stage.epochs]
    for recorder in recorders:
        assert recorder.graphs == len(stages)
        assert recorder.replays == 2 * 7 - graph.WARM * len(stages)  # and a shorter one an epoch


@pytest.mark.usefixtures("double")
def test_replayed_steps_of_adam_follow_its_schedule():
    cell = build(recipe=ADAM)
    problem = few(load_cell_data(cell, NOWHERE, CPU))
    for found, expected in zip(
        reference.train(cell, problem, recorder=Recorder()),
        reference.train(cell, problem),
        strict=True,
    ):
        assert (found.test - expected.test).abs().max() < 1e-10


def test_a_step_that_cannot_be_recorded_is_taken_all_the_same_and_says_so(caplog):
    class Failing(Recorder):
        def record(self, step):
            step()
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    cell = build(model="convnet", recipe="small(epochs=2, batch=40)")
    problem = few(load_cell_data(cell, NOWHERE, CPU))
    found, _ = reference.train(cell, problem, recorder=Failing())
    assert found.loss > 0
    assert "no CUDA graph, kernels are launched one by one: operation not" in caplog.text


def test_a_graph_without_a_gpu_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(RefusedError, match="--graph needs --device cuda, got cpu; leave it out"):
        session.prepare(Request(out=tmp_path, device="cpu", graph=True))


def test_a_state_that_remembers_another_of_before_is_kept_as_it_was():
    class Counting:
        def step(self, image, given, state, epoch):
            return image.sum(), {"now": state["now"] + 1, "before": state["now"]}

        def left_behind(self):
            return {}

        def take_up(self, tensors):
            pass

    stepper, state = graph.Graphed(Counting(), Recorder()), dict.fromkeys(("now", "before"), ONE)
    for count in range(2, 9):
        _, state = stepper.step(torch.ones(3), {}, state, torch.tensor(0))
        assert (state["now"], state["before"]) == (count, count - 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device to capture a graph on")
@pytest.mark.parametrize("method", METHODS)
def test_a_captured_step_trains_as_one_that_is_not(method, caplog):
    device = torch.device("cuda")
    cell = build(method, model="convnet", recipe=RECIPE)
    problem = few(load_cell_data(cell, NOWHERE, device))
    *_, found = reference.train(cell, problem, recorder=graph.CudaGraphs())
    *_, (pack, _) = packed.train([cell] * 2, [problem] * 2, recorder=graph.CudaGraphs())
    *_, expected = reference.train(cell, problem)
    assert "no CUDA graph" not in caplog.text
    assert (found.test - expected.test).abs().max() < 1e-2
    assert (pack.test - expected.test).abs().max() < 1e-2

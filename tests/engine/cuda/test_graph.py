"""Steps from a graph train as steps one by one, and could be one: without a GPU, by a stand-in."""

import pytest
import torch

from benchmarks.engine import drivers
from benchmarks.engine.cuda import graph
from benchmarks.engine.loop import train
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.engine.stack import Stack
from benchmarks.errors import RefusedError
from benchmarks.launch import session
from benchmarks.launch.request import Request
from methods import METHODS
from tests.cells import CPU, NOWHERE, alone, build, few
from tests.oracles.steady import Recorder

RECIPE = "small(epochs=2, lr=0.05, batch=40, weight_decay=0.01, clip_norm=0.5, crop=1)"
ONE = torch.tensor(1)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}
CASES = [(method, "mlp(first=19, second=13)") for method in METHODS]
CASES += [(method, "convnet") for method in ("co_teaching", "l2rw", "elr_plus", "pes")]


def graphed(team, cells, data, recorder):
    return list(train(graph.Graphed(team(cells, data, capturable=True), recorder)))


@pytest.mark.parametrize(("method", "model"), CASES)
@pytest.mark.usefixtures("double")
def test_replayed_steps_train_as_those_of_a_cell_alone(method, model):
    cells = [build(method, model=model, recipe=RECIPE, seed=seed) for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    expected = alone(cells[1], data[1])
    stages = [stage for stage in cells[0].method.stages(2) if stage.epochs]
    for team in (Stack, OneByOne):
        recorder = Recorder()
        for (_, found), plain in zip(graphed(team, cells, data, recorder), expected, strict=True):
            assert found.loss == pytest.approx(plain.loss, abs=1e-10)
            torch.testing.assert_close(found.test, plain.test, **CLOSE)
            torch.testing.assert_close(found.state, plain.state, **CLOSE)
        assert recorder.graphs == len(stages)
        assert recorder.replays == 2 * 7 - graph.WARM * len(stages)  # and a shorter one an epoch


def test_a_step_that_cannot_be_recorded_is_taken_all_the_same_and_says_so(caplog):
    class Failing(Recorder):
        def record(self, step):
            step()
            raise graph.CannotRecordError("operation not permitted when stream is capturing")

    cell = build(model="convnet", recipe="small(epochs=2, batch=40)")
    ((first,), _) = graphed(OneByOne, [cell], [few(cell)], Failing())
    assert first.loss > 0
    assert "no CUDA graph, kernels are launched one by one: operation not" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("a bug"), torch.OutOfMemoryError("too large")])
def test_what_is_no_refusal_of_a_graph_ends_the_training(error):
    class Failing(Recorder):
        def record(self, step):
            raise error

    cell = build(recipe="small(epochs=2, batch=40)")
    with pytest.raises(type(error), match=str(error)):
        graphed(OneByOne, [cell], [few(cell)], Failing())


def test_costs_say_why_there_was_no_graph(monkeypatch):
    class Failing(Recorder):
        def record(self, step):
            raise graph.CannotRecordError("a hook waits")

    monkeypatch.setattr(drivers, "CudaGraphs", lambda _: Failing())
    cells = [build("reweighting", seed=seed, recipe=RECIPE) for seed in (0, 1)]
    setup = PackSetup(NOWHERE, CPU, keep_all=False, width=2, flags=("graph",))
    drivers_of = [record.meta.costs.driver for record in train_and_record(cells, setup)]
    assert drivers_of == ["stack (no graph: a hook waits)"] * 2


@pytest.mark.parametrize("flag", ["graph", "branches"])
def test_a_graph_without_a_gpu_is_refused_in_a_sentence(flag, tmp_path):
    with pytest.raises(RefusedError, match=f"--{flag} needs --device cuda, got cpu; leave it out"):
        session.prepare(Request(out=tmp_path, device="cpu", **{flag: True}))


def test_a_state_that_remembers_another_of_before_is_kept_as_it_was():
    class Counting:
        cells = data = ()
        set_learning_rate = batches = mean = refit = evaluate = tensors = restore = None
        carried = dict.fromkeys(("now", "before"), ONE)

        def begin(self, *_):
            pass

        update_averages = begin

        def step(self, images, _epoch):
            now = self.carried["now"]
            self.carried = {"now": now + 1, "before": now}
            return images.sum()

    team = Counting()
    stepper = graph.Graphed(team, Recorder())
    stepper.begin(0, None, None)
    for count in range(2, 9):
        stepper.step(torch.ones(3), torch.tensor(0))
        assert (team.carried["now"], team.carried["before"]) == (count, count - 1)


def test_a_graph_is_chosen_by_its_flag(monkeypatch):
    monkeypatch.setattr(drivers, "CudaGraphs", lambda _: Recorder())
    cell = build(recipe=RECIPE)
    data = few(cell)
    team = drivers.team_of([cell], [data], 1, ("graph",))
    assert isinstance(team, graph.Graphed)
    *_, (epoch,) = train(team)
    torch.testing.assert_close(epoch.test, alone(cell, data)[-1].test)

"""What only a device shows of the engine, each by a program on the stub that is a line or two."""

SETUP = """
import json
import torch
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import train
from tests.cells import build, few
from tests.device.matrix import on

def begun(method="cross_entropy", model="convnet", recipe="small(epochs=2, batch=40)", width=1,
          flags=("graph",), device="cuda", precision="float32", team_of=team_of):
    chosen = {"model": model, "recipe": recipe, "precision": precision}
    cells = [build(method, seed=seed, **chosen) for seed in range(width)]
    data = [on(torch.device(device), few(cell)) for cell in cells]
    return team_of(cells, data, width, flags)
"""


def test_graphs_train_in_float64_where_rates_are_tensors(on_the_stub):
    program = """
torch.set_default_dtype(torch.float64)
reasons = []
for optimizer in ("sgd", "adam"):
    team = begun(recipe=f"small(epochs=2, batch=40, optimizer='{optimizer}')")
    list(train(team))
    reasons.append(team.reason)
print(json.dumps({"reasons": reasons}))
"""
    assert on_the_stub("-c", SETUP + program) == [{"reasons": ["", ""]}]

"""A pack that is killed on a device goes on there from what its checkpoint holds.

The stub computes no number, so what is resumed is moved by one: a team that took up nothing would
hold what it began with.
"""

PROGRAM = """
import json, tempfile
from pathlib import Path
import numpy as np
import torch
from benchmarks.engine.checkpoint import Checkpoints, path_of
from benchmarks.engine.one_by_one import Member
from benchmarks.engine.record import PackSetup, train_cells
from benchmarks.engine.stack import Stack
from tests.cells import NOWHERE, build

class Killed(BaseException):
    pass

def trained(cells, folder, flags, until=None):
    def beat(epochs):
        if until is not None and until < epochs < until + 1:
            raise Killed
    kept = Checkpoints(folder, 0.0)
    setup = PackSetup(NOWHERE, torch.device("cuda"), True, len(cells), flags, beat, kept)
    try:
        return train_cells(cells, setup)
    except Killed:
        return None

def kept(folder, cells):
    with np.load(path_of(folder, [cell.id for cell in cells])) as archive:
        return dict(archive)

def team(arrays):
    return {name: own for name, own in arrays.items() if name.startswith("team.")}

held = []
def taken_up(kind):
    honest = kind.restore
    def restore(self, tensors):
        honest(self, tensors)
        prefix = "team.0." if kind is Member else "team."
        devices = {own.device.type for own in self.tensors().values()}
        assert devices == {"cuda"}, devices
        held.append({prefix + name: own.cpu().numpy() for name, own in self.tensors().items()})
    kind.restore = restore

for kind in (Member, Stack):
    taken_up(kind)

for flags, width in (((), 1), (("graph",), 2)):
    options = {"model": "mlp(first=19, second=13)", "recipe": "small(epochs=3, batch=600)"}
    cells = [build("elr", seed=seed, **options) for seed in range(width)]
    alone, out = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    whole = trained(cells, alone, flags)
    trained(cells, out, flags, until=1)
    begun = kept(out, cells)
    moved = {name: own + 1 if own.dtype == np.float32 else own for name, own in team(begun).items()}
    trained(cells, out, flags, until=2)
    found = trained(cells, out, flags)
    same = [
        {name: own.tobytes() for name, own in record.arrays.items()} for record in (*whole, *found)
    ]
    np.savez(path_of(out, [cell.id for cell in cells]), **begun | moved)
    held.clear()
    trained(cells, out, flags, until=2)
    odd = [name for name, own in moved.items() if held[0][name].tobytes() != own.tobytes()]
    drivers = {record.meta.costs.driver for record in found}
    told = {"flags": flags, "width": width, "same": same[:width] == same[width:], "odd": odd}
    print(json.dumps(told | {"drivers": sorted(drivers), "tensors": len(moved)}))
"""


def test_a_pack_goes_on_on_the_device_from_what_its_checkpoint_holds(on_the_stub):
    found = on_the_stub("-c", PROGRAM, seconds=2000)
    assert len(found) == 2
    for line in found:
        assert line["same"]
        assert line["tensors"] > 12
        assert line["odd"] == []
    assert [line["drivers"] for line in found] == [["one_by_one"], ["stack graph"]]

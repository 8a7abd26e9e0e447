"""The batches of an epoch: one order for every method, and none of a single example."""

import pytest
import torch

from benchmarks.engine.batches import batches
from benchmarks.engine.data import load_cell_data
from methods import METHODS
from tests.cells import CPU, NOWHERE, build


def test_methods_see_the_same_labels_in_the_same_order():
    cells = [build(method) for method in METHODS]
    data = [load_cell_data(cell, NOWHERE, CPU) for cell in cells]
    orders = [
        torch.cat([batch.ids for _, batch in batches(cell, own, 1)])
        for cell, own in zip(cells, data, strict=True)
    ]
    assert all(torch.equal(order, orders[0]) for order in orders)
    assert len({own.noise_sha256 for own in data}) == 1


@pytest.mark.parametrize(
    ("size", "lengths"), [(128, [64, 64]), (129, [64, 65]), (130, [64, 64, 2])]
)
def test_a_last_batch_of_one_joins_the_one_before(size, lengths):
    cell = build(recipe="small(batch=64)")
    data = load_cell_data(cell, NOWHERE, CPU)
    short = data._replace(noisy=data.noisy[:size])
    found = [batch.ids for _, batch in batches(cell, short, 0)]
    assert [len(ids) for ids in found] == lengths
    assert torch.cat(found).sort().values.tolist() == list(range(size))

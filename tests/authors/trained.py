"""Which code trains what a method is held against, where its loss alone does not say all."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.engine.one_by_one import OneByOne
from tests.authors.code import Names
from tests.authors.comparisons import Difference
from tests.cells import batches_of, build, few


class Training(NamedTuple):
    """A method's spec, where the code is that it is held against, and what both do."""

    spec: str
    repository: str
    path: str
    measure: Callable[[str, Names], Difference]
    stubs: dict[str, Any] = {}  # noqa: RUF012  nobody writes to it


def _sam(spec: str, names: Names) -> Difference:
    """Take steps of a network with batch normalisation by both; the gradient is that of a step."""
    recipe = "small(epochs=2, lr=0.1, batch=23, weight_decay=0.01)"
    cell = build(spec, model="convnet", recipe=recipe)
    team = OneByOne([cell], [few(cell, 6 * 23)])
    team.begin(0, cell.method.stages(2)[0], cell.recipe)
    (ours,) = team.members[0].networks
    theirs, value, apart = copy.deepcopy(ours).train(), 0.0, 0.0
    norms = [layer for layer in theirs.modules() if isinstance(layer, nn.BatchNorm2d)]
    optimizer = names["SAM"](
        theirs.parameters(),
        torch.optim.SGD,
        cell.method.rho,
        lr=0.1,
        momentum=0.9,
        weight_decay=0.01,
    )
    batches = batches_of(cell, team.data[0], 0)
    for image, batch in batches:
        ours.train()
        mine = team.step([(image, batch)], torch.tensor(0)).item()
        first = F.cross_entropy(theirs(image[0]), batch.label)
        first.backward()
        optimizer.first_step(zero_grad=True)
        momenta = [layer.momentum for layer in norms]
        for layer in norms:
            layer.momentum = 0.0  # as that code's bypass_bn does
        F.cross_entropy(theirs(image[0]), batch.label).backward()
        optimizer.second_step(zero_grad=True)
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        value = max(value, abs(mine - first.item()))
        pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        moved = [(a - b).abs().max().item() for a, b in pairs if a.is_floating_point()]
        apart = max(apart, *moved)
    return Difference(len(batches), value, apart)


TRAININGS = (Training("sam", "davda54/sam", "sam.py", _sam),)
